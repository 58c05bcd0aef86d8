"""Starlette's own routes in a FastAPI application: `add_route`, `/docs`, the OpenAPI document."""

import asyncio
import functools
import json

import pytest
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.routing import Route

from .requests import get, post, post_form, post_json


class _Silent:
    """A middleware of one route."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


@pytest.mark.compiled
@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_openapi_and_docs(conform, method, root_path):
    def make(side):
        app = side.FastAPI(title="Shown", swagger_ui_parameters={"deepLinking": False})

        @app.get("/items/{item}")
        async def endpoint(item: int, q: str = "é"):
            return item

        return app

    paths = ["/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"]
    conform(make, *[get(path, method=method) for path in paths], root_path=root_path)


def _silent():
    return None


@pytest.mark.compiled
def test_openapi_is_that_of_the_routes_of_the_moment(conform):
    def make(side):
        app = side.FastAPI()
        app.get("/first")(_silent)
        return app

    conform(
        make, get("/openapi.json"), lambda app: app.get("/second")(_silent), get("/openapi.json")
    )


@pytest.mark.compiled
def test_what_the_request_shows(conform):
    """Neither a route nor exit stacks are in the scope of a Route of Starlette's."""

    def shown(request):
        keys = sorted(key for key in request.scope if key.startswith(("fastapi", "route")))
        return JSONResponse(
            [
                request.path_params,
                request.query_params.multi_items(),
                keys,
                request.scope["endpoint"].__name__,
                str(request.url_for("shown", number=5)),
                request.scope["app"] is request.app,
            ]
        )

    async def shown_in_loop(request):
        return shown(request)

    def make(side):
        app = side.FastAPI()
        app.add_route("/def/{number:int}", shown, name="shown")
        app.add_route("/async/{rest:path}", shown_in_loop)
        app.add_route("/float/{value:float}/{name}", shown_in_loop)
        return app

    conform(make, get("/def/5?a=1&a=2"), get("/async/a/b?x"), get("/float/1.5/%C3%A9"))


@pytest.mark.compiled
def test_inside_an_included_router(conform):
    def make(side):
        app, outer, inner = side.FastAPI(), APIRouter(prefix="/outer"), APIRouter()

        async def shown(request):
            context = request.scope["fastapi"]["effective_route_context"]
            return JSONResponse(
                [
                    sorted(request.scope["fastapi"]),
                    context.starlette_route.path,
                    context.original_route.path,
                    "route" in request.scope,
                    request.path_params,
                ]
            )

        inner.add_route("/{number:int}", shown)
        outer.add_route("/plain", lambda request: PlainTextResponse("def"))
        outer.include_router(inner, prefix="/inner")
        app.include_router(outer, prefix="/app")
        return app

    conform(
        make, get("/app/outer/inner/7"), get("/app/outer/plain"), get("/app/outer/plain", "x: y")
    )


async def reading(request):
    return JSONResponse([(await request.body()).decode(), request.headers.get("content-type")])


async def streaming(request):
    return JSONResponse([piece.decode() async for piece in request.stream() if piece])


async def forming(request):
    async with request.form() as form:
        return JSONResponse(form.multi_items())


@pytest.mark.compiled
@pytest.mark.parametrize("endpoint", [reading, streaming, forming], ids=lambda f: f.__name__)
def test_bodies_are_the_endpoints_to_read(conform, endpoint):
    def make(side):
        app = side.FastAPI()
        app.add_route("/", endpoint, methods=["POST"])
        return app

    conform(
        make,
        post_json("/", {"a": [1]}),
        post_form("/", b"a=1&b=2&a=3"),
        post("/", b""),
        post("/", b"plain"),
    )


async def events():
    for number in range(3):
        yield f"{number}\n"


def _answer(kind, log):
    def in_background():
        log("in the background")

    background = BackgroundTask(in_background)
    match kind:
        case "json":
            return JSONResponse({"a": "é"}, 201, headers={"x-a": "1"}, background=background)
        case "html":
            return HTMLResponse("<p>é</p>", background=background)
        case "empty":
            return Response(status_code=204, background=background)
        case "redirect":
            return RedirectResponse("/é?a b")
        case "stream":
            return StreamingResponse(events(), media_type="text/plain", background=background)
        case "iterator":
            return StreamingResponse(iter(["a", b"b"]), background=background)
        case "file":
            return FileResponse(__file__, headers={"etag": "x", "last-modified": "never"})
        case "application":

            async def application(scope, receive, send):
                log(scope["type"])
                await PlainTextResponse("an application")(scope, receive, send)

            return application
        case "cookies":
            response = PlainTextResponse("c")
            response.set_cookie("a", "b", httponly=True)
            response.set_cookie("c", "d", 5)
            return response
        case "nothing":
            return None
    return {"no": "response"}


KINDS = [
    "json", "html", "empty", "redirect", "stream", "iterator", "file", "application", "cookies",
    "nothing", "dict",
]  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_result_is_the_response(conform, kind, method):
    """It is called with scope, receive and send, whatever it is; background tasks are its own."""

    def make(side):
        app = side.FastAPI()

        async def in_loop(request):
            side.log("called")
            return _answer(kind, side.log)

        def in_thread(request):
            side.log("called")
            return _answer(kind, side.log)

        app.add_route("/async", in_loop)
        app.add_route("/def", in_thread)
        return app

    conform(make, get("/async", method=method), get("/def", method=method))


def _raise(kind):
    match kind:
        case "http":
            raise HTTPException(418, {"a": 1}, {"x-a": "1"})
        case "304":
            raise HTTPException(304)
        case "key":
            raise KeyError("mine")
        case "value":
            raise ValueError("nobody's")
        case "stop":
            raise StopIteration("in a thread it becomes another error")


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["http", "304", "key", "value", "stop"])
def test_exceptions_reach_fastapis_handlers(conform, kind):
    def make(side):
        app = side.FastAPI()

        @app.exception_handler(KeyError)
        async def handler(request: Request, error: KeyError):
            return JSONResponse([repr(error), request.url.path], status_code=409)

        async def in_loop(request):
            _raise(kind)

        def in_thread(request):
            _raise(kind)

        app.add_route("/async", in_loop)
        app.add_route("/def", in_thread)
        return app

    conform(make, get("/async"), get("/def"))


@pytest.mark.compiled
@pytest.mark.parametrize("handled", [True, False])
def test_exceptions_after_the_start_of_the_response(conform, handled):
    def make(side):
        app = side.FastAPI()
        if handled:

            @app.exception_handler(KeyError)
            async def handler(request: Request, error: KeyError):
                return PlainTextResponse("too late")

        async def failing():
            yield "first"
            raise KeyError("midway")

        async def endpoint(request):
            return StreamingResponse(failing())

        app.add_route("/", endpoint)
        return app

    conform(make, get("/"))


class Callable:
    """An endpoint with an asynchronous `__call__` is an application to Starlette."""

    async def __call__(self, scope, receive, send):
        await PlainTextResponse("called")(scope, receive, send)


class Views(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("a view")


class Holder:
    async def in_loop(self, request):
        return PlainTextResponse("a method")

    def in_thread(self, request):
        return PlainTextResponse("a method in a thread")


@pytest.mark.compiled
def test_methods_and_partial_functions(conform):
    async def two(first, request):
        return JSONResponse([first, request.url.path])

    def two_in_thread(first, request, *, third="3"):
        return JSONResponse([first, request.url.path, third])

    def make(side):
        app = side.FastAPI()
        app.add_route("/method", Holder().in_loop)
        app.add_route("/thread", Holder().in_thread)
        app.add_route("/partial", functools.partial(two, 1))
        app.add_route("/partial-thread", functools.partial(two_in_thread, 1, third=4))
        app.add_route("/itself", functools.partial(run_in_threadpool, Holder().in_thread))
        app.add_route("/itself-too", functools.partial(run_in_threadpool, two_in_thread, "x"))
        return app

    paths = ["/method", "/thread", "/partial", "/partial-thread", "/itself", "/itself-too"]
    conform(make, *[get(path) for path in paths])


def test_applications_as_endpoints_and_middleware_of_a_route(conform):
    """Left to Starlette: what is called there is no function that takes a Request."""

    def make(side):
        app = side.FastAPI()
        app.router.routes.append(Route("/callable", Callable()))
        app.router.routes.append(Route("/views", Views))
        app.router.routes.append(
            Route("/wrapped", Holder().in_loop, middleware=[Middleware(_Silent)])
        )
        return app

    conform(make, get("/callable"), get("/views"), post("/views", b""), get("/wrapped"))


def test_a_subclass_with_a_handle_of_its_own(conform):
    class Own(Route):
        async def handle(self, scope, receive, send):
            await PlainTextResponse("its own")(scope, receive, send)

    def make(side):
        app = side.FastAPI()
        app.router.routes.append(Own("/", Holder().in_loop))
        return app

    conform(make, get("/"), post("/", b""))


@pytest.mark.compiled
def test_an_application_put_in_the_place_of_the_routes(conform):
    """What a route calls is looked at for each request."""

    def replace(app):
        async def other(request):
            return PlainTextResponse("another one")

        route = next(route for route in app.routes if route.path == "/")
        route.app = Route("/", other).app

    def make(side):
        app = side.FastAPI()
        app.add_route("/", Holder().in_loop)
        return app

    conform(make, get("/"), replace, get("/"))


@pytest.mark.compiled
def test_middleware_sees_the_route_as_before(conform):
    def make(side):
        app = side.FastAPI()

        class Noting:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                await self.app(scope, receive, send)
                if scope["type"] == "http":
                    keys = [key for key in scope if key.startswith(("fastapi_", "route"))]
                    side.log(json.dumps([sorted(keys), scope["path_params"]]))
                    side.log(scope["endpoint"].__name__)

        app.add_middleware(Noting)

        async def endpoint(request):
            await asyncio.sleep(0)
            return PlainTextResponse("ok")

        app.add_route("/{name}", endpoint)
        return app

    conform(make, get("/x"), get("/openapi.json"))
