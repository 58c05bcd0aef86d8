"""Exceptions: FastAPI's answers, custom handlers, and what escapes."""

from typing import Any

import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Request, Response
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from .requests import get, post_json

try:
    from builtins import ExceptionGroup
except ImportError:
    from exceptiongroup import ExceptionGroup


class Base(Exception):
    pass


class Derived(Base):
    pass


class Teapot(HTTPException):
    def __init__(self) -> None:
        super().__init__(418, "short and stout")


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class Model(BaseModel):
    a: int


RAISED: dict[str, Any] = {
    "404": lambda: HTTPException(404),
    "404 of starlette": lambda: StarletteHTTPException(404),
    "starlette with headers": lambda: StarletteHTTPException(401, "x", {"x-a": "b"}),
    "text": lambda: HTTPException(400, "détail"),
    "dict": lambda: HTTPException(400, {"code": 1, "why": [None, 1.5]}),
    "list": lambda: HTTPException(400, ["a", {"b": 1}]),
    "number": lambda: HTTPException(400, 5),
    "empty detail": lambda: HTTPException(400, ""),
    "none detail": lambda: HTTPException(400, None),
    "detail that is no json": lambda: HTTPException(400, {1, 2}),
    "nan": lambda: HTTPException(400, float("nan")),
    "headers": lambda: HTTPException(401, "x", {"WWW-Authenticate": "Bearer", "X-A": "é"}),
    "content-length": lambda: HTTPException(400, "abc", {"content-type": "text/x"}),
    "numbers as headers": lambda: HTTPException(400, "x", {"x-a": 5}),
    "200": lambda: HTTPException(200, "fine"),
    "204": lambda: HTTPException(204, "dropped", {"x-a": "b"}),
    "304": lambda: HTTPException(304, headers={"etag": '"a"'}),
    "500": lambda: HTTPException(500),
    "subclass": Teapot,
    "value error": lambda: ValueError("text"),
    "key error": lambda: KeyError("key"),
    "base": lambda: Base("base"),
    "derived": lambda: Derived("derived"),
    "falsy": Falsy,
    "validation error of pydantic": lambda: invalid(),
    "request validation error": lambda: RequestValidationError(
        [{"loc": ("x",), "msg": "m", "type": "t"}], body={"a": 1}
    ),
    "response validation error": lambda: ResponseValidationError([{"loc": ("x",)}]),
    "assertion": lambda: AssertionError("asserted"),
    "not implemented": NotImplementedError,
    "system error": lambda: OSError(2, "no such file"),
    "group": lambda: ExceptionGroup("group", [ValueError("a"), HTTPException(404)]),
    "group of one": lambda: ExceptionGroup("group", [HTTPException(409)]),
    "timeout": lambda: TimeoutError("late"),
    "lookup": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
}


def invalid():
    try:
        Model(a="x")
    except ValidationError as error:
        return error


def raising(side, make_error, **options):
    """Raises from an `async def`, a `def`, a dependency of either kind, and the start of a body."""
    app = side.FastAPI(**options)

    async def asynchronous():
        raise make_error()

    def sync():
        raise make_error()

    @app.get("/dependency", dependencies=[Depends(asynchronous)])
    @app.get("/sync-dependency", dependencies=[Depends(sync)])
    async def dependent(tasks: BackgroundTasks, response: Response):
        side.log("never called")

    @app.get("/late")
    async def late(tasks: BackgroundTasks, response: Response):
        tasks.add_task(side.log, "background")
        response.headers["x-lost"] = "1"
        raise make_error()

    app.get("/async")(asynchronous)
    app.get("/sync")(sync)
    return app


PATHS = [get(f"/{path}") for path in ("async", "sync", "dependency", "sync-dependency", "late")]


@pytest.mark.parametrize("kind", RAISED)
def test_without_handlers(conform, kind):
    """E80, G91, H99, A17: JSON for HTTPException, a plain 500 that escapes for all else."""
    conform(lambda side: raising(side, RAISED[kind]), *PATHS)


@pytest.mark.parametrize("kind", ["404", "value error", "derived"])
@pytest.mark.parametrize("accept", ["text/html", "text/plain", None], ids=str)
def test_in_debug_mode(conform, kind, accept):
    """H99: a traceback for whoever asks, in HTML or text, and the exception escapes as ever.

    The traceback shows the stack and so differs: what is compared is all but the body.
    """
    lines = [f"accept: {accept}"] if accept else []

    def make(side):
        inner = raising(side, RAISED[kind], debug=True)

        async def app(scope, receive, send):
            async def note(message):
                if message["type"] == "http.response.start":
                    names = [name for name, _ in message["headers"]]
                    values = dict(message["headers"])
                    side.log(message["status"], names, values[b"content-type"])
                else:
                    side.log(RAISED[kind]().__class__.__name__.encode() in message["body"])
                if scope["type"] != "http":
                    await send(message)

            if scope["type"] != "http":
                await inner(scope, receive, send)
                return
            try:
                await inner(scope, receive, note)
            except Exception as error:
                side.log("escaped", repr(error))
            await PlainTextResponse("")(scope, receive, send)

        return app

    paths = [request.target for request in PATHS]
    conform(make, *[get(path, *lines) for path in paths], lifespan=False)


def handled(side, keys, kind, make_error, *, answer=PlainTextResponse):
    app = raising(side, make_error)

    def noting(name):
        async def asynchronous(request: Request, error: Exception):
            side.log(name, side.thread(), side.task(), repr(error), request.url.path)
            return answer(f"{name} handled", 499, headers={"x-handler": name.split()[-1]})

        def sync(request: Request, error: Exception):
            side.log(name, side.thread(), repr(error), request.url.path)
            return answer(f"{name} handled", 499, headers={"x-handler": name.split()[-1]})

        return asynchronous if kind == "async" else sync

    for key in keys:
        app.add_exception_handler(key, noting(getattr(key, "__name__", str(key))))
    return app


HANDLERS: dict[str, list[Any]] = {
    "exception": [Exception],
    "500": [500],
    "404": [404],
    "http exception": [HTTPException],
    "starlettes http exception": [StarletteHTTPException],
    "both http exceptions": [HTTPException, StarletteHTTPException],
    "a status and its class": [404, HTTPException, 418],
    "a base class": [Base],
    "a class and its base": [Base, Derived],
    "value error": [ValueError],
    "validation": [RequestValidationError, ValidationError],
    "everything": [Exception, 500, 404, HTTPException, ValueError, Base],
    "group": [ExceptionGroup],
}


@pytest.mark.parametrize("handler", ["async", "sync"])
@pytest.mark.parametrize("keys", HANDLERS)
def test_handlers(conform, keys, handler):
    """H100: by status for HTTPException, then along the MRO; `Exception` and 500 re-raise."""
    raised = [
        "404", "404 of starlette", "subclass", "500", "value error", "derived", "group",
        "validation error of pydantic", "request validation error", "falsy",
    ]  # fmt: skip

    def make(side):
        app = side.FastAPI()
        for index, kind in enumerate(raised):
            app.mount(f"/{index}", handled(side, HANDLERS[keys], handler, RAISED[kind]))
        return app

    paths = [f"/{index}/{path}" for index in range(len(raised)) for path in ("async", "sync")]
    conform(make, *[get(path) for path in paths], get("/0/dependency"), get("/0/nowhere"))


@pytest.mark.parametrize("handler", ["async", "sync"])
@pytest.mark.parametrize("keys", ["404", "http exception", "starlettes http exception"])
def test_the_404_and_405_of_routing_are_exceptions_too(conform, keys, handler):
    """H101: one can't tell them from raised ones; a mounted ASGI app's are its own."""

    async def raw(scope, receive, send):
        await PlainTextResponse("raw 404", 404)(scope, receive, send)

    def make(side):
        app = handled(side, HANDLERS[keys], handler, RAISED["404"])
        app.mount("/raw", raw)
        return app

    conform(make, get("/nowhere"), get("/async"), get("/async", method="POST"), get("/raw/x"))


@pytest.mark.parametrize("key", [RequestValidationError, 422, HTTPException, ValueError], ids=str)
def test_validation_errors_of_the_request(conform, key):
    """H100: with errors and the body as it was received."""

    def make(side):
        app = side.FastAPI()

        @app.post("/{item_id}")
        async def endpoint(item_id: int, item: Model):
            return item

        @app.exception_handler(key)
        async def handler(request: Request, error: Any):
            side.log(repr(error.errors()), repr(error.body), await request.body() == b"")
            return JSONResponse({"body": error.body}, 400)

        return app

    conform(
        make,
        post_json("/x", {"a": "x"}),
        post_json("/1", b"{"),
        post_json("/1", b""),
        post_json("/1", [1]),
        post_json("/1", {"a": 1}),
    )


def test_handlers_may_use_fastapis_own(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/{item_id}")
        async def endpoint(item_id: int):
            raise HTTPException(418, "no tea", {"x-a": "b"})

        @app.exception_handler(StarletteHTTPException)
        async def http(request: Request, error: StarletteHTTPException):
            side.log("http", repr(error))
            return await http_exception_handler(request, error)

        @app.exception_handler(RequestValidationError)
        async def validation(request: Request, error: RequestValidationError):
            side.log("validation", str(error))
            return await request_validation_exception_handler(request, error)

        return app

    conform(make, get("/1"), get("/x"), get("/"))


@pytest.mark.parametrize("handler", ["async", "sync"])
@pytest.mark.parametrize("error", ["404", "value error", "derived"])
def test_a_handler_that_raises(conform, handler, error):
    """H100: what it raises escapes; with its context."""

    def make(side):
        app = raising(side, RAISED[error])

        async def asynchronous(request: Request, error: Exception):
            raise KeyError("in the handler")

        def sync(request: Request, error: Exception):
            raise HTTPException(402) from error

        for key in (HTTPException, ValueError, Base):
            app.add_exception_handler(key, asynchronous if handler == "async" else sync)
        return app

    conform(make, *PATHS)


@pytest.mark.parametrize("handler", ["async", "sync"])
def test_the_handler_of_everything_fails(conform, handler):
    """H100."""

    def make(side):
        app = raising(side, RAISED["value error"])

        async def asynchronous(request: Request, error: Exception):
            raise KeyError("in the handler")

        def sync(request: Request, error: Exception):
            raise KeyError("in the handler")

        app.add_exception_handler(Exception, asynchronous if handler == "async" else sync)
        return app

    conform(make, *PATHS)


@pytest.mark.parametrize("result", [None, "text", {"a": 1}], ids=repr)
def test_a_handler_that_returns_no_response(conform, result):
    def make(side):
        app = raising(side, RAISED["value error"])

        @app.exception_handler(ValueError)
        async def handler(request: Request, error: ValueError):
            return result

        return app

    conform(make, *PATHS[:2])


def test_a_handler_sees_what_the_request_knew(conform):
    """H100: its scope, state and path parameters are those of the endpoint."""

    def make(side):
        app = side.FastAPI()

        async def remember(request: Request):
            request.state.user = "me"

        @app.get("/{item_id}", dependencies=[Depends(remember)])
        async def endpoint(item_id: int):
            raise Base("known")

        @app.exception_handler(Base)
        async def handler(request: Request, error: Base):
            route = request.scope["route"].path
            return JSONResponse([request.state.user, request.path_params, route, request.method])

        return app

    conform(make, get("/5?a=b"))


def test_a_handler_with_a_background_task(conform):
    from starlette.background import BackgroundTask

    def make(side):
        app = raising(side, RAISED["derived"])

        @app.exception_handler(Base)
        def handler(request: Request, error: Base):
            return PlainTextResponse("x", background=BackgroundTask(side.log, "background"))

        return app

    conform(make, *PATHS)


def test_handlers_given_to_the_application(conform):
    """H100: those of `FastAPI(exception_handlers=...)`, and of the application only."""

    def make(side):
        def handler(request: Request, error: Exception):
            return PlainTextResponse(type(error).__name__, 400)

        app = side.FastAPI(exception_handlers={404: handler, ValueError: handler})
        app.mount("/inner", raising(side, RAISED["value error"]))
        app.mount("/http", raising(side, RAISED["404"]))

        @app.get("/")
        def endpoint():
            raise ValueError("a")

        return app

    conform(make, get("/"), get("/nowhere"), get("/inner/async"), get("/http/async"))


def test_a_handler_added_later(conform):
    """H98: before the first request it counts; afterwards the stack is built."""

    def make(side):
        return raising(side, RAISED["derived"])

    def handler(request: Request, error: Exception):
        return PlainTextResponse("handled", 400)

    add = lambda app: app.add_exception_handler(Base, handler)  # noqa: E731
    conform(make, add, *PATHS, lifespan=False)
    conform(make, PATHS[0], add, *PATHS)


@pytest.mark.parametrize("where", ["stream", "background", "teardown"])
def test_a_handler_after_the_response_has_started(conform, where):
    """H102: RuntimeError, whatever the handler would have said."""
    from fastapi.responses import StreamingResponse

    def make(side):
        app = side.FastAPI()

        async def teardown():
            yield
            if where == "teardown":
                raise Base("teardown")

        def task():
            if where == "background":
                raise Base("background")

        async def chunks():
            yield "one"
            if where == "stream":
                raise Base("stream")

        @app.get("/")
        async def endpoint(tasks: BackgroundTasks, value: Any = Depends(teardown)):
            tasks.add_task(task)
            return StreamingResponse(chunks())

        @app.exception_handler(Base)
        async def handler(request: Request, error: Base):
            side.log("handler")
            return PlainTextResponse("handled")

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_chained_exceptions_keep_their_chain(conform, kind):
    def make(side):
        app = side.FastAPI()

        def fail():
            try:
                {}["key"]
            except KeyError as error:
                raise ValueError("because") from error

        async def asynchronous():
            fail()

        def sync():
            try:
                fail()
            finally:
                raise Base("on the way")

        app.get("/")(asynchronous if kind == "async" else sync)
        return app

    conform(make, get("/"))


def test_handlers_that_come_with_another_stack(conform):
    """H100: an application that drops its middleware stack builds one with the handlers of then."""

    def make(side):
        app = side.FastAPI()

        @app.get("/teapot")
        async def teapot():
            raise HTTPException(418)

        @app.get("/drop")
        async def drop():
            app.middleware_stack = None

            @app.exception_handler(HTTPException)
            async def handler(request, exc):
                return PlainTextResponse("another", 418)

            return "dropped"

        return app

    conform(make, get("/teapot"), get("/drop"), get("/teapot"), get("/nowhere"), lifespan=False)
