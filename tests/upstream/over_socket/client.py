"""The TestClient that upstream's tests get: the original one on a socket transport."""

from __future__ import annotations

import sys
from typing import Any, Self

import httpx2 as httpx
from starlette import testclient

from . import usage
from .servers import load_factory
from .settings import Settings
from .transport import ServerPool, SocketTransport

OriginalTestClient = testclient.TestClient


class SocketTestClient(OriginalTestClient):
    """TestClient whose traffic crosses a real TCP socket to a server in a thread."""

    __test__ = False
    server_pool: ServerPool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        replaced = self._transport
        assert isinstance(replaced, testclient._TestClientTransport)
        self._socket_transport = SocketTransport(replaced, self.server_pool)
        self._transport = self._socket_transport

    def __enter__(self) -> Self:
        running = self._socket_transport.enter()
        self.app_state.update(running.lifespan_state)
        return self

    def __exit__(self, *args: Any) -> None:
        running = self._socket_transport.leave()
        if running is None or running.is_bare:
            if running is not None:
                running.stop()
            return
        before = running.lifespan_exception()
        running.stop()
        exception = running.lifespan_exception()
        if exception is not None and exception is not before:
            raise exception

    def close(self) -> None:
        self._socket_transport.close()
        super().close()


SocketTestClient.__name__ = SocketTestClient.__qualname__ = "TestClient"


def install(settings: Settings) -> ServerPool:
    """Replace TestClient in every module that has it by now.

    Raises:
        RuntimeError: if a module outside starlette and fastapi has bound the original already:
            its tests would pass without crossing the socket.
    """
    pool = ServerPool(load_factory(settings.server), settings.bare, settings.http2)
    SocketTestClient.server_pool = pool
    import fastapi.testclient  # noqa: F401  (binds the original, replaced below)

    for name, module in list(sys.modules.items()):
        if vars(module).get("TestClient") is OriginalTestClient:
            if name.partition(".")[0] not in ("starlette", "fastapi", "hyperfastapi"):
                raise RuntimeError(f"{name} has bound the original TestClient before the swap")
            module.TestClient = SocketTestClient  # type: ignore[attr-defined]

    original_handle = testclient._TestClientTransport.handle_request

    def counted_handle(self: Any, request: httpx.Request) -> httpx.Response:
        usage.counts[usage.IN_PROCESS] += 1
        return original_handle(self, request)

    testclient._TestClientTransport.handle_request = counted_handle  # type: ignore[method-assign]
    return pool
