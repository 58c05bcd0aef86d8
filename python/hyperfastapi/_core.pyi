"""The C server and its bridge to asyncio and ASGI, as this package uses them."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Literal, TypedDict, TypeVar, final

_T = TypeVar("_T")
_Scope = dict[str, Any]
_Message = MutableMapping[str, Any]
_Application = Callable[
    [_Scope, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]],
    Awaitable[None],
]

class _Build(TypedDict):
    reactor: str
    scanner: str
    tls: str | Literal[False]
    http2: str | Literal[False]
    http3: bool
    zlib: bool

build: _Build

class ClientDisconnected(OSError): ...

@final
class Server:
    """One worker's server. All but `wake` is for the thread that its loop runs in."""

    def __new__(
        cls,
        app: _Application,
        settings: Mapping[str, Any],
        root_path: str,
        uds: str | None,
        fields: bytes,
        date: bool,
        on_access: Callable[[_Scope, int], None] | None,
        on_websocket: Callable[[_Scope, str], None] | None,
        on_error: Callable[[str, object, BaseException | None], None],
        trust: str | None,
        proxy_trust: str | None = None,
        pathsend: bool = True,
    ) -> Server: ...
    @property
    def connections(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def counters(self) -> dict[str, int]: ...
    def load_tls(self, settings: Mapping[str, Any], ticket_secret: bytes | None, /) -> None: ...
    def listen(self, fd: int, shared: bool, /) -> None: ...
    def serve(self, application: Application | None, /) -> None: ...
    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        state: dict[str, Any],
        selector_fd: int,
        on_callback_error: Callable[[asyncio.Handle, BaseException], None],
        /,
    ) -> int: ...
    def turn(self, timeout: float | None, /) -> bool: ...
    def dispatch(self) -> None: ...
    def flush(self) -> None: ...
    def wake(self) -> None: ...
    @property
    def runs_callbacks(self) -> bool: ...
    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle: ...
    def get_debug(self) -> bool: ...
    def is_running(self) -> bool: ...
    def drain(self) -> None: ...
    def tasks(self) -> list[asyncio.Task[None]]: ...
    def close(self) -> None: ...

@final
class Pool:
    """Worker threads for one event loop. All is for the thread that its loop runs in."""

    def __new__(cls, loop: asyncio.AbstractEventLoop) -> Pool: ...
    def submit(
        self,
        function: Callable[..., object],
        arguments: tuple[Any, ...],
        on_done: Callable[[Any, BaseException | None], object],
        *,
        site: int = 0,
        counts: bool = True,
    ) -> None: ...
    def collect(self) -> int: ...
    def close(self, timeout: float = 0) -> int: ...
    def is_slow(self, site: int, /) -> bool: ...

def bind_tcp(host: str, port: int, *, backlog: int, reuse_port: bool) -> list[int]: ...
def bind_unix(path: str, *, mode: int, backlog: int) -> int: ...
def adopt(fd: int, backlog: int, /) -> None: ...
def check_tls(settings: Mapping[str, Any], /) -> None: ...
def json_encode_response(value: object, jsonable_encoder: Callable[[Any], Any], /) -> bytes: ...
def json_dumps(value: object, /) -> bytes: ...
def json_spaced(value: object, /) -> bytes | None: ...
def json_loads(data: bytes, /) -> Any: ...
def unquote(path: bytes, /) -> str: ...
def query_pairs(query: bytes, /) -> list[tuple[str, str]]: ...
def query_list(query: bytes, name: str | bytes, /) -> list[str]: ...
def query_last(query: bytes, name: str | bytes, /) -> str | None: ...
def cookies(*values: bytes) -> dict[str, str]: ...
def header_options(value: bytes, /) -> tuple[str, dict[str, str]]: ...
def weak_set_adder(weak_set: weakref.WeakSet[_T], /) -> Callable[[_T], None] | None: ...
def cookie_last(values: tuple[bytes, ...], name: str | bytes, /) -> str | None: ...

@final
class Router:
    """Routes in the order of the scan; see glue/router_object.h."""

    def __new__(cls, specs: Iterable[tuple[Any, ...]]) -> Router: ...
    def match(self, method: str, path: str, /) -> tuple[str, int | None, tuple[str, ...]]: ...

@final
class MultipartParser:
    """Takes a multipart body apart as it comes; see glue/multipart.h."""

    def __new__(cls, boundary: bytes, /) -> MultipartParser: ...
    def feed(self, piece: bytes, /) -> list[tuple[str, bytes, bytes]]: ...

@final
class Plan:
    """A compiled route, made of the route compiler's description."""

    def __new__(cls, description: object, /) -> Plan: ...

@final
class StaticFiles:
    """The files of a mounted directory."""

    def __new__(
        cls,
        prefix: bytes,
        directory: bytes,
        follows_links: bool,
        describe: Callable[[bytes, int], Any],
        not_modified: Callable[[Any, list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]] | None],
        plan: Plan,
        watched: tuple[dict[str, Any], ...],
    ) -> StaticFiles: ...

@final
class Application:
    """A FastAPI application's compiled routes, their guards and counters."""

    def __new__(
        cls,
        app: object,
        hooks: object,
        recompile: Callable[[int | None], None],
        unknown: tuple[str, ...],
    ) -> Application: ...
    def enter(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
        /,
    ) -> Awaitable[None] | None: ...
    def enter_whole(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
        /,
    ) -> Awaitable[None] | None: ...
    def load(
        self,
        router: Router,
        plans: tuple[Plan | None, ...],
        sites: tuple[StaticFiles | None, ...],
        guards: tuple[tuple[dict[str, Any], str, Any], ...],
        lists: tuple[tuple[list[Any], tuple[Any, ...]], ...],
        stages: tuple[tuple[str, tuple[Any, ...], Callable[..., Any]], ...],
        sender: Plan,
        unrouted: tuple[Any, Plan] | None,
        is_whole: bool,
        body_limit: int,
    ) -> None: ...
    def is_pending(self, scope: object, /) -> bool: ...
    def replace(self, index: int, plan: Plan | None, /) -> None: ...
    def counts(self) -> tuple[int, int, int, int, tuple[int, ...]]: ...

_Fields = list[tuple[bytes, bytes]]

@final
class Stage:
    def __new__(
        cls, name: str, description: tuple[Any, ...], answer: Callable[..., Any], /
    ) -> Stage: ...
    def lets_through(self, headers: _Fields, /) -> bool: ...
    def head(self, request: _Fields, response: _Fields, /) -> _Fields: ...
    def compress(
        self, request: _Fields, status: int, response: _Fields, body: bytes, in_pieces: bool, /
    ) -> tuple[_Fields, bytes, bytes] | None: ...

RESPONSE_STARTED: _Message
