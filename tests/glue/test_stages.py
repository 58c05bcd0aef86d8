"""CORS, GZip and TrustedHost where they are native: what they do, and when they are not.

The same requests go to Starlette's own middleware, in process, and to the server.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import fastapi
import pytest
from fastapi import BackgroundTasks, HTTPException, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import PlainTextResponse, StreamingResponse
from itsdangerous import TimestampSigner
from starlette.middleware.gzip import GZipResponder
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

import hyperfastapi
from hyperfastapi import plans
from hyperfastapi.testing import ThreadServer

ORIGIN = "https://example.com"
Configure = Callable[[fastapi.FastAPI], None]
Answer = tuple[int, list[tuple[str, str]], bytes]


def make_app(
    configure: Configure, kind: type[fastapi.FastAPI] = fastapi.FastAPI
) -> fastapi.FastAPI:
    """An application with a route of each kind, and middleware."""
    app = kind()
    configure(app)

    @app.get("/small")
    async def small() -> Any:
        return {"a": 1}

    @app.get("/large/{size}")
    def large(size: int) -> Any:
        return {"text": "abc" * (size // 3)}

    @app.get("/varies")
    async def varies(response: Response) -> Any:
        response.headers.append("vary", "Accept")
        response.headers.append("vary", "Cookie")
        response.headers["access-control-allow-origin"] = "https://own.example"
        return "x" * 2000

    @app.get("/encoded")
    async def encoded() -> Any:
        return PlainTextResponse("x" * 2000, headers={"content-encoding": "identity"})

    @app.get("/image")
    async def image() -> Any:
        return Response(b"x" * 2000, media_type="Image/PNG; q=1")

    @app.get("/stream")
    async def stream() -> Any:
        return StreamingResponse(iter([b"a" * 300, b"b" * 300]), media_type="text/plain")

    @app.get("/refused")
    async def refused() -> Any:
        raise HTTPException(403, "x" * 600, {"x-why": "because"})

    @app.get("/broken")
    async def broken() -> Any:
        raise ValueError("broken")

    @app.get("/empty", status_code=204)
    async def empty() -> None: ...

    return app


def in_process(app: ASGIApp, path: str, method: str, headers: dict[str, str]) -> Answer:
    """Ask an application without a server."""
    messages: list[Any] = []
    requests: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if not requests:
            await asyncio.Event().wait()  # the client stays
        return requests.pop()

    async def send(message: Any) -> None:
        messages.append(message)

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    try:
        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    except ValueError:
        pass  # it has been answered before it was raised
    fields = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], fields, body


def served(server: ThreadServer, path: str, method: str, headers: dict[str, str]) -> Answer:
    """Ask a server."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.putrequest(method, path, "host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    of_the_server = ("date", "server", "transfer-encoding", "connection")
    fields = [pair for pair in response.getheaders() if pair[0] not in of_the_server]
    return response.status, fields, body


def cors(**options: Any) -> Configure:
    return lambda app: app.add_middleware(CORSMiddleware, **options)


def gzip(**options: Any) -> Configure:
    return lambda app: app.add_middleware(GZipMiddleware, **options)


def both(first: Configure, second: Configure) -> Configure:
    def configure(app: fastapi.FastAPI) -> None:
        first(app)
        second(app)

    return configure


CONFIGURATIONS = {
    "any origin": cors(allow_origins=["*"]),
    "any origin with credentials": cors(allow_origins=["*"], allow_credentials=True),
    "one origin": cors(allow_origins=[ORIGIN], expose_headers=["x-a", "x-b"]),
    "other origins": cors(allow_origins=["https://other.example"], allow_credentials=True),
    "a pattern": cors(allow_origin_regex=r"https://.*\.com"),
    "gzip": gzip(),
    "gzip from 10 bytes": gzip(minimum_size=10, compresslevel=5),
    "gzip inside cors": both(gzip(), cors(allow_origins=["*"])),
    "cors inside gzip": both(cors(allow_origins=[ORIGIN], allow_credentials=True), gzip()),
    "gzip that uses a thread": gzip(thread_minimum_size=1000),
}
PATHS = (
    "/small",
    "/large/498",
    "/large/3000",
    "/varies",
    "/encoded",
    "/image",
    "/stream",
    "/refused",
    "/broken",
    "/empty",
    "/missing",
)
REQUESTS: tuple[dict[str, str], ...] = (
    {},
    {"origin": ORIGIN},
    {"accept-encoding": "gzip, deflate, br"},
    {"origin": ORIGIN, "accept-encoding": "br;q=1, gzip;q=0", "cookie": "a=b"},
    {"accept-encoding": "identity", "origin": "https://nobody.example"},
)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_responses_are_those_of_starlettes_middleware(name: str) -> None:
    configure = CONFIGURATIONS[name]
    reference = make_app(configure)
    app = make_app(configure)
    with ThreadServer(app) as server:
        for path in PATHS:
            for headers in REQUESTS:
                expected = in_process(reference, path, "GET", headers)
                assert served(server, path, "GET", headers) == expected, (path, headers)
    assert plans.explain(app).is_whole
    assert all(part.is_native for part in plans.explain(app).middleware)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_they_are_so_under_any_other_server(name: str) -> None:
    configure = CONFIGURATIONS[name]
    reference = make_app(configure)
    app = make_app(configure, hyperfastapi.FastAPI)
    for path in PATHS:
        for headers in REQUESTS:
            expected = in_process(reference, path, "GET", headers)
            assert in_process(app, path, "GET", headers) == expected, (path, headers)


def test_under_another_server_native_middleware_is_called_for_what_it_answers_itself() -> None:
    configure = both(
        both(gzip(), cors(allow_origins=[ORIGIN])),
        lambda app: app.add_middleware(TrustedHostMiddleware, allowed_hosts=["a.test"]),
    )
    reference, app = make_app(configure), make_app(configure, hyperfastapi.FastAPI)
    called: set[str] = set()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            called.add(frame.f_globals["__name__"])

    preflight = {"origin": ORIGIN, "access-control-request-method": "GET", "host": "a.test"}
    cases: list[tuple[str, str, dict[str, str], str | None]] = [
        ("GET", "/small", {"host": "a.test", "origin": ORIGIN}, None),
        ("GET", "/large/3000", {"host": "a.test", "accept-encoding": "gzip"}, None),
        ("OPTIONS", "/small", {"host": "a.test", "origin": ORIGIN}, None),
        ("GET", "/refused", {"host": "a.test"}, None),
        ("OPTIONS", "/small", preflight, "starlette.middleware.cors"),
        ("GET", "/small", {"host": "b.test"}, "starlette.middleware.trustedhost"),
        ("GET", "/small", {}, "starlette.middleware.trustedhost"),
        ("GET", "/stream", {"host": "a.test"}, "starlette.middleware.gzip"),
    ]
    in_process(app, "/small", "GET", {"host": "a.test"})  # compiles
    for method, path, headers, middleware in cases:
        expected = in_process(reference, path, method, headers)
        called.clear()
        sys.setprofile(note)
        try:
            answer = in_process(app, path, method, headers)
        finally:
            sys.setprofile(None)
        assert answer == expected, (path, headers)
        if middleware is None:
            assert not any(name.startswith("starlette.middleware.") for name in called), path
        else:
            assert middleware in called


def test_a_preflight_is_answered_by_the_middlewares_own_code() -> None:
    configure = cors(allow_origins=[ORIGIN], allow_methods=["PUT"], allow_headers=["x-a"])
    headers = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    app = make_app(configure)
    with ThreadServer(app) as server:
        expected = in_process(make_app(configure), "/small", "OPTIONS", headers)
        assert served(server, "/small", "OPTIONS", headers) == expected
    assert plans.counters(app).compiled == 1


HOSTS = [
    "example.org",
    "EXAMPLE.org",
    "example.org:8000",
    "example.org:",
    "www.example.org",
    "a.b.example.com",
    ".example.com",
    "example.com",
    "evilexample.com",
    "example.org.",
    "[::1]:80",
    "",
]


@pytest.mark.parametrize(
    "allowed",
    [["example.org"], ["*.example.com", "example.org"], ["www.example.org"], ["*"], ["[::1]"]],
    ids=str,
)
def test_hosts_that_are_not_allowed_are_refused_by_the_middlewares_own_code(
    allowed: list[str],
) -> None:
    def configure(app: fastapi.FastAPI) -> None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed)

    app, reference = make_app(configure), make_app(configure)
    with ThreadServer(app) as server:
        for host in HOSTS:
            expected = in_process(reference, "/small", "GET", {"host": host})
            assert served(server, "/small", "GET", {"host": host}) == expected, host
    assert all(part.is_native for part in plans.explain(app).middleware)
    assert plans.counters(app).compiled == len(HOSTS)


REDIRECTED = ["a.test", "a.test:80", "a.test:443", "a.test:8443", "[::1]:80", "A.test"]


@pytest.mark.parametrize("order", ["cors outside", "https outside", "https alone"])
def test_what_has_not_come_by_tls_is_redirected(order: str) -> None:
    def https(app: fastapi.FastAPI) -> None:
        app.add_middleware(HTTPSRedirectMiddleware)

    any_origin = cors(allow_origins=["*"])
    configure = {
        "cors outside": both(https, any_origin),
        "https outside": both(any_origin, https),
        "https alone": https,
    }[order]
    app, reference = make_app(configure), make_app(configure)
    with ThreadServer(app) as server:
        for host in REDIRECTED:
            headers = {"host": host, "origin": ORIGIN}
            expected = in_process(reference, "/small", "GET", headers)
            assert served(server, "/small", "GET", headers) == expected, host
    assert all(part.is_native for part in plans.explain(app).middleware)
    assert plans.counters(app).compiled == len(REDIRECTED)


def test_what_a_proxy_says_of_scheme_and_host_counts_for_middleware() -> None:
    app = make_app(
        both(
            lambda app: app.add_middleware(TrustedHostMiddleware, allowed_hosts=["a.test"]),
            lambda app: app.add_middleware(HTTPSRedirectMiddleware),
        )
    )
    trusting = {"proxy_headers": True, "forwarded_parts": ("for", "proto", "host")}
    asked = [("https", "a.test", 200), ("https", "b.test", 400), ("http", "a.test", 307)]
    with ThreadServer(app, **trusting) as server:
        for scheme, host, status in asked:
            headers = {
                "host": "a.test" if host == "b.test" else "b.test",
                "x-forwarded-proto": scheme,
                "x-forwarded-host": host,
            }
            assert served(server, "/small", "GET", headers)[0] == status
    assert plans.counters(app).compiled == len(asked)


def test_a_websocket_of_another_host_is_refused() -> None:
    app = make_app(lambda app: app.add_middleware(TrustedHostMiddleware, allowed_hosts=["a.test"]))

    @app.websocket("/socket")
    async def endpoint(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    handshake = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    with ThreadServer(app) as server:
        statuses = []
        for host in ("a.test", "b.test"):
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            connection.request("GET", "/socket", headers={"host": host, **handshake})
            statuses.append(connection.getresponse().status)
            connection.close()
    assert statuses == [101, 400]


def test_middleware_that_is_changed_while_serving_is_read_again() -> None:
    app = make_app(gzip())
    with ThreadServer(app) as server:
        assert served(server, "/small", "GET", {"accept-encoding": "gzip"})[2] == b'{"a":1}'
        middleware: Any = app.middleware_stack
        while not isinstance(middleware, GZipMiddleware):
            middleware = middleware.app
        middleware.minimum_size = 1
        status, fields, _ = served(server, "/small", "GET", {"accept-encoding": "gzip"})
    assert status == 200
    assert ("content-encoding", "gzip") in fields


def test_an_origin_that_is_added_or_removed_while_serving_counts_at_once() -> None:
    origins = [ORIGIN]
    app, reference = make_app(cors(allow_origins=origins)), make_app(cors(allow_origins=origins))
    headers = {"origin": ORIGIN}
    allowed = ("access-control-allow-origin", ORIGIN)
    with ThreadServer(app) as server:
        assert allowed in served(server, "/small", "GET", headers)[1]
        assert plans.counters(app).compiled == 1
        for change, is_allowed in ((origins.remove, False), (origins.append, True)):
            change(ORIGIN)
            answer = served(server, "/small", "GET", headers)
            assert answer == in_process(reference, "/small", "GET", headers)
            assert (allowed in answer[1]) is is_allowed


def test_a_host_that_is_removed_while_serving_is_refused_at_once() -> None:
    hosts = ["a.test", "b.test"]
    app = make_app(lambda app: app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts))
    with ThreadServer(app) as server:
        assert served(server, "/small", "GET", {"host": "b.test"})[0] == 200
        middleware: Any = app.middleware_stack
        while not isinstance(middleware, TrustedHostMiddleware):
            middleware = middleware.app
        middleware.allowed_hosts.remove("b.test")
        assert served(server, "/small", "GET", {"host": "b.test"})[0] == 400
        assert served(server, "/small", "GET", {"host": "a.test"})[0] == 200


class Suffixed(list[str]):
    """Origins that have a rule of their own."""

    def __contains__(self, origin: object) -> bool:
        return str(origin).endswith(".example.com")


@pytest.mark.parametrize("origins", [{ORIGIN}, Suffixed()], ids=["a set", "a class of its own"])
def test_collections_of_origins_whose_changes_are_not_seen_are_asked_themselves(
    origins: Any,
) -> None:
    app, reference = make_app(cors(allow_origins=origins)), make_app(cors(allow_origins=origins))
    with ThreadServer(app) as server:
        for origin in (ORIGIN, "https://a.example.com", "https://b.test"):
            headers = {"origin": origin}
            expected = in_process(reference, "/small", "GET", headers)
            assert served(server, "/small", "GET", headers) == expected
    (part,) = plans.explain(app).middleware
    assert part.reason is not None
    assert part.reason.startswith(f"allow_origins is a {type(origins).__name__}")


def test_explain_blames_no_middleware_for_what_is_not_of_it() -> None:
    app = make_app(cors(allow_origins=["*"]))
    app.mount("/files", StaticFiles(directory="."))
    app.root_path = "/api"
    explanation = plans.explain(app)
    assert not explanation.is_whole
    assert [part.reason for part in explanation.middleware] == [None]
    files = [part.reason for part in explanation.routes if part.kind == "mount"]
    assert files == ["root_path is set"]


def test_other_middleware_has_all_run_as_it_is() -> None:
    seen: list[str] = []

    class Other:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self.app(scope, receive, send)

    app = make_app(both(gzip(minimum_size=1), lambda app: app.add_middleware(Other)))
    with ThreadServer(app) as server:
        fields = served(server, "/small", "GET", {"accept-encoding": "gzip"})[1]
    assert ("content-encoding", "gzip") in fields
    assert seen == ["/small"]
    reasons = [part.reason for part in plans.explain(app).middleware]
    assert reasons == ["it runs as it is, around compiled routes", None]


@pytest.fixture
def failing_task() -> Iterator[tuple[fastapi.FastAPI, threading.Event]]:
    ran = threading.Event()
    app = make_app(both(gzip(), cors(allow_origins=["*"])))

    def fail() -> None:
        ran.set()
        raise ValueError("in the background")

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> Any:
        tasks.add_task(fail)
        return "x" * 1000

    yield app, ran


def test_a_background_task_that_fails_does_not_touch_the_response(
    failing_task: tuple[fastapi.FastAPI, threading.Event],
) -> None:
    app, ran = failing_task
    with ThreadServer(app) as server:
        status, fields, body = served(server, "/background", "GET", {"origin": ORIGIN})
        assert ran.wait(10)
    assert (status, len(body)) == (200, 1002)
    assert [name for name, _ in fields].count("access-control-allow-origin") == 1


def test_middleware_among_others_is_native_and_says_when_it_steps_aside() -> None:
    app = make_app(both(gzip(minimum_size=1), cors(allow_origins=["*"])))

    @app.middleware("http")
    async def pass_on(request: fastapi.Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(CORSMiddleware, allow_origins=[ORIGIN])
    accepting = {"origin": ORIGIN, "accept-encoding": "gzip"}
    asking = {"origin": ORIGIN, "access-control-request-method": "GET"}
    with ThreadServer(app) as server:
        assert served(server, "/small", "GET", accepting)[0] == 200
        assert plans.counters(app).stepped_aside == {}
        assert served(server, "/stream", "GET", accepting)[0] == 200
        assert plans.counters(app).stepped_aside == {"GZipMiddleware": 1}
        assert served(server, "/small", "OPTIONS", asking)[0] == 200
        assert plans.counters(app).stepped_aside == {"GZipMiddleware": 1, "CORSMiddleware": 1}
    assert [part.reason for part in plans.explain(app).middleware] == [None] * 4


def test_sessions_that_nobody_uses_are_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Scope] = []
    original = TimestampSigner.unsign

    def unsign(self: Any, value: Any, *args: Any, **options: Any) -> Any:
        opened.append(value)
        return original(self, value, *args, **options)

    app = make_app(lambda app: app.add_middleware(SessionMiddleware, "secret", max_age=86400))

    @app.get("/used")
    async def used(request: fastapi.Request) -> Any:
        request.session["count"] = request.session.get("count", 0) + 1
        return request.session["count"]

    monkeypatch.setattr(TimestampSigner, "unsign", unsign)
    with ThreadServer(app) as server:
        _, fields, body = served(server, "/used", "GET", {})
        assert body == b"1"
        session = dict(fields)["set-cookie"].partition(";")[0]
        for cookie in (session, "session=nobody's", "other=1"):
            fields = served(server, "/small", "GET", {"cookie": cookie})[1]
            assert {name for name, _ in fields}.isdisjoint({"set-cookie", "vary"})
        assert opened == []
        assert served(server, "/used", "GET", {"cookie": session})[2] == b"2"
    explanation = plans.explain(app)
    assert explanation.is_whole
    assert [part.reason for part in explanation.middleware] == [None]
    assert plans.counters(app).compiled == 5


def test_a_compressed_stream_leaves_no_garbage() -> None:
    app = make_app(gzip(minimum_size=1))

    @app.middleware("http")
    async def pass_on(request: fastapi.Request, call_next: Any) -> Any:
        return await call_next(request)

    plans.explain(app)  # compiled from here on
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            fields = in_process(app, "/stream", "GET", {"accept-encoding": "gzip"})[1]
            assert ("content-encoding", "gzip") in fields
        found = [each for each in gc.get_objects() if isinstance(each, GZipResponder)]
    finally:
        gc.enable()
    assert found == []
