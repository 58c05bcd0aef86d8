"""What takes a response as a whole where ASGI would have it in messages."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from starlette.types import Message


class WholeSend:
    """A `send` between two parts of a middleware stack, of which each knows the other."""

    __slots__ = ()

    def __call__(self, message: Message) -> Awaitable[None]:
        """Take a message."""
        raise NotImplementedError

    def whole(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        sender: Any,
        is_relayed: bool = False,
    ) -> bool:
        """Take a response that is complete.

        Args:
            status: the response's.
            headers: the response's.
            body: the response's.
            sender: the ASGI application that sends it, which goes on at once. What lies between
                it and the middleware would go on too early, before the response has been sent.
            is_relayed: whether it comes from a middleware, which ASGI would have it from in pieces.

        Returns:
            False: it has to come in messages.
        """
        raise NotImplementedError

    def takes_streams(self) -> bool:
        """Tell whether a response that ASGI would have in pieces may be given as a whole."""
        raise NotImplementedError

    async def sent(self) -> None:
        """Wait until the response has been sent."""
        raise NotImplementedError


def wrapped_by(middleware: Any) -> Any:
    """Return what a middleware calls, without those that hand on `send` as they got it."""
    app = middleware.app
    while getattr(type(app), "_hands_on", False):
        app = app.app
    return app
