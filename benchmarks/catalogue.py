"""What is measured, as data: add a contender, an application or a scenario to the lists below.

A *cell* is one contender serving one application under one scenario. A contender that is a program
of its own rather than a server of applications (the floor, the constant) has cells beside those of
each application, so that every ratio compares figures of the same round.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from benchmarks.applications.files import LARGE_SIZE, SMALL_FILE, SMALL_SIZE, content
from benchmarks.applications.rows import rows

FLOOR = "floor"
OURS = "hyperfastapi"
BASELINE = "uvicorn"
LISTENER = "picows"
"""What WebSockets are compared with beside these."""
PYDANTIC = "pydantic"


class Kind(Enum):
    """What an application is written for."""

    ASGI = "ASGI alone"
    FASTAPI = "FastAPI"
    WEBSOCKET = "FastAPI, by WebSocket"


class Page(Enum):
    """A page of the documentation, by the name of its file."""

    MAIN = "benchmarks"
    FEATURES = "benchmarks-features"
    WEBSOCKETS = "benchmarks-websockets"


BY_HTTP = frozenset({Kind.ASGI, Kind.FASTAPI})
EVERY_KIND = frozenset(Kind)


@dataclass(frozen=True)
class Application:
    """An application, and the request that measures it.

    Attributes:
        name: short name, used in tables and by ``--only``.
        title: what it is, for a reader of the report.
        target: import string that servers take; empty for programs with an answer built in.
        path: path to request, with its query.
        body: text of every answer; None where it is not known here.
        kind: what it is written for.
        method: method of the request.
        headers: lines to add to the request's head.
        request_body: body of the request; None for none.
        answer_headers: fields, in lower case, that the answer must have to be the right one.
        constant_length: whether all answers are equally long; the first tells how long.
        message: length of a text message that a WebSocket sends back; None: it is asked by HTTP.
        floor_answer: length of the body with which the floor answers beside it, which is then sent
            the same request; None: the floor is sent a GET and answers its usual one.
        pydantic: import string of a function that does pydantic's part of one request; empty for
            none.
    """

    name: str
    title: str
    target: str
    path: str
    body: str | None
    kind: Kind = Kind.FASTAPI
    method: str = "GET"
    headers: tuple[str, ...] = ()
    request_body: bytes | None = None
    answer_headers: tuple[str, ...] = ()
    constant_length: bool = True
    message: int | None = None
    floor_answer: int | None = None
    pydantic: str = ""


@dataclass(frozen=True)
class Contender:
    """A server, or a program that only answers one constant.

    Attributes:
        name: short name, used in tables and by ``--only``.
        title: what it is, for a reader of the report.
        command: arguments; ``{python} {build} {target} {port} {workers}`` are filled in, and
            for the floor ``{answer} {posted}``, lengths of bodies; none for what is not a program.
        modules: Python modules that must be importable.
        distributions: installed distributions whose versions the report states.
        answer: for a program with its answer built in, the body of that answer.
        idle_arguments: further arguments that keep idle connections open for ten minutes.
        kinds: kinds of application that it serves or stands beside.
        one_worker: whether it can only be one process.
    """

    name: str
    title: str
    command: tuple[str, ...]
    modules: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    answer: str | None = None
    idle_arguments: tuple[str, ...] = ()
    kinds: frozenset[Kind] = BY_HTTP
    one_worker: bool = False

    @property
    def serves_applications(self) -> bool:
        """Whether it is a server, rather than a program with its answer built in."""
        return self.answer is None

    @property
    def is_alone(self) -> bool:
        """Whether it is a part of a request that is measured without a server."""
        return not self.command

    def stands_beside(self, application: Application) -> bool:
        """Return whether it can be measured with an application."""
        return application.kind in self.kinds and bool(application.pydantic or not self.is_alone)


@dataclass(frozen=True)
class Beside:
    """A slow application that is loaded at the same time, on connections of its own.

    Attributes:
        application: its name; it has the same target as those that it stands beside.
        connections: connections held open for it.
        allowed: requests a second that its waiting or computing alone allows.
    """

    application: str
    connections: int
    allowed: float


@dataclass(frozen=True)
class Scenario:
    """A load, and which applications are put under it.

    Attributes:
        name: short name, used in tables and by ``--only``.
        title: what it is, for a reader of the report.
        connections: connections held open.
        pipeline: requests sent at once on a connection.
        workers: processes that the server is told to run.
        rate: requests a second on a schedule (open loop), or 0 for as fast as answers come.
        applications: names of the applications.
        tally: count the connections that each worker got (the application must answer its pid).
        quick: whether ``--quick`` includes it.
        pinned: whether server and load are held on a processor each.
        rounds: rounds, where it is not the usual number.
        beside: a slow application loaded at the same time.
        shares: show which part of our CPU time the bytes and pydantic take.
    """

    name: str
    title: str
    connections: int
    pipeline: int = 1
    workers: int = 1
    rate: float = 0.0
    applications: tuple[str, ...] = ("bare",)
    tally: bool = False
    quick: bool = False
    pinned: bool = True
    rounds: int | None = None
    beside: Beside | None = None
    shares: bool = False

    @property
    def is_websocket(self) -> bool:
        """Whether its requests are messages of WebSockets."""
        return any(application(name).kind is Kind.WEBSOCKET for name in self.applications)

    @property
    def page(self) -> Page:
        """The page of the documentation that its table and chart are on."""
        if self.is_websocket:
            return Page.WEBSOCKETS
        return Page.FEATURES if self.shares else Page.MAIN


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


CONSTANT_BODY = '{"hello":"world"}'
ITEM = '{"name":"lamp","price":12.5,"quantity":3,"tags":["new","red"]}'
ROWS = _json(rows())
HUNDRED = _json(rows()[:100])
ACCOUNT = '{"username":"johndoe","age":30,"newsletter":true}'
EVENTS = "".join(f'data: {{"number":{number}}}\n\n' for number in range(100))

_BARE = "benchmarks.applications.bare:app"
_TYPICAL = "benchmarks.applications.typical:app"
_MIDDLEWARE = "benchmarks.applications.with_middleware:app"
_MANY = "benchmarks.applications.many_routes"
_FEATURES = "benchmarks.applications.features:app"
_HTTP_MIDDLEWARE = "benchmarks.applications.http_middleware:app"
_PYDANTIC = "benchmarks.applications.pydantic_part"

_AS_JSON = ("content-type: application/json",)
_AS_A_FORM = ("content-type: application/x-www-form-urlencoded",)
_AS_AN_UPLOAD = ("content-type: multipart/form-data; boundary=ca7e5e1b0e0d4f0a",)
_AS_A_BROWSER = ("origin: https://example.org", "accept-encoding: gzip, deflate, br, zstd")
_FOR_AN_ORIGIN = (
    "access-control-allow-origin: https://example.org",
    "access-control-allow-credentials: true",
)

#: Those that the goals of speed are stated for.
GOALS = ("plain", "async", "with-query", "post-validated", "with-chain", "with-middleware")

ROUTE_COUNTS = (5, 50, 500, 5000)


def _upload(name: str, body: bytes) -> bytes:
    """Return a multipart body with one file."""
    head = (
        "--ca7e5e1b0e0d4f0a\r\n"
        f'content-disposition: form-data; name="file"; filename="{name}"\r\n'
        "content-type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + body + b"\r\n--ca7e5e1b0e0d4f0a--\r\n"


APPLICATIONS = (
    Application("bare", "bare ASGI application", _BARE, "/", CONSTANT_BODY, Kind.ASGI),
    Application(
        "bare-pid",
        "bare ASGI application that answers its process number",
        _BARE,
        "/pid",
        None,
        Kind.ASGI,
        constant_length=False,
    ),
    Application("plain", "def that returns a small dict", _TYPICAL, "/plain", CONSTANT_BODY),
    Application("async", "async def that returns a small dict", _TYPICAL, "/async", CONSTANT_BODY),
    Application(
        "with-query",
        "three query parameters",
        _TYPICAL,
        "/with-query?q=lamp&limit=20&flag=true",
        '{"q":"lamp","limit":20,"flag":true}',
    ),
    Application(
        "post-validated",
        "a small model posted and answered",
        _TYPICAL,
        "/post-validated",
        ITEM,
        method="POST",
        headers=_AS_JSON,
        request_body=ITEM.encode(),
    ),
    Application(
        "with-chain",
        "three levels of plain dependencies",
        _TYPICAL,
        "/with-chain",
        '{"user":7,"session":1,"limit":10}',
    ),
    Application(
        "with-middleware",
        "def behind CORS and GZip, asked as a browser does",
        _MIDDLEWARE,
        "/with-middleware",
        CONSTANT_BODY,
        headers=_AS_A_BROWSER,
        answer_headers=_FOR_AN_ORIGIN,
    ),
    Application("path", "a path parameter", _TYPICAL, "/items/42", '{"item_id":42}'),
    Application(
        "response-model",
        "a dict filtered by a response model",
        _TYPICAL,
        "/response-model",
        '{"name":"lamp","price":12.5}',
    ),
    Application("async-io", "async def, one suspension", _TYPICAL, "/async-io", CONSTANT_BODY),
    Application(
        "oauth2",
        "OAuth2 bearer token and two dependencies",
        _TYPICAL,
        "/users/me",
        '{"username":"johndoe","disabled":false}',
        headers=("authorization: Bearer johndoe-token",),
    ),
    Application("json-out", "100 kB of dicts answered", _TYPICAL, "/json-out", ROWS),
    Application(
        "json-out-models",
        "100 kB of validated models answered",
        _TYPICAL,
        "/json-out-models",
        ROWS,
    ),
    Application(
        "json-in",
        "100 kB of models posted",
        _TYPICAL,
        "/json-in",
        str(len(rows())),
        method="POST",
        headers=_AS_JSON,
        request_body=ROWS.encode(),
    ),
    Application(
        "compressed",
        "a few kB behind CORS and GZip, compressed",
        _MIDDLEWARE,
        "/compressed",
        None,
        headers=_AS_A_BROWSER,
        answer_headers=(*_FOR_AN_ORIGIN, "content-encoding: gzip"),
    ),
    Application(
        "sleep-1ms", "def that waits for a millisecond", _TYPICAL, "/sleep-1ms", CONSTANT_BODY
    ),
    Application(
        "sleep-100ms", "def that waits for 100 ms", _TYPICAL, "/sleep-100ms", CONSTANT_BODY
    ),
    Application(
        "spin-100ms", "def that computes for 100 ms", _TYPICAL, "/spin-100ms", CONSTANT_BODY
    ),
    Application(
        "yield",
        "an async dependency that yields",
        _FEATURES,
        "/yield",
        '{"session":1}',
        floor_answer=len('{"session":1}'),
    ),
    Application(
        "yield-def",
        "a def dependency that yields",
        _FEATURES,
        "/yield-def",
        '{"session":1}',
        floor_answer=len('{"session":1}'),
    ),
    Application(
        "form",
        "three fields of a form",
        _FEATURES,
        "/form",
        ACCOUNT,
        method="POST",
        headers=_AS_A_FORM,
        request_body=b"username=johndoe&age=30&newsletter=true",
        floor_answer=len(ACCOUNT),
        pydantic=f"{_PYDANTIC}:form",
    ),
    Application(
        "upload",
        "a file of 1 MB uploaded",
        _FEATURES,
        "/upload",
        f'{{"size":{LARGE_SIZE}}}',
        method="POST",
        headers=_AS_AN_UPLOAD,
        request_body=_upload("large.bin", content(LARGE_SIZE)),
        floor_answer=len(f'{{"size":{LARGE_SIZE}}}'),
    ),
    Application(
        "file", "a FileResponse of 1 MB", _FEATURES, "/file", None, floor_answer=LARGE_SIZE
    ),
    Application(
        "static",
        "a file of 10 kB of StaticFiles",
        _FEATURES,
        f"/static/{SMALL_FILE.name}",
        None,
        floor_answer=SMALL_SIZE,
    ),
    Application(
        "events",
        "100 server-sent events",
        _FEATURES,
        "/events",
        EVENTS,
        floor_answer=len(EVENTS),
    ),
    Application(
        "http-middleware",
        "async def inside three of @app.middleware",
        _HTTP_MIDDLEWARE,
        "/http-middleware",
        CONSTANT_BODY,
        answer_headers=("x-first: 1", "x-second: 2", "x-third: 3"),
        floor_answer=len(CONSTANT_BODY),
    ),
    *(
        Application(
            f"hundred-{kind}",
            f"100 items, {kind} of a response model",
            _FEATURES,
            f"/hundred-{kind}",
            HUNDRED,
            floor_answer=len(HUNDRED.encode()),
            pydantic=f"{_PYDANTIC}:hundred_{kind}",
        )
        for kind in ("dicts", "models")
    ),
    *(
        Application(
            f"echo-{name}",
            f"WebSocket that sends back text of {title}",
            "benchmarks.applications.websocket:app",
            "/echo",
            None,
            Kind.WEBSOCKET,
            message=size,
        )
        for name, title, size in (("64", "64 bytes", 64), ("16k", "16 kB", 16384))
    ),
    *(
        Application(
            f"{kind}-{count}", f"{title}, {count:,}", f"{_MANY}:{kind}_{count}", "/plain", body
        )
        for kind, title, body in (
            ("flat", "the last of an application's routes", CONSTANT_BODY),
            ("included", "the last of the routes of included routers", CONSTANT_BODY),
        )
        for count in ROUTE_COUNTS
    ),
)

_UVICORN_ARGUMENTS = (
    *("{target}", "--host", "127.0.0.1", "--port", "{port}"),
    *("--workers", "{workers}", "--no-access-log", "--log-level", "warning"),
)
_UVLOOP = ("--loop", "uvloop", "--http", "httptools")

CONTENDERS = (
    Contender(
        FLOOR,
        "a bare epoll loop that sends canned bytes, or the same ones back (benchmarks/floor.c)",
        ("{build}/benchmarks/hfa-floor", "{port}", "{answer}", "{posted}"),
        answer=CONSTANT_BODY,
        kinds=EVERY_KIND,
    ),
    Contender(
        "constant",
        "a constant served by the C server without Python (examples/constant.c)",
        ("{build}/examples/constant", "{port}"),
        answer="Hello, world!",
        kinds=frozenset({Kind.ASGI}),
        one_worker=True,
    ),
    Contender(
        OURS,
        "hyperfastapi run, its default event loop",
        (
            *("{python}", "-m", "hyperfastapi", "run", "{target}", "--host", "127.0.0.1"),
            *("--port", "{port}", "--workers", "{workers}", "--no-access-log"),
            *("--log-level", "warning"),
        ),
        modules=("hyperfastapi",),
        distributions=("hyperfastapi",),
        idle_arguments=("--timeout-keep-alive", "600"),
        kinds=EVERY_KIND,
    ),
    Contender(
        "hyper-uvicorn",
        "the same application as hyperfastapi's, under uvicorn (hyperfastapi.install())",
        (
            *("{python}", "-c"),
            "import hyperfastapi; hyperfastapi.install(); import uvicorn; uvicorn.main()",
            *_UVICORN_ARGUMENTS,
            *_UVLOOP,
        ),
        modules=("hyperfastapi", "uvicorn", "httptools", "uvloop"),
        distributions=("hyperfastapi", "uvicorn", "httptools", "uvloop"),
        idle_arguments=("--timeout-keep-alive", "600"),
        kinds=frozenset({Kind.FASTAPI}),
        one_worker=True,
    ),
    Contender(
        BASELINE,
        "uvicorn[standard] as installed by default: httptools and uvloop",
        ("{python}", "-m", "uvicorn", *_UVICORN_ARGUMENTS, *_UVLOOP),
        modules=("uvicorn", "httptools", "uvloop"),
        distributions=("uvicorn", "httptools", "uvloop"),
        idle_arguments=("--timeout-keep-alive", "600"),
        kinds=EVERY_KIND,
    ),
    Contender(
        PYDANTIC,
        "what pydantic does in a request, without a server",
        (),
        modules=(PYDANTIC,),
        distributions=(PYDANTIC, "pydantic_core"),
        kinds=frozenset({Kind.FASTAPI}),
        one_worker=True,
    ),
    Contender(
        "uvicorn-wsproto",
        "uvicorn with wsproto for WebSockets, on uvloop",
        ("{python}", "-m", "uvicorn", *_UVICORN_ARGUMENTS, *_UVLOOP, "--ws", "wsproto"),
        modules=("uvicorn", "httptools", "uvloop", "wsproto"),
        distributions=("uvicorn", "wsproto", "uvloop"),
        kinds=frozenset({Kind.WEBSOCKET}),
    ),
    Contender(
        LISTENER,
        "a bare listener of picows on uvloop, without a framework",
        ("{python}", "-m", "benchmarks.applications.picows_echo", "{port}"),
        modules=("picows", "uvloop"),
        distributions=("picows", "uvloop"),
        answer="",
        kinds=frozenset({Kind.WEBSOCKET}),
        one_worker=True,
    ),
    Contender(
        "uvicorn-asyncio",
        "uvicorn with httptools on asyncio's own event loop",
        (
            *("{python}", "-m", "uvicorn", *_UVICORN_ARGUMENTS),
            *("--loop", "asyncio", "--http", "httptools"),
        ),
        modules=("uvicorn", "httptools"),
        distributions=("uvicorn", "httptools"),
        idle_arguments=("--timeout-keep-alive", "600"),
        kinds=frozenset({Kind.ASGI}),
    ),
    Contender(
        "granian",
        "granian, ASGI on uvloop, HTTP/1 only, one runtime thread a worker",
        (
            *("{python}", "-m", "granian", "--interface", "asgi", "--http", "1", "--no-ws"),
            *("--loop", "uvloop", "--runtime-mode", "st", "--backlog", "4096"),
            *("--workers", "{workers}", "--host", "127.0.0.1", "--port", "{port}"),
            *("--no-access-log", "--log-level", "warning", "{target}"),
        ),
        modules=("granian", "uvloop"),
        distributions=("granian", "uvloop"),
        # Its longest; its limit of concurrent connections must not be below the idle ones.
        idle_arguments=("--http1-header-read-timeout", "60000", "--backpressure", "20000"),
    ),
)

_WORKERS_TITLE = "1,000 connections, workers on one core"
_MIXED = ("plain", "async")

SCENARIOS = (
    Scenario("c1", "1 connection", 1),
    Scenario("c64", "64 connections", 64, quick=True),
    Scenario("c256", "256 connections", 256),
    Scenario(
        "fastapi",
        "FastAPI, 64 connections",
        64,
        applications=(
            *GOALS,
            *("path", "response-model", "async-io", "oauth2"),
            *("json-out", "json-out-models", "json-in", "compressed"),
            "sleep-1ms",
        ),
        quick=True,
    ),
    Scenario(
        "features",
        "Features of FastAPI, 64 connections",
        64,
        applications=(
            *("yield", "yield-def", "form", "static"),
            *("http-middleware", "hundred-dicts", "hundred-models"),
        ),
        quick=True,
        shares=True,
    ),
    # Uvicorn takes milliseconds for each of these: with 64 a second would be a few rounds of them.
    Scenario(
        "large",
        "Large bodies and streams, 16 connections",
        16,
        applications=("upload", "file", "events"),
        quick=True,
        shares=True,
    ),
    *(
        Scenario(
            f"ws{count}",
            f"WebSockets, {count} connection{'s' if count > 1 else ''}",
            count,
            applications=("echo-64", "echo-16k"),
            quick=count == 64,
        )
        for count in (1, 16, 64, 256)
    ),
    Scenario(
        "p16",
        "64 connections, 16 requests pipelined",
        64,
        pipeline=16,
        applications=("bare", "async"),
    ),
    Scenario(
        "routes",
        "64 connections, many routes",
        64,
        applications=tuple(
            f"{kind}-{count}" for kind in ("flat", "included") for count in ROUTE_COUNTS
        ),
    ),
    Scenario(
        "beside-sleep",
        "64 connections, and 32 whose handler waits for 100 ms",
        64,
        applications=_MIXED,
        beside=Beside("sleep-100ms", 32, allowed=320.0),
    ),
    Scenario(
        "beside-spin",
        "64 connections, and 2 whose handler computes for 100 ms",
        64,
        applications=_MIXED,
        beside=Beside("spin-100ms", 2, allowed=10.0),
    ),
    Scenario(
        "unpinned",
        "FastAPI, 64 connections, server and load on any processor",
        64,
        applications=GOALS,
        pinned=False,
        rounds=10,
    ),
    Scenario(
        "rate",
        "64 connections, 2,000 requests/s on schedule",
        64,
        rate=2000.0,
        applications=("bare", *_MIXED),
    ),
    Scenario("w1", f"1 worker, {_WORKERS_TITLE}", 1000, 1, 1, 0.0, ("bare-pid",), True),
    Scenario("w2", f"2 workers, {_WORKERS_TITLE}", 1000, 1, 2, 0.0, ("bare-pid",), True),
    Scenario("w4", f"4 workers, {_WORKERS_TITLE}", 1000, 1, 4, 0.0, ("bare-pid",), True),
)

#: The pinned scenario that the figures of the other one are compared with.
PINNED = "fastapi"


def built_in(contender: Contender, beside: Application) -> Application:
    """Return what a program with its answer built in serves beside an application."""
    if beside.message is not None:
        return replace(beside, title="answer built in", target="")
    if beside.floor_answer is not None:
        return replace(beside, title="answer built in", target="", body=None, answer_headers=())
    return Application(beside.name, "answer built in", "", "/", contender.answer, kind=beside.kind)


def application(name: str) -> Application:
    """Return the application of that name; KeyError where there is none."""
    for entry in APPLICATIONS:
        if entry.name == name:
            return entry
    raise KeyError(name)
