"""`max_body_size`: of the application, of routers and of routes."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, File, Form, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware

from ..requests import get, post, post_form, post_json


class Item(BaseModel):
    name: str


def limited(side, *, app_limit=None, router_limit=None, route_limit=None):
    app = side.FastAPI(max_body_size=app_limit)
    router = side.APIRouter(max_body_size=router_limit)

    @router.post("/item", max_body_size=route_limit)
    async def endpoint(item: Item):
        side.log("called")
        return item

    @router.post("/unread", max_body_size=route_limit)
    async def unread():
        side.log("called")
        return 1

    @router.post("/raw", max_body_size=route_limit)
    async def raw(request: Request):
        return len(await request.body())

    app.include_router(router)
    return app


LIMITS = {
    "application": {"app_limit": 20},
    "router": {"app_limit": 1000, "router_limit": 20},
    "route": {"app_limit": 5, "router_limit": 10, "route_limit": 20},
    "none": {},
}
SMALL, LARGE = b'{"name": "a"}', b'{"name": "%s"}' % (b"a" * 30)
JSON = "content-type: application/json"


def sizes(path, method="POST"):
    """Requests below and above 20 bytes, of a declared length and in chunks."""
    return [
        post(path, [SMALL], JSON, method=method),
        post(path, [LARGE], JSON, method=method),
        post(path, [LARGE[:10], LARGE[10:]], JSON, method=method, chunked=True),
        post(path, [SMALL[:5], SMALL[5:]], JSON, method=method, chunked=True),
        post(path, [LARGE], JSON, method=method, chunked=True),
        get(path, JSON, method=method),
    ]


@pytest.mark.compiled
@pytest.mark.parametrize("path", ["/item", "/unread", "/raw"])
@pytest.mark.parametrize("kind", LIMITS)
def test_limit_of_the(conform, kind, path):
    """D67: 413 in plain text by the declared length, in JSON once the body has been read."""
    small, large = SMALL, LARGE
    conform(
        lambda side: limited(side, **LIMITS[kind]),
        post_json(path, small),
        post_json(path, large),
        post(path, [large[:10], large[10:]], "content-type: application/json", chunked=True),
        post(path, [small], "content-type: application/json", chunked=True),
        post_json(path, small),
    )


@pytest.mark.compiled
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/item", "/item/", "/nothing", "/docs"])
def test_where_no_route_reads_the_body(conform, path, method):
    """D67: 404, 405 and redirects give way to 413 by the declared length."""

    def make(side):
        app = side.FastAPI(max_body_size=20)

        @app.post("/item")
        async def endpoint(item: Item):
            return item

        return app

    conform(make, *sizes(path, method))


@pytest.mark.compiled
@pytest.mark.parametrize("where", ["application", "route"])
@pytest.mark.parametrize("handled", [413, HTTPException, Exception])
def test_handlers_of_the_application_are_asked_first(conform, where, handled):
    """D67, H100: what they answer to a declared length gives way to 413 in plain text."""

    def make(side):
        app = side.FastAPI(max_body_size=20 if where == "application" else None)

        @app.exception_handler(handled)
        async def handler(request: Request, error):
            side.log(repr(error), request.scope.get("starlette.max_body_size"))
            return PlainTextResponse("handled", 499)

        @app.post("/", max_body_size=20 if where == "route" else None)
        async def endpoint(item: Item):
            return item

        @app.post("/late", max_body_size=20 if where == "route" else None)
        def late(number: int = 0):
            if number:
                raise HTTPException(413, "mine")
            return 1

        return app

    conform(make, *sizes("/"), *sizes("/late"), *sizes("/late?number=1"))


@pytest.mark.compiled
@pytest.mark.parametrize("where", ["application", "route"])
@pytest.mark.parametrize("scope", ["function", "request"])
def test_dependencies_see_what_ends_the_request(conform, where, scope):
    """D67, G90."""

    def make(side):
        app = side.FastAPI(max_body_size=20 if where == "application" else None)

        async def entered(request: Request):
            try:
                yield request.scope.get("starlette.max_body_size")
            except Exception as error:
                side.log("thrown in", type(error).__name__)
                raise
            finally:
                side.log("left")

        depends = Annotated[int, Depends(entered, scope=scope)]

        @app.post("/read", max_body_size=20 if where == "route" else None)
        async def read(item: Item, limit: depends):
            return limit

        @app.post("/unread", max_body_size=20 if where == "route" else None)
        def unread(limit: depends):
            side.log("called")
            return limit

        @app.post("/stream", max_body_size=20 if where == "route" else None)
        async def stream(limit: depends):
            return StreamingResponse(iter(["a", "b"]))

        return app

    # A stream may begin before or after chunks go beyond the limit: no order is promised.
    conform(make, *sizes("/read"), *sizes("/unread"), *sizes("/stream")[:2])


@pytest.mark.compiled
@pytest.mark.parametrize("where", ["application", "router", "route"])
def test_forms_and_files(conform, where):
    def make(side):
        app = side.FastAPI(max_body_size=20 if where == "application" else None)
        router = side.APIRouter(max_body_size=20 if where == "router" else None)

        @router.post("/form", max_body_size=20 if where == "route" else None)
        async def form(a: Annotated[str, Form()]):
            return a

        @router.post("/file", max_body_size=200 if where == "route" else None)
        async def file(a: Annotated[bytes, File()]):
            return len(a)

        app.include_router(router)
        return app

    kind = "content-type: application/x-www-form-urlencoded"
    large = b"a=" + b"x" * 30
    part = b'--b\r\ncontent-disposition: form-data; name="a"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    conform(
        make,
        post_form("/form", b"a=1"),
        post_form("/form", large),
        post("/form", [large[:10], large[10:]], kind, chunked=True),
        post("/form", [b"a=1"], kind, chunked=True),
        post("/file", part, "content-type: multipart/form-data; boundary=b"),
        post("/file", [part], "content-type: multipart/form-data; boundary=b", chunked=True),
    )


@pytest.mark.compiled
def test_starlettes_routes(conform):
    """An included router's limit is around them, too."""

    async def read(request):
        body = await request.body()
        return JSONResponse([len(body), request.scope.get("starlette.max_body_size")])

    def make(side):
        app, router = side.FastAPI(max_body_size=30), APIRouter(max_body_size=20)
        app.add_route("/app", read, methods=["POST"])
        router.add_route("/router", read, methods=["POST"])
        app.include_router(router)
        return app

    conform(make, *sizes("/app"), *sizes("/router"))


@pytest.mark.compiled
@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("where", ["application", "route"])
def test_around_and_inside_of_middleware(conform, where, reads):
    """D67, D69: a middleware that reads the body first is where it becomes too long."""

    def make(side):
        app = side.FastAPI(max_body_size=25 if where == "application" else None)

        class Reading(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                if reads:
                    side.log(len(await request.body()))
                response = await call_next(request)
                side.log(response.status_code)
                return response

        app.add_middleware(Reading)

        @app.post("/", max_body_size=20)
        async def endpoint(item: Item):
            return item

        @app.post("/raw", max_body_size=20 if where == "route" else None)
        async def raw(request: Request):
            return sum([len(piece) async for piece in request.stream()])

        return app

    conform(make, *sizes("/"), *sizes("/raw"))


def test_mounted_applications_share_the_count(conform):
    """D67."""

    def make(side):
        app, mounted = side.FastAPI(max_body_size=25), side.FastAPI(max_body_size=20)

        @mounted.post("/item")
        async def endpoint(item: Item, request: Request):
            return request.scope["starlette.max_body_size"]

        @mounted.post("/more", max_body_size=100)
        async def more(item: Item, request: Request):
            return request.scope["starlette.max_body_size"]

        app.mount("/mounted", mounted)
        return app

    conform(make, *sizes("/mounted/item"), *sizes("/mounted/more"), *sizes("/mounted/none"))


@pytest.mark.compiled
def test_a_limit_that_changes(conform):
    """What counts is the number that FastAPI's own middleware has."""

    def change(app):
        route = next(route for route in app.routes if route.path == "/")
        route.app.max_body_size = 1000

    def make(side):
        app = side.FastAPI()

        @app.post("/", max_body_size=20)
        async def endpoint(item: Item):
            return item

        return app

    conform(make, *sizes("/"), change, *sizes("/"))
