"""Middleware: ready-made and the application's own, its order, and what passes through it."""

import asyncio
import base64
import contextvars
import gzip
import json
from functools import partial
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from itsdangerous import TimestampSigner
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware

from .requests import get, post, post_json, socket

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("middleware", default="unset")


def small(side, **options):
    """Routes that answer, stream, fail and refuse."""
    app = side.FastAPI(**options)

    @app.get("/json")
    async def answer():
        side.log("json")
        return {"a": 1}

    @app.get("/sync")
    def sync(size: int = 10):
        side.log("sync")
        return {"a": "x" * size}

    @app.get("/stream")
    async def stream():
        async def chunks():
            for number in range(4):
                side.log("chunk", number)
                yield f"{number}" * 300

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.get("/fail")
    async def fail():
        raise ValueError("fail")

    @app.get("/refuse")
    def refuse():
        raise HTTPException(403, "refused", {"x-refused": "yes"})

    @app.post("/echo")
    async def echo(body: dict[str, Any]):
        return body

    @app.get("/empty", status_code=204)
    async def empty():
        return None

    @app.get("/html")
    async def html(size: int = 1000):
        return Response("é" * size, media_type="text/html", headers={"vary": "Accept"})

    return app


PATHS = ["/json", "/sync", "/stream", "/fail", "/refuse", "/empty", "/none", "/json/", "/html"]
ALL = [*[get(path) for path in PATHS], post_json("/echo", {"b": 2}), post_json("/echo", b"{")]


def with_middleware(cls, **options):
    def make(side):
        app = small(side)
        app.add_middleware(cls, **options)
        return app

    return make


CORS = {
    "none allowed": {},
    "any": {"allow_origins": ["*"]},
    "any with credentials": {"allow_origins": ["*"], "allow_credentials": True},
    "some": {"allow_origins": ["https://a.example"], "allow_methods": ["GET", "PUT"]},
    "headers": {
        "allow_origins": ["https://a.example"], "allow_headers": ["X-One", "x-two"],
        "expose_headers": ["X-Out"], "max_age": 5, "allow_credentials": True,
    },
    "any header": {"allow_origins": ["*"], "allow_headers": ["*"], "allow_methods": ["*"]},
    "regex": {"allow_origin_regex": r"https://.*\.example"},
    "any with a regex": {"allow_origins": ["*"], "allow_origin_regex": "x", "allow_methods": ["*"]},
}  # fmt: skip


@pytest.mark.parametrize("kind", CORS)
def test_cors(conform, kind):
    """H99, H109: simple requests, preflight, `vary`; none of it on a 500 from outside."""
    good, bad = "origin: https://a.example", "origin: https://b.test"
    asks = "access-control-request-method: "
    preflight = [
        get("/json", origin, asks + method, *more, method="OPTIONS")
        for origin, method, more in (
            (good, "GET", []), (bad, "GET", []), (good, "DELETE", []), (good, "QUERY", []),
            (good, "PUT", ["access-control-request-headers: X-One, content-type"]),
            (good, "GET", ["access-control-request-headers: x-three"]),
            (good, "GET", ["access-control-request-private-network: true"]),
        )
    ]  # fmt: skip
    simple = [get(path, origin) for path in PATHS[:5] for origin in (good, bad)]
    conform(
        with_middleware(CORSMiddleware, **CORS[kind]),
        *simple,
        *preflight,
        get("/json"),
        get("/json", good, "cookie: a=b"),
        get("/json", "origin:"),
        get("/json", good, method="OPTIONS"),
        get("/none", good, asks + "GET", method="OPTIONS"),
    )


@pytest.mark.parametrize("options", [{}, {"minimum_size": 0}, {"compresslevel": 1}], ids=repr)
@pytest.mark.parametrize("accept", ["gzip", "br, gzip;q=0.5", "identity", "GZIP", None], ids=str)
def test_gzip(conform, options, accept):
    """H110: from 500 bytes on, by level; `vary` on all that could have been compressed."""
    lines = [f"accept-encoding: {accept}"] if accept else []
    paths = [*PATHS, "/sync?size=480", "/sync?size=500", "/sync?size=200000", "/html?size=5"]
    outcomes = conform(
        with_middleware(GZipMiddleware, **options), *[get(path, *lines) for path in paths]
    )
    if accept == "gzip":
        body = outcomes[-2].wire.partition(b"\r\n\r\n")[2]
        assert b"content-encoding: gzip" in outcomes[-2].wire and len(gzip.decompress(body)) > 2e5


@pytest.mark.parametrize(
    "options",
    [
        {"allowed_hosts": ["example.org"]}, {"allowed_hosts": ["*.example.org"]},
        {"allowed_hosts": ["*"]}, {"allowed_hosts": ["example.org"], "www_redirect": False},
        {"allowed_hosts": ["www.example.org"]}, {},
    ],
    ids=repr,
)  # fmt: skip
def test_trusted_host(conform, options):
    """B39: 400 for any other host, and a redirect to the one with www."""
    hosts = ["example.org", "EXAMPLE.ORG", "example.org:8000", "a.example.org", "evil.test"]
    conform(
        with_middleware(TrustedHostMiddleware, **options),
        *[get("/json", f"host: {host}") for host in hosts],
    )


def test_https_redirect(conform):
    conform(
        with_middleware(HTTPSRedirectMiddleware),
        get("/json?a=b"),
        get("/json", "host: a:80"),
        get("/json", "host: a:8080"),
        post("/echo", b"{}"),
        get("/json", method="HEAD"),
        get("/none?x=%20&y", "host: a.test:443"),
        get("/stream", "host: [::1]:8443", method="OPTIONS"),
        socket("/ws?a=b", "text"),
    )


READY_MADE = {
    "https": (HTTPSRedirectMiddleware, {}),
    "host": (TrustedHostMiddleware, {"allowed_hosts": ["example.org", "*.example.org"]}),
    "cors": (CORSMiddleware, {"allow_origins": ["https://a.example"], "allow_methods": ["PUT"]}),
    "gzip": (GZipMiddleware, {"minimum_size": 5}),
}


@pytest.mark.parametrize(
    "names",
    ["https cors", "cors https", "host cors gzip", "cors host gzip", "gzip host https cors"],
)
def test_what_ready_made_middleware_answers_passes_those_outside_of_it(conform, names):
    """Redirects, refusals and preflight answers, from the outermost middleware inwards."""

    def make(side):
        app = small(side)
        for name in reversed(names.split()):
            cls, options = READY_MADE[name]
            app.add_middleware(cls, **options)
        return app

    origin, preflight = "origin: https://a.example", "access-control-request-method: PUT"
    accept = "accept-encoding: gzip"
    conform(
        make,
        get("/json", origin, accept),
        get("/json", origin, accept, "host: evil.test"),
        get("/json", origin, preflight, accept, method="OPTIONS"),
        get("/json", origin, preflight, accept, "host: evil.test", method="OPTIONS"),
        get("/none", origin, accept, "host: EXAMPLE.org"),
        get("/stream", origin, accept, method="HEAD"),
        post("/echo", b"x" * 1000, origin, accept),
        get("/json"),
    )


def told(message):
    """The status of a response, or the size of a piece of its body."""
    return message.get("status", len(message.get("body", b"")))


def noting_middleware(side, name):
    """Pure ASGI, noting all that passes."""

    class Noting:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] != "http":
                await self.app(scope, receive, send)
                return

            async def noted(message):
                side.log(name, message["type"], told(message))
                if message["type"] == "http.response.start":
                    message["headers"].append((b"x-passed", name.encode()))
                await send(message)

            side.log(name, "in", side.task())
            try:
                await self.app(scope, receive, noted)
            except Exception as error:
                side.log(name, "raised", repr(error))
                raise
            finally:
                side.log(name, "out")

    return Noting


def test_pure_middleware_and_its_order(conform):
    """H98, H99: the last that is added is the outermost; what is not handled passes through."""

    def make(side):
        app = small(side, middleware=[Middleware(noting_middleware(side, "given"))])
        app.add_middleware(noting_middleware(side, "first"))
        app.add_middleware(noting_middleware(side, "second"))
        return app

    conform(make, *ALL)


def test_http_middleware_and_its_order(conform):
    """H98, H103: `@app.middleware("http")`, before and after."""

    def make(side):
        app = small(side)

        def add(name):
            @app.middleware("http")
            async def middleware(request: Request, call_next):
                side.log(name, "in", request.method, request.url.path)
                request.state.name = name
                try:
                    response = await call_next(request)
                except Exception as error:
                    side.log(name, "raised", repr(error))
                    raise
                side.log(name, "out", response.status_code, type(response).__name__)
                response.headers["x-name"] = name
                response.headers.append("x-names", name)
                return response

        add("inner")
        add("outer")
        return app

    conform(make, *ALL)


def based(dispatch, *, routes=small):
    def make(side):
        app = routes(side)

        class Own(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return await dispatch(side, request, call_next)

        app.add_middleware(Own)
        return app

    return make


async def pass_on(side, request, call_next):
    return await call_next(request)


async def answer_itself(side, request, call_next):
    return JSONResponse({"answered": str(request.url)}, 202)


async def twice(side, request, call_next):
    first = await call_next(request)
    side.log(first.status_code)
    return PlainTextResponse(f"after {first.status_code}")


async def read_body(side, request, call_next):
    side.log(repr(await request.body()))
    return await call_next(request)


async def read_stream(side, request, call_next):
    side.log(repr([chunk async for chunk in request.stream()]))
    return await call_next(request)


async def read_response(side, request, call_next):
    response = await call_next(request)
    body = b"".join([chunk async for chunk in response.body_iterator])
    return Response(body.upper(), response.status_code, dict(response.headers))


async def catch(side, request, call_next):
    try:
        return await call_next(request)
    except ValueError as error:
        return PlainTextResponse(f"caught {error!r}", 502)


async def fail_before(side, request, call_next):
    raise KeyError("before")


async def fail_after(side, request, call_next):
    await call_next(request)
    raise KeyError("after")


async def refuse(side, request, call_next):
    raise HTTPException(402, "pay")


async def replace_headers(side, request, call_next):
    response = await call_next(request)
    del response.headers["content-type"]
    response.headers["content-length"] = response.headers.get("content-length", "0")
    response.status_code = 206
    return response


async def no_length(side, request, call_next):
    response = await call_next(request)
    if "content-length" in response.headers:
        del response.headers["content-length"]
    return response


async def call_twice(side, request, call_next):
    await call_next(request)
    return await call_next(request)


async def call_again_when_the_first_is_read(side, request, call_next):
    first = await call_next(request)
    side.log([piece async for piece in first.body_iterator])
    return await call_next(request)


async def call_again_after_a_failure(side, request, call_next):
    try:
        return await call_next(request)
    except ValueError:
        return await call_next(request)


async def close_the_body(side, request, call_next):
    response = await call_next(request)
    await response.body_iterator.aclose()
    if "content-length" in response.headers:
        del response.headers["content-length"]
    return response


async def wrap_the_body(side, request, call_next):
    response = await call_next(request)

    async def upper(pieces):
        async for piece in pieces:
            yield piece.upper()

    response.body_iterator = upper(response.body_iterator)
    return response


async def add_a_background_task(side, request, call_next):
    response = await call_next(request)
    response.background = BackgroundTask(side.log, "background")
    return response


async def start_a_task_before(side, request, call_next):
    async def beside():
        side.log("beside")

    task = asyncio.create_task(beside())
    response = await call_next(request)
    side.log("called")
    await task
    return response


async def call_in_a_task(side, request, call_next):
    return await asyncio.create_task(call_next(request))


async def call_watched(side, request, call_next):
    side.log(await request.is_disconnected())
    response = await call_next(request)
    side.log(await request.is_disconnected())
    return response


async def fail_with_a_cause(side, request, call_next):
    try:
        await call_next(request)
    except ValueError as error:
        raise KeyError("because") from error
    raise LookupError("none")


async def call_and_give_up(side, request, call_next):
    with anyio.CancelScope() as scope:
        scope.cancel()
        return await call_next(request)
    return PlainTextResponse("late", 504)


DISPATCHES = {
    f.__name__: f
    for f in (
        pass_on, answer_itself, twice, read_body, read_stream, catch, fail_before, fail_after,
        refuse, no_length, call_twice, call_again_when_the_first_is_read,
        call_again_after_a_failure, close_the_body, wrap_the_body, add_a_background_task,
        start_a_task_before, call_in_a_task, call_watched, fail_with_a_cause,
        call_and_give_up,
    )
}  # fmt: skip


def requests_for(name):
    """Without bodies where a route would wait for one that has been read: for ever, in FastAPI."""
    return [get(path) for path in PATHS] if name.startswith("call_") else ALL


@pytest.mark.parametrize("name", DISPATCHES)
def test_a_base_middleware_that_would(conform, name):
    """D69, H103: the response streams, with its own length; a body that was read is there again."""
    conform(based(DISPATCHES[name]), *requests_for(name))


@pytest.mark.parametrize("name", DISPATCHES)
def test_a_base_middleware_between_others_that_would(conform, name):
    """H98, H103: the same with a function inside of it, and a pure one outside."""

    def make(side):
        app = based(DISPATCHES[name])(side)
        app.user_middleware.append(Middleware(BaseHTTPMiddleware, dispatch=partial(pass_on, side)))
        app.add_middleware(noting_middleware(side, "outer"))
        return app

    conform(make, *requests_for(name))


def test_tasks_and_names_inside_of_a_base_middleware(conform):
    """H103, H106: what is inside runs in a task of its own, named as Starlette names it."""

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint():
            task = asyncio.current_task()
            name = task.get_name() if "call_next" in task.get_name() else "the request's"
            side.log("endpoint", side.task(), name)
            await asyncio.sleep(0)
            side.log("endpoint", side.task())

        for name in ("inner", "outer"):

            async def dispatch(request, call_next, name=name):
                side.log(name, side.task())
                response = await call_next(request)
                side.log(name, side.task())
                return response

            app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
        return app

    conform(make, get("/"), get("/"))


def test_what_fails_after_the_response_inside_of_a_base_middleware(conform):
    """G92, H99, H103: the response is sent, and the exception passes through."""

    def make(side):
        app = side.FastAPI()

        async def dependency():
            try:
                yield
            finally:
                side.log("teardown")

        @app.get("/background", dependencies=[Depends(dependency)])
        async def background(tasks: BackgroundTasks):
            def fail():
                raise ValueError("background")

            tasks.add_task(fail)

        async def teardown():
            yield
            raise ValueError("teardown")

        @app.get("/teardown", dependencies=[Depends(teardown)])
        async def torn():
            return 1

        app.add_middleware(BaseHTTPMiddleware, dispatch=partial(pass_on, side))
        app.add_middleware(BaseHTTPMiddleware, dispatch=partial(pass_on, side))
        return app

    conform(make, get("/background"), get("/teardown"), get("/background"))


def test_a_failing_middleware_cancels_what_is_inside(conform):
    """G90, H103: dependencies see the cancellation, and leave shielded from it."""

    def make(side):
        app = side.FastAPI()

        async def dependency():
            try:
                yield
            except BaseException as error:
                side.log(type(error).__name__)
                try:
                    await asyncio.sleep(0.01)
                except BaseException as again:
                    side.log("again", type(again).__name__)
                raise

        @app.get("/waits", dependencies=[Depends(dependency)])
        async def waits():
            started.set()
            await asyncio.sleep(30)

        @app.get("/answers", dependencies=[Depends(dependency)])
        async def answers():
            return 1

        started = asyncio.Event()

        @app.middleware("http")
        async def give_up(request: Request, call_next):
            calling = asyncio.ensure_future(call_next(request))
            if request.url.path == "/answers":
                await calling
                raise KeyError("after")
            await started.wait()
            started.clear()
            calling.cancel()
            raise KeyError("given up")

        return app

    conform(make, get("/waits"), get("/answers"), get("/waits"))


@pytest.mark.parametrize("dispatch", [read_response, replace_headers], ids=lambda d: d.__name__)
def test_a_base_middleware_that_changes_the_response_would(conform, dispatch):
    """H103."""
    paths = ("/json", "/sync", "/refuse", "/none")
    conform(based(dispatch), *[get(path) for path in paths], post_json("/echo", {"b": 2}))


def passing_middleware(side, name):
    """Pure ASGI that hands on what it is given, and notes when it has come back."""

    class Passing:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            side.log(name, "enter")
            await self.app(scope, receive, send)
            side.log(name, "exit")

    return Passing


@pytest.mark.parametrize(
    "order",
    ["BP", "BPB", "BBP", "PB", "BPBP", "BPPB", "BN", "BNB", "BBNB", "BNBNB", "BNBB", "BNBBB"],
)
def test_pure_middleware_inside_of_a_base_middleware_goes_on_once_the_response_is_sent(
    conform, order
):
    """H98, H103: its `send` returns from the last piece of the body when all of it has left."""

    def make(side):
        app = small(side)
        kinds = []
        for number, kind in enumerate(order):
            if kind != "B":
                pure = passing_middleware if kind == "P" else noting_middleware
                kinds.append(Middleware(pure(side, f"pure {number}")))
                continue

            async def dispatch(request, call_next, number=number):
                side.log("base", number, "in")
                response = await call_next(request)
                side.log("base", number, "out")
                return response

            kinds.append(Middleware(BaseHTTPMiddleware, dispatch=dispatch))
        app.user_middleware[:] = [Middleware(noting_middleware(side, "outermost")), *kinds]
        return app

    conform(make, *ALL)


@pytest.mark.parametrize("patched", ["the class", "BaseHTTPMiddleware"])
def test_a_call_of_a_base_middleware_that_is_replaced_later(conform, monkeypatch, patched):
    """H103: the next request runs what has been put there."""

    def make(side):
        monkeypatch.undo()
        app = small(side)

        class Own(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                side.log("dispatch")
                return await call_next(request)

        app.add_middleware(Own)
        app.state.patch = Own if patched == "the class" else BaseHTTPMiddleware
        app.state.side = side
        return app

    def patch(app):
        original = app.state.patch.__call__

        async def wrapped(self, scope, receive, send):
            app.state.side.log("patched", "in")
            await original(self, scope, receive, send)
            app.state.side.log("patched", "out")

        monkeypatch.setattr(app.state.patch, "__call__", wrapped)

    conform(make, get("/json"), patch, get("/json"), get("/none"))


def test_what_is_no_exception_inside_of_a_base_middleware(conform):
    """H103: there is no response for the dispatch function, and what was raised goes on outside."""

    class Stop(BaseException): ...

    class Outer:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            try:
                await self.app(scope, receive, send)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                await PlainTextResponse(repr(error), 500)(scope, receive, send)

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(waits: bool = False):
            if waits:
                await asyncio.sleep(0)
            raise Stop("inside")

        @app.middleware("http")
        async def dispatch(request: Request, call_next):
            try:
                return await call_next(request)
            except BaseException as error:
                side.log(type(error).__name__)
                raise

        app.add_middleware(Outer)
        return app

    conform(make, get("/"), get("/?waits=1"), get("/"))


def test_context_variables_through_a_base_middleware(conform):
    """H103: what is set before is seen inside, never the other way round."""

    def routes(side):
        app = side.FastAPI()

        async def dependency():
            side.log("dependency", VARIABLE.get())
            VARIABLE.set("dependency")

        @app.get("/", dependencies=[Depends(dependency)])
        async def endpoint(tasks: BackgroundTasks):
            side.log("endpoint", VARIABLE.get())
            VARIABLE.set("endpoint")
            tasks.add_task(lambda: side.log("background", VARIABLE.get()))

        @app.get("/sync")
        def sync():
            side.log("sync", VARIABLE.get())

        return app

    async def dispatch(side, request, call_next):
        VARIABLE.set("middleware")
        response = await call_next(request)
        side.log("after", VARIABLE.get())
        return response

    conform(based(dispatch, routes=routes), get("/"), get("/sync"), get("/"))


def test_context_variables_through_pure_middleware(conform):
    """H103: one task, one context: both directions."""

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint():
            side.log("endpoint", VARIABLE.get(), side.task())
            VARIABLE.set("endpoint")

        class Setting:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                VARIABLE.set("middleware")
                await self.app(scope, receive, send)
                side.log("after", VARIABLE.get(), side.task())

        app.add_middleware(Setting)
        return app

    conform(make, get("/"), get("/"), lifespan=False)


def test_background_tasks_and_teardown_inside_a_base_middleware(conform):
    """G88, H103: the middleware's call ends after both."""

    def make(side):
        app = side.FastAPI()

        async def dependency():
            yield
            side.log("teardown")

        @app.get("/", dependencies=[Depends(dependency)])
        async def endpoint(tasks: BackgroundTasks):
            tasks.add_task(side.log, "background")

        class Own(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                response = await call_next(request)
                side.log("dispatched")
                return response

        app.add_middleware(Own)
        app.add_middleware(noting_middleware(side, "outer"))
        return app

    conform(make, get("/"), get("/"))


def test_the_stack_of_several_kinds(conform):
    """H98, H99, H110: CORS, GZip, a base class, a function and a pure one together."""

    def make(side):
        app = small(side)

        @app.middleware("http")
        async def function(request: Request, call_next):
            response = await call_next(request)
            response.headers["x-function"] = "1"
            return response

        app.add_middleware(GZipMiddleware, minimum_size=100)
        app.add_middleware(CORSMiddleware, allow_origins=["*"])
        app.add_middleware(noting_middleware(side, "outermost"))
        return app

    lines = ["origin: https://a", "accept-encoding: gzip"]
    conform(make, *[get(path, *lines) for path in PATHS], get("/stream", *lines))


@pytest.mark.parametrize("lifespan", [True, False])
def test_middleware_is_not_added_once_the_application_has_started(conform, lifespan):
    """H98: RuntimeError from `add_middleware` after the first call."""

    def make(side):
        app = small(side)
        app.state.side = side
        return app

    def add(app):
        try:
            app.add_middleware(GZipMiddleware, minimum_size=1)
        except RuntimeError as error:
            app.state.side.log(repr(error))

    lines = ["accept-encoding: gzip"]
    conform(make, add, get("/json", *lines), add, get("/json", *lines), lifespan=lifespan)


def test_a_stack_of_the_applications_own(conform):
    """H108: `build_middleware_stack` and `middleware_stack` are what they are at the first call."""

    def make(side):
        app = small(side)
        build = app.build_middleware_stack

        def own():
            return noting_middleware(side, "around everything")(build())

        app.build_middleware_stack = own
        return app

    conform(make, *ALL[:5])


def test_middleware_that_replaces_the_scope(conform):
    """H108: another path, other headers, another application in the scope."""

    class Rewriting:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http" and scope["path"].startswith("/old"):
                scope = {**scope, "path": scope["path"][4:], "headers": [(b"host", b"new")]}
                scope["raw_path"] = scope["path"].encode()
            await self.app(scope, receive, send)

    def make(side):
        app = small(side)

        @app.get("/seen")
        async def seen(request: Request):
            return [str(request.url), dict(request.headers), request.scope["app"] is app]

        app.add_middleware(Rewriting)
        return app

    conform(make, get("/old/json"), get("/old/seen", "x-a: b"), get("/seen"), get("/old/json/"))


def test_middleware_that_replaces_receive_and_send(conform):
    """H98: what the endpoint reads and sends goes through it."""

    class Shouting:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def upper():
                message = await receive()
                if message["type"] == "http.request":
                    message = {**message, "body": message["body"].upper()}
                return message

            async def lower(message):
                if message["type"] == "http.response.body":
                    message = {**message, "body": message.get("body", b"").lower()}
                await send(message)

            await self.app(scope, upper, lower)

    conform(with_middleware(Shouting), post_json("/echo", {"a": "bC"}), *ALL[:3], lifespan=False)


def test_middleware_of_a_mounted_application_and_of_a_route(conform):
    """H98."""
    from starlette.routing import Mount, Route

    async def plain(request):
        return PlainTextResponse("plain")

    def make(side):
        app = small(side)
        inner = small(side)
        inner.add_middleware(noting_middleware(side, "inner"))
        app.add_middleware(noting_middleware(side, "outer"))
        app.mount("/inner", inner)
        own = [Middleware(noting_middleware(side, "own"))]
        app.router.routes.append(Route("/route", plain, middleware=own))
        app.router.routes.append(Mount("/mount", routes=[Route("/a", plain)], middleware=own))
        return app

    paths = ("/json", "/inner/json", "/inner/fail", "/route", "/mount/a", "/mount/none")
    conform(make, *[get(path) for path in paths])


def test_exceptions_through_middleware_and_handlers(conform):
    """H99, H100: a handler answers inside of middleware, that of `Exception` outside."""

    def make(side):
        app = small(side)

        @app.exception_handler(ValueError)
        async def value_error(request: Request, error: ValueError):
            return PlainTextResponse("handled inside", 400)

        @app.exception_handler(Exception)
        async def anything(request: Request, error: Exception):
            return PlainTextResponse("handled outside", 500)

        @app.get("/other")
        async def other():
            raise KeyError("other")

        app.add_middleware(noting_middleware(side, "middle"))
        app.add_middleware(CORSMiddleware, allow_origins=["*"])
        return app

    conform(make, *[get(path, "origin: https://a") for path in ("/fail", "/other", "/refuse")])


def test_sessions(conform, monkeypatch):
    """H98: a signed cookie; the time in its signature stands still for the test."""
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_700_000_000)

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(request: Request):
            request.session["count"] = request.session.get("count", 0) + 1
            return dict(request.session)

        @app.get("/clear")
        def clear(request: Request):
            request.session.clear()

        @app.get("/untouched")
        def untouched():
            return None

        app.add_middleware(SessionMiddleware, secret_key="secret", max_age=60)
        return app

    cookie = (
        TimestampSigner("secret").sign(base64.b64encode(json.dumps({"count": 7}).encode())).decode()
    )
    conform(
        make,
        get("/"),
        get("/", f"cookie: session={cookie}"),
        get("/", f"cookie: session={cookie}x"),
        get("/clear", f"cookie: session={cookie}"),
        get("/untouched", f"cookie: session={cookie}"),
    )


def test_websockets_pass_through_middleware(conform):
    """H98."""
    from fastapi import WebSocket

    def make(side):
        app = side.FastAPI()

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text(await websocket.receive_text())

        app.add_middleware(BaseHTTPMiddleware, dispatch=None)
        app.add_middleware(CORSMiddleware, allow_origins=["*"])
        app.add_middleware(noting_middleware(side, "outer"))
        return app

    conform(make, socket("/ws", "text"))


def test_spans_of_a_configured_provider(conform):
    """H107: the spans of each request, with their names and attributes."""

    def make(side):
        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        app = small(side, telemetry={"tracer_provider": provider})

        def dependency():
            return 1

        @app.get("/traced/{a}", dependencies=[Depends(dependency)])
        async def traced(a: int, tasks: BackgroundTasks) -> int:
            tasks.add_task(int)
            return a

        app.state.side, app.state.exporter = side, exporter
        return app

    def note(app):
        for span in app.state.exporter.get_finished_spans():
            varying = ("port", "server.", "client.", "network.", "code.")
            attributes = {
                k: v for k, v in span.attributes.items() if not any(x in k for x in varying)
            }
            app.state.side.log(span.name, str(span.kind), repr(sorted(attributes.items())))
        app.state.exporter.clear()

    steps = []
    for path in ("/traced/5", "/traced/x", "/json", "/fail", "/refuse", "/none"):
        steps += [get(path), note]
    conform(make, *steps)
