"""Event loops that serve: the reactor inside asyncio's own ``select()``, or as a reader elsewhere.

On asyncio's loop there is one place that waits, for the network and for everything else: the loop
calls its selector, and the selector runs the reactor, in which asyncio's own descriptors are nested
as one. Other loops (uvloop) watch the reactor's descriptor like any other.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from hyperfastapi import _core

_WAKE = "_write_to_self"


class ReactorSelector(selectors.DefaultSelector):
    """asyncio's selector, with a server's turn as its way of waiting once one has joined."""

    def __init__(self) -> None:
        super().__init__()
        self._turn: Callable[[float | None], bool] | None = None

    def join(self, server: _core.Server) -> None:
        """Let the server wait in this selector's place."""
        self._turn = server.turn

    def leave(self) -> None:
        """Wait without a server again."""
        self._turn = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve until asyncio has something to do, or for `timeout` seconds."""
        if self._turn is None:
            return super().select(timeout)
        return super().select(0) if self._turn(timeout) else []


class LoopError(RuntimeError):
    """The event loop asked for can't be had."""


def new_event_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Make the loop of a worker.

    Args:
        kind: ``"auto"`` and ``"asyncio"`` give asyncio's loop with the reactor in its ``select()``,
            the faster of the two for this server; ``"uvloop"`` gives uvloop's.

    Raises:
        LoopError: uvloop is not installed.
    """
    if kind != "uvloop":
        return asyncio.SelectorEventLoop(ReactorSelector())
    try:
        import uvloop
    except ImportError:
        raise LoopError(
            "loop='uvloop': uvloop is not installed; install it with "
            "'pip install hyperfastapi[uvloop]', or use loop='asyncio'"
        ) from None
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Attachment:
    """A server in the running loop, from `attach()` until `detach()`."""

    def __init__(self, server: _core.Server, state: dict[str, Any]) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        selector = getattr(self._loop, "_selector", None)
        self._selector = selector if isinstance(selector, ReactorSelector) else None
        if self._selector is not None:
            server.attach(self._loop, state, self._selector.fileno())
            self._selector.join(server)
            # call_soon_threadsafe() ends the wait by this: the way through asyncio's socket pair,
            # its selector and a callback costs a `def` endpoint more than its own work.
            vars(self._loop)[_WAKE] = server.wake
            self._fd = -1
        else:
            self._fd = server.attach(self._loop, state, -1)
            self._loop.add_reader(self._fd, server.turn, 0)

    def detach(self) -> None:
        """Take the server out of the loop; it serves no more."""
        if self._selector is not None:
            vars(self._loop).pop(_WAKE, None)
            self._selector.leave()
        else:
            self._loop.remove_reader(self._fd)
