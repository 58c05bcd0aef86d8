"""Stacks that mix ready-made middleware with the application's own, in any order."""

import asyncio
import base64
import copy
import json

import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Request, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from itsdangerous import TimestampSigner
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware

from .requests import get, post, socket

KINDS = {
    "C": (CORSMiddleware, {"allow_origins": ["https://a.example"], "allow_credentials": True}),
    "G": (GZipMiddleware, {"minimum_size": 30}),
    "T": (TrustedHostMiddleware, {"allowed_hosts": ["example.org"]}),
    "R": (HTTPSRedirectMiddleware, {}),
    "S": (SessionMiddleware, {"secret_key": "secret", "max_age": 86400}),
}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The time in the signatures of sessions stands still."""
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_700_000_000)


def session_of(value, key="secret"):
    """A session cookie."""
    data = value if isinstance(value, bytes) else base64.b64encode(json.dumps(value).encode())
    return "cookie: a=b; session=" + TimestampSigner(key).sign(data).decode()


def pure(side, name):
    class Pure:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
                return

            async def noted(message):
                side.log(name, message["type"], sorted(message))
                await send(message)

            side.log(name, "in", sorted(scope.get("session", {})))
            try:
                await self.app(scope, receive, noted)
            finally:
                side.log(name, "out")

    return Pure


def base(side, name):
    class Base(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            side.log(name, "in")
            if request.headers.get("x-use") == name:
                request.session["by"] = name
            response = await call_next(request)
            side.log(name, response.status_code, sorted(response.headers.items()))
            response.headers.append("vary", name)
            if request.headers.get("x-replace") == name:
                return JSONResponse({"replaced": "x" * 100}, headers={"vary": name})
            if request.headers.get("x-late") == name:
                request.session["late"] = name
            return response

    return Base


def routes(app, side, tmp_path):
    @app.get("/json")
    async def answer():
        return {"a": "x" * 100}

    @app.get("/small")
    def small():
        return 1

    @app.get("/stream")
    async def stream(fails: bool = False):
        async def pieces():
            for number in range(3):
                await asyncio.sleep(0)
                yield f"{number}" * 100
            if fails:
                raise ValueError("midway")

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get("/items")
    async def items():
        for number in range(3):
            yield {"number": number}

    @app.get("/file")
    def file():
        return FileResponse(tmp_path / "file.txt")

    @app.get("/fail")
    async def fail():
        raise ValueError("fail")

    @app.get("/refuse")
    def refuse():
        raise HTTPException(403, "refused" * 10, {"vary": "X-A"})

    @app.get("/tasks")
    async def tasks(background: BackgroundTasks):
        background.add_task(side.log, "task")
        return "x" * 100

    async def resource():
        side.log("opened")
        yield 1
        side.log("closed")

    @app.get("/teardown")
    async def teardown(_: int = Depends(resource)):
        return "x" * 100

    @app.get("/empty", status_code=204)
    async def empty():
        return None

    @app.get("/varies")
    async def varies():
        return Response(
            b"x" * 50, media_type="image/png", headers={"vary": "A", "content-encoding": "x"}
        )

    @app.get("/own")
    async def own(response: Response):
        response.headers["access-control-allow-origin"] = "https://own.example"
        return "x" * 100

    @app.post("/echo")
    async def echo(request: Request):
        return Response(await request.body())

    @app.websocket("/ws")
    async def websocket(socket: WebSocket):
        await socket.accept()
        text = await socket.receive_text()
        if "session" in socket.scope:
            text += repr(dict(socket.session))
            socket.session["seen"] = True
        await socket.send_text(text)

    @app.websocket("/denied")
    async def denied(socket: WebSocket):
        raise HTTPException(403, "denied")


def stack(order, tmp_path):
    (tmp_path / "file.txt").write_text("line\n" * 100)

    def make(side):
        app = side.FastAPI()
        routes(app, side, tmp_path)

        @app.exception_handler(ZeroDivisionError)
        async def divided(request, exc):
            return JSONResponse({"divided": "x" * 50}, 418)

        @app.get("/divide")
        def divide():
            return 1 / 0

        for index, letter in reversed(list(enumerate(order))):
            if letter in KINDS:
                cls, options = KINDS[letter]
                app.add_middleware(cls, **copy.deepcopy(options))
            else:
                app.add_middleware({"P": pure, "B": base}[letter](side, f"{letter}{index}"))
        return app

    return make


PATHS = [
    "/json", "/small", "/stream", "/items", "/file", "/fail", "/refuse",
    "/tasks", "/teardown", "/empty", "/varies", "/own", "/divide", "/none", "/json/",
]  # fmt: skip
ORDERS = [
    "CB", "BC", "GCB", "CGB", "BGC", "BCG", "CBGB", "GBCB", "TCB", "BTC", "BT", "PCB", "CPB", "CBP",
    "BPC", "GPG", "PG", "GP", "PC", "BB", "CBBB", "BRC", "RCB", "CC", "BCC", "GGB", "BGG", "CTGB",
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_a_stack_of(conform, tmp_path, order):
    """C: CORS, G: GZip, T: TrustedHost, R: HTTPSRedirect, B: BaseHTTPMiddleware, P: pure ASGI."""
    good = ["origin: https://a.example", "accept-encoding: gzip"]
    inner = order.rfind("B")
    conform(
        stack(order, tmp_path),
        *[get(path, *good) for path in PATHS],
        # Inside of a BaseHTTPMiddleware it is cut, where Starlette ends it.
        *([] if "B" in order else [get("/stream?fails=1", *good)]),
        *[get(path, "origin: https://b.test") for path in PATHS[:5]],
        get("/json", *good, f"x-replace: B{inner}"),
        get("/json", *good, method="HEAD"),
        get("/file", *good, "range: bytes=0-9"),
        get("/json", *good, "host: evil.test"),
        get("/json", *good, "access-control-request-method: GET", method="OPTIONS"),
        get("/json", "origin: https://b.test", method="OPTIONS"),
        post("/echo", b"x" * 100, *good),
        post("/echo", b"", *good),
        socket("/ws", "text", closes=False),
        socket("/denied"),
    )


SESSION_ORDERS = [
    "S",
    "SC",
    "GS",
    "TSCG",
    "SB",
    "BS",
    "CSB",
    "SCB",
    "SGB",
    "GSB",
    "BSC",
    "BSG",
    "SP",
    "PS",
    "BSB",
    "SS",
]


@pytest.mark.parametrize("order", SESSION_ORDERS)
def test_sessions_in_a_stack_of(conform, tmp_path, order):
    """S: Session. What is read, written, emptied, replaced, broken, or never looked at."""
    inner = stack(order, tmp_path)

    def make(side):
        app = inner(side)

        @app.get("/count")
        async def count(request: Request):
            request.session["count"] = request.session.get("count", 0) + 1
            return dict(request.session)

        @app.get("/read")
        def read(request: Request):
            return request.session.get("count")

        @app.get("/clear")
        def clear(request: Request):
            request.session.clear()

        @app.get("/pop")
        def pop(request: Request):
            request.session.pop("count", None)

        @app.get("/keep-nothing")
        def keep_nothing(request: Request):
            request.session["a"] = 1
            del request.session["a"]

        @app.get("/unwritable")
        async def unwritable(request: Request):
            request.session["a"] = object()

        @app.get("/replace")
        async def replace(request: Request):
            request.scope["session"] = {"plain": "dict"}

        @app.get("/remove")
        async def remove(request: Request):
            del request.scope["session"]

        @app.get("/change-and-fail")
        async def change_and_fail(request: Request):
            request.session["failed"] = True
            raise ValueError

        @app.get("/change-and-refuse")
        async def change_and_refuse(request: Request):
            request.session["refused"] = True
            raise HTTPException(403)

        @app.get("/change-and-divide")
        async def change_and_divide(request: Request):
            request.session["divided"] = True
            return 1 / 0

        @app.get("/change-and-stream")
        async def change_and_stream(request: Request):
            request.session["streamed"] = True

            async def pieces():
                yield "a"
                request.session["too"] = "late"
                yield "b"

            return StreamingResponse(pieces())

        @app.get("/change-and-yield")
        async def change_and_yield(request: Request):
            request.session["yielded"] = True
            yield {"a": 1}

        return app

    cookies = [
        [], [session_of({"count": 7})], [session_of({"count": 7}, "other")],
        [session_of({"count": 7}) + "x"], [session_of({})], [session_of(b"bm90IGpzb24=")],
        [session_of([["count", 3]])], ["cookie: session=; session=b"], ["cookie: xsession=1"],
        ["cookie: c=d", session_of({"count": 1})],
    ]  # fmt: skip
    paths = [
        "/count", "/read", "/clear", "/pop", "/keep-nothing", "/unwritable", "/replace", "/remove",
        "/change-and-fail", "/change-and-refuse", "/change-and-divide", "/change-and-stream",
        "/change-and-yield", "/json", "/stream", "/none",
    ]  # fmt: skip
    good = ["origin: https://a.example", "accept-encoding: gzip"]
    layer = f"B{order.find('B', order.find('S'))}"
    conform(
        make,
        *[get(path, *good, *cookies[1]) for path in paths],
        *[get(path, *good) for path in paths],
        *[get(path, *fields) for path in [*paths[:3], "/json"] for fields in cookies[2:]],
        get("/json", f"x-use: {layer}", *good),
        get("/json", f"x-late: {layer}", *good),
        get("/stream", f"x-late: {layer}", *cookies[1]),
        socket("/ws", "text", closes=False),
        socket("/denied"),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"max_age": None}, {"max_age": 0},
        {"path": "/a", "domain": "a.test", "same_site": "strict"},
        {"https_only": True, "session_cookie": "other"}, {"partitioned": True, "same_site": "none"},
    ],
    ids=repr,
)  # fmt: skip
def test_the_cookie_of_a_session(conform, options):
    def make(side):
        app = side.FastAPI()

        @app.get("/set")
        async def set_it(request: Request):
            request.session["a"] = "é"

        @app.get("/clear")
        async def clear(request: Request):
            request.session.clear()

        app.add_middleware(SessionMiddleware, secret_key="secret", **options)
        return app

    name = options.get("session_cookie", "session")
    cookie = session_of({"a": 1}).replace("session", name)
    conform(make, get("/set"), get("/clear", cookie), get("/set", cookie), get("/clear"))


def test_middleware_of_another_class_runs_as_it_is(conform, tmp_path):
    def make(side):
        class Cors(CORSMiddleware):
            async def __call__(self, scope, receive, send):
                side.log("cors", scope["type"])
                await super().__call__(scope, receive, send)

        class Sessions(SessionMiddleware):
            pass

        app = side.FastAPI()
        routes(app, side, tmp_path)
        app.add_middleware(Cors, allow_origins=["*"])
        app.add_middleware(Sessions, secret_key="secret")
        app.add_middleware(base(side, "B"))
        return app

    conform(make, get("/json", "origin: https://a"), get("/fail"), socket("/ws", "a", closes=False))


def test_middleware_between_others_that_is_changed_while_serving(conform, tmp_path):
    def change(app):
        layer = app.middleware_stack
        while not isinstance(layer, CORSMiddleware):
            layer = layer.app
        layer.allow_origins.append("https://b.test")
        while not isinstance(layer, GZipMiddleware):
            layer = layer.app
        layer.minimum_size = 1

    fields = ["origin: https://b.test", "accept-encoding: gzip"]
    conform(
        stack("CBG", tmp_path),
        get("/json", *fields),
        get("/small", *fields),
        change,
        get("/json", *fields),
        get("/small", *fields),
    )


def layer_of(app, kind):
    """The middleware of a class in an application that has been called."""
    layer = app.middleware_stack
    while not isinstance(layer, kind):
        layer = layer.app
    return layer


@pytest.mark.parametrize("order", ["C", "CB"])
def test_origins_that_become_a_set_while_serving_count_at_once_and_later(conform, tmp_path, order):
    """An origin that was allowed before is never allowed again."""

    def change(app):
        layer_of(app, CORSMiddleware).allow_origins = {"https://b.test"}

    asked = [
        get("/json", f"origin: {origin}") for origin in ("https://a.example", "https://b.test")
    ]
    conform(stack(order, tmp_path), *asked, change, *asked, *asked)


def test_a_method_that_is_replaced_on_the_middleware_object_is_called(conform, tmp_path):
    def change(app):
        layer_of(app, CORSMiddleware).is_allowed_origin = lambda origin: origin == "https://b.test"

    asked = [
        get("/json", f"origin: {origin}") for origin in ("https://a.example", "https://b.test")
    ]
    conform(stack("CB", tmp_path), *asked, change, *asked)


@pytest.mark.parametrize("order", ["", "B"])
@pytest.mark.parametrize(
    "options",
    [
        {"minimum_size": 101.5}, {"minimum_size": float("inf")}, {"minimum_size": 2**70},
        {"thread_minimum_size": float("inf")}, {"thread_minimum_size": -1}, {"compresslevel": -1},
        {"exclude_content_types": ("application/", "application/js+", "application/x/*")},
    ],
    ids=repr,
)  # fmt: skip
def test_gzip_middleware_with(conform, tmp_path, order, options):
    """Sizes that are no plain integers, and media types that are none."""

    def make(side):
        app = stack(order, tmp_path)(side)
        app.add_middleware(GZipMiddleware, **options)

        @app.get("/of/{size}")
        def of(size: int):
            return Response(b"x" * size, media_type="application/x/y")

        return app

    paths = ["/json", "/of/101", "/of/102", "/of/1000"]
    conform(make, *[get(path, "accept-encoding: gzip") for path in paths])


def test_more_middleware_than_the_core_takes(conform, tmp_path):
    conform(stack("CGCTCGCTCC", tmp_path), get("/json", "origin: https://a.example"))


@pytest.mark.parametrize(
    "cls, options",
    [
        (SessionMiddleware, {"secret_key": "secret"}), (CORSMiddleware, {"allow_origins": ["*"]}),
        (GZipMiddleware, {}),
    ],
    ids=["session", "cors", "gzip"],
)  # fmt: skip
def test_a_call_that_a_tool_has_wrapped_is_made(conform, tmp_path, monkeypatch, cls, options):
    """Tracing wraps the methods of classes, often before anything is served."""
    original = cls.__call__

    async def traced(self, scope, receive, send):
        async def send_traced(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-traced", b"1")]
            await send(message)

        await original(self, scope, receive, send_traced)

    def make(side):
        app = stack("", tmp_path)(side)
        app.add_middleware(cls, **options)
        return app

    monkeypatch.setattr(cls, "__call__", traced)
    conform(make, get("/json", "origin: https://a.example"))
