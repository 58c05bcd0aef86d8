"""TestClient's HTTP traffic over a real socket."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import httpx2 as httpx
from starlette import testclient

from . import usage
from .recorder import ASGIApp
from .running import RunningServer
from .servers import ServerFactory
from .websocket import WebSocketSession

MAX_OPEN_SERVERS = 4  # tests make clients by the thousand and seldom close them
CONNECTION_ERRORS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
# What a server adds to the application's headers, and TestClient does not.
SERVER_HEADERS = {b"date", b"server", b"connection", b"keep-alive", b"transfer-encoding"}


class ServerPool:
    """The servers of clients used without `with`: started on first use, the oldest stopped."""

    def __init__(self, factory: ServerFactory, bare: bool, http2: bool) -> None:
        self._factory = factory
        self._bare = bare
        self._http2 = http2
        self._open: OrderedDict[SocketTransport, None] = OrderedDict()

    def start(self, transport: SocketTransport, *, lifespan: bool) -> RunningServer:
        return RunningServer(
            self._factory,
            transport.app,
            bare=self._bare,
            lifespan=lifespan,
            root_path=transport.root_path,
            http2=self._http2,
        )

    def touch(self, transport: SocketTransport) -> None:
        self._open[transport] = None
        self._open.move_to_end(transport)
        while len(self._open) > MAX_OPEN_SERVERS:
            oldest, _ = self._open.popitem(last=False)
            oldest.drop_server()

    def forget(self, transport: SocketTransport) -> None:
        self._open.pop(transport, None)

    def stop_all(self) -> None:
        for transport in list(self._open):
            transport.drop_server(wait=True)
        self._open.clear()


class _ResponseStream(httpx.SyncByteStream):
    """A response body; raises the application's exception where TestClient would."""

    def __init__(
        self, inner: httpx.SyncByteStream, running: RunningServer, mark: int, raising: bool
    ) -> None:
        self._inner = inner
        self._running = running
        self._mark = mark
        self._raising = raising
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        error: Exception | None = None
        try:
            yield from self._inner
        except CONNECTION_ERRORS as connection_error:
            error = connection_error
        self._finish(error)

    def close(self) -> None:
        self._inner.close()
        self._finish(None)

    def _finish(self, error: Exception | None) -> None:
        if self._over:
            return
        self._over = True
        exception = self._running.settle(self._mark, "http")
        if exception is not None:
            self._running.reconnect()
            try:
                if self._raising:
                    raise exception
                return
            finally:
                del exception  # breaks the cycle frame -> exception -> traceback -> frame
        if error is not None:
            raise error


class SocketTransport(httpx.BaseTransport):
    """Stands in for TestClient's in-process transport."""

    def __init__(self, replaced: testclient._TestClientTransport, pool: ServerPool) -> None:
        self.app: ASGIApp = replaced.app
        self.root_path = replaced.root_path
        self._raising = replaced.raise_server_exceptions
        self._pool = pool
        self._running: RunningServer | None = None
        self._in_with_block = False

    def enter(self) -> RunningServer:
        """Run the lifespan: a new server that lives until `leave`."""
        self._pool.forget(self)
        self.drop_server()
        self._running = self._pool.start(self, lifespan=True)
        self._in_with_block = True
        return self._running

    def leave(self) -> RunningServer | None:
        """Give up the server of `enter`, still running."""
        self._in_with_block = False
        running, self._running = self._running, None
        return running

    def drop_server(self, wait: bool = False) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop(wait=wait)

    def close(self) -> None:
        self._pool.forget(self)
        self.drop_server()

    def _server(self) -> RunningServer:
        if self._running is None:
            self._running = self._pool.start(self, lifespan=False)
        if not self._in_with_block:
            self._pool.touch(self)
        return self._running

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        running = self._server()
        mark = running.mark()
        if request.url.scheme in ("ws", "wss"):
            raise testclient._Upgrade(WebSocketSession(running, mark, request))  # type: ignore[arg-type]
        sent = httpx.Request(
            request.method,
            request.url.copy_with(scheme="http", host="127.0.0.1", port=running.port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "target": request.url.raw_path},
        )
        try:
            response = running.http.handle_request(sent)
        except CONNECTION_ERRORS:
            exception = running.settle(mark, "http")
            running.reconnect()
            if exception is not None and self._raising:
                raise exception from None
            raise
        usage.counts[usage.HTTP] += 1
        assert isinstance(response.stream, httpx.SyncByteStream)
        return httpx.Response(
            response.status_code,
            headers=[
                (name, value)
                for name, value in response.headers.raw
                if name.lower() not in SERVER_HEADERS
            ],
            stream=_ResponseStream(response.stream, running, mark, self._raising),
            request=request,
            extensions=response.extensions,
        )
