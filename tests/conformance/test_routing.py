"""Routing: which route answers, with what path parameters, and what is said when none does."""

import uuid

import pytest
from fastapi import HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Host, Match, Mount, Route, Router

from .requests import get, post, socket


def answering(name):
    async def endpoint(request: Request):
        return [name, request.path_params, request.url.path]

    endpoint.__name__ = name.replace(" ", "_")
    return endpoint


def answering_sync(name):
    def endpoint(request: Request):
        return [name, request.path_params]

    return endpoint


def routed(*routes, **options):
    """An application of `(method, path)` routes that say which of them was taken."""

    def make(side):
        app = side.FastAPI(**options)
        for index, (methods, path) in enumerate(routes):
            app.add_api_route(path, answering(f"{index} {path}"), methods=methods.split())
        return app

    return make


ORDER = routed(
    ("GET", "/p/{a}"), ("GET", "/p/fixed"), ("GET", "/q/fixed"), ("GET", "/q/{a}"),
    ("POST", "/r/{a}"), ("GET", "/r/fixed"), ("GET", "/s/{a}/{b}"), ("GET", "/s/{a:path}"),
    ("GET", "/t/{a:int}"), ("GET", "/t/{a}"), ("GET", "/"), ("GET", "/u"), ("GET", "/u"),
    ("GET", "/v/{a}-{b}"), ("GET", "/v/{a}.json"), ("GET", "/{anything}"),
)  # fmt: skip
ORDERED = [
    "/p/fixed", "/p/x", "/q/fixed", "/q/x", "/r/fixed", "/r/x", "/s/1/2", "/s/1", "/s/1/2/3", "/s/",
    "/t/5", "/t/x", "/t/-5", "/", "/u", "/v/a-b", "/v/a-b-c", "/v/a.json", "/v/a-b.json", "/other",
    "/x/y", "/p/", "/p", "/U", "/u/", "/v/-", "/v/.json",
]  # fmt: skip


@pytest.mark.parametrize("path", ORDERED)
def test_the_first_route_that_matches_answers(conform, path):
    """B23: in the order of registration; another method's route gives way to a full match."""
    conform(ORDER, get(path))


METHODS = routed(
    ("POST PUT", "/a"), ("GET", "/b"), ("DELETE", "/b"), ("GET HEAD", "/c"), ("POST", "/c/"),
    ("GET", "/d/{x}"), ("POST", "/d/fixed"), ("BREW", "/e"), ("OPTIONS GET", "/f"), ("HEAD", "/g"),
)  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("path", ["/a", "/b", "/c", "/c/", "/d/fixed", "/d/x", "/e", "/f", "/g"])
def test_methods_and_405(conform, path):
    """B24, B25: `allow` names the methods of the first route that matches the path."""
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "get", "TRACE"]
    conform(METHODS, *[get(path, method=method) for method in methods])


def test_head_and_options_are_answered_by_their_own_routes_alone(conform):
    """B24, B25, A13: a GET of FastAPI answers no HEAD; a Route of Starlette does."""

    async def starlette(request):
        return PlainTextResponse("starlette")

    def make(side):
        app = side.FastAPI()
        app.get("/fastapi")(answering("fastapi"))
        app.add_route("/starlette", starlette)
        app.add_route("/post", starlette, methods=["POST"])
        return app

    conform(
        make,
        *[
            get(path, method=method)
            for path in ("/fastapi", "/starlette", "/post", "/docs", "/openapi.json")
            for method in ("HEAD", "OPTIONS", "POST")
        ],
    )


SLASHES = routed(
    ("GET", "/items"), ("GET", "/users/"), ("POST", "/only-post"), ("GET", "/p/{a}"),
    ("GET", "/both"), ("POST", "/both/"), ("GET", "/deep/{a:path}/end"),
)  # fmt: skip
REDIRECTED = [
    "/items/", "/users", "/only-post/", "/p/x/", "/both/", "/items//", "/items///", "//", "/",
    "//items", "/items/?a=b&c=%20", "/users?x=1#f", "/p/%2F/", "/p/%C3%A9/", "/p/a%20b/",
    "/deep/x/y/end/", "/nothing/", "/p/", "/items/.", "/users/?", "/p/a;b/", "/p/%3F/",
]  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("path", REDIRECTED)
def test_a_slash_too_many_or_too_few_redirects(conform, path):
    """B26: 307 to the other spelling if that matches any method, the query as it was."""
    conform(SLASHES, get(path), get(path, method="POST"), get(path, method="OPTIONS"))


@pytest.mark.compiled
@pytest.mark.parametrize(
    "host", ["example.com", "example.com:8080", "[::1]:80", "EXAMPLE.com", "a.b:443", "127.0.0.1"]
)
def test_a_redirect_names_the_host_of_the_request(conform, host):
    """B26, B32."""
    conform(SLASHES, get("/items/?a=b", f"host: {host}"), get("/items/", f"host: {host}"))


@pytest.mark.compiled
def test_redirects_can_be_turned_off(conform):
    """B26."""
    make = routed(("GET", "/items"), ("GET", "/users/"), redirect_slashes=False)
    conform(make, get("/items/"), get("/users"), get("/items"))


CONVERTORS = routed(
    ("GET", "/int/{a:int}"), ("GET", "/float/{a:float}"), ("GET", "/uuid/{a:uuid}"),
    ("GET", "/str/{a:str}"), ("GET", "/path/{a:path}"), ("GET", "/two/{a:int}/{b:float}"),
    ("GET", "/mixed/{a:int}x{b}"),
)  # fmt: skip
UUID = str(uuid.UUID(int=5))
CONVERTED = [
    "/int/5", "/int/-5", "/int/+5", "/int/005", "/int/5.0", "/int/", "/int/x", "/int/%35",
    "/int/5%0A", "/int/%D9%A3", "/int/" + "9" * 30, "/int/1_0", "/float/1", "/float/1.5",
    "/float/-1", "/float/1e5", "/float/.5", "/float/1.", "/float/1.5%0A", "/float/inf",
    f"/uuid/{UUID}", f"/uuid/{UUID.replace('-', '')}", "/uuid/x", f"/uuid/{UUID.upper()}",
    "/uuid/ABCDEF01-1234-5678-1234-567812345678", f"/uuid/%7B{UUID}%7D", "/str/a", "/str/",
    "/str/a%2Fb", "/str/a%0Ab", "/str/a%0A", "/path/a", "/path/a/b", "/path/", "/path", "/path//",
    "/path/a%2Fb", "/path/%0A", "/two/1/2.5", "/two/1/x", "/mixed/5xy", "/mixed/5x", "/mixed/xx",
]  # fmt: skip


@pytest.mark.parametrize("path", CONVERTED)
def test_convertors(conform, path):
    """B28, B30: what they match, and the newline that `$` lets through; a miss is a 404."""
    conform(CONVERTORS, get(path))


def test_a_declared_parameter_after_a_convertor_is_validated_too(conform):
    """B30, B31: {id} with `id: int` is a 422, {id:int} a 404."""

    def make(side):
        app = side.FastAPI()

        @app.get("/plain/{id}")
        async def plain(id: int):
            return id

        @app.get("/converted/{id:int}")
        def converted(id: str):
            return id

        @app.get("/float/{id:float}")
        async def floating(id: float):
            return id

        @app.get("/uuid/{id:uuid}")
        async def identified(id: uuid.UUID):
            return id

        return app

    paths = ["/plain/5", "/plain/x", "/converted/5", "/converted/x", "/float/1.5", f"/uuid/{UUID}"]
    conform(make, *[get(path) for path in paths])


class Hex(Convertor[int]):
    regex = "[0-9a-f]+"

    def convert(self, value: str) -> int:
        return int(value, 16)

    def to_string(self, value: int) -> str:
        return f"{value:x}"


register_url_convertor("hex", Hex())


def test_a_convertor_of_the_applications_own(conform):
    """B30."""
    make = routed(("GET", "/{a:hex}"), ("GET", "/{a}"))
    conform(make, get("/ff"), get("/FF"), get("/xyz"))


def mounted(side):
    app = side.FastAPI()
    inner = side.FastAPI(title="inner")
    deepest = side.FastAPI()

    async def show(request: Request):
        scope = request.scope
        return {
            "path": scope["path"], "root_path": scope["root_path"], "url": str(request.url),
            "app_root_path": scope.get("app_root_path"), "params": scope["path_params"],
            "base": str(request.base_url), "own": str(request.url_for("show")),
            "endpoint": scope["endpoint"].__name__, "app": scope["app"].title,
        }  # fmt: skip

    for place in (app, inner, deepest):
        place.get("/show")(show)
        place.get("/items/{item_id}")(answering("item"))
    inner.mount("/deep", deepest)
    app.mount("/sub", inner)
    app.mount("/by/{name}", inner)
    return app


MOUNTED = [
    "/show", "/sub/show", "/sub/deep/show", "/by/me/show", "/by/me/deep/show", "/sub", "/sub/",
    "/subshow", "/sub/show/", "/sub/none", "/sub/items/5", "/sub/items/5/", "/by/",
    "/by/a%2Fb/show", "/by/a%20b/show", "/sub/docs", "/sub/openapi.json", "/sub//show", "/SUB/show",
    "/sub/deep",
]  # fmt: skip


@pytest.mark.parametrize("path", MOUNTED)
def test_a_mounted_application(conform, path):
    """B34: `root_path` grows by the mount, `path` stays; what it has not is its own 404."""
    conform(mounted, get(path))


@pytest.mark.parametrize("path", ["/show", "/sub/show", "/sub", "/sub/openapi.json", "/docs"])
def test_a_mounted_application_behind_a_prefix(conform, path):
    """B34, B35."""
    conform(mounted, get(path), root_path="/api")


@pytest.mark.parametrize("root_path", ["/api", "/api/", "api", "/a/b", "/"])
@pytest.mark.parametrize("path", ["/show", "/items/5/", "/api/show", "/none", "/apishow"])
def test_a_root_path_of_the_server(conform, path, root_path):
    """B35, B36: stripped on a segment's boundary before matching; kept in redirects."""
    conform(mounted, get(path), root_path=root_path)


@pytest.mark.filterwarnings("ignore:The `root_path` parameter is deprecated")
@pytest.mark.parametrize("path", ["/show", "/items/5/", "/api/show", "/openapi.json", "/docs"])
def test_a_root_path_of_the_application(conform, path):
    """B35, B36."""

    def make(side):
        app = side.FastAPI(root_path="/api", servers=[{"url": "/other"}])

        @app.get("/show")
        async def show(request: Request):
            return [request.scope["root_path"], request.scope["path"], str(request.url_for("show"))]

        app.get("/items/{item_id}")(answering("item"))
        return app

    conform(make, get(path))


def nested(side):
    app = side.FastAPI()
    inner, middle, empty = side.APIRouter(), side.APIRouter(prefix="/middle"), side.APIRouter()
    inner.get("")(answering("no path"))
    inner.get("/slash/")(answering("slash"))
    inner.post("/slash")(answering("post"))
    inner.get("/{item_id}")(answering("item"))
    inner.get("/{item_id}/sync")(answering_sync("sync"))
    middle.include_router(inner, prefix="/inner")
    middle.get("/own")(answering("own"))
    empty.get("/empty")(answering("empty"))
    app.include_router(empty)
    app.include_router(middle, prefix="/v1")
    app.include_router(middle, prefix="/v2/{version}")
    app.include_router(inner, prefix="/inner")
    app.get("/v1/middle/late")(answering("late"))
    app.get("/v1/{rest:path}")(answering("rest"))
    return app


NESTED = [
    "/v1/middle/inner", "/v1/middle/inner/", "/v1/middle/inner/5", "/v1/middle/inner/5/sync",
    "/v1/middle/inner/slash", "/v1/middle/inner/slash/", "/v1/middle/own", "/v1/middle/late",
    "/v1/middle/own/", "/v1/middle", "/v2/7/middle/inner/5", "/v2/7/middle/own", "/v2//middle/own",
    "/inner", "/inner/5", "/empty", "/empty/", "/v1/other", "/none", "/v2/7/middle/none/at/all",
]  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("path", NESTED)
def test_included_routers(conform, path):
    """B37: nested, with prefixes, the same router in several places."""
    conform(nested, get(path), get(path, method="POST"))


def test_what_an_included_route_leaves_in_the_scope(conform):
    """B37, B38: the original route, and its effective context beside it."""

    def make(side):
        app = side.FastAPI()
        router = side.APIRouter(prefix="/r")

        async def endpoint(request: Request):
            scope = request.scope
            context = scope.get("fastapi", {}).get("effective_route_context")
            side.log(type(scope["route"]).__name__, scope["route"].path, scope["endpoint"].__name__)
            side.log(
                context is not None, getattr(context, "path", None), sorted(scope["path_params"])
            )
            side.log(scope["app"] is app, type(scope["router"]).__name__, scope["route"].name)

        router.get("/{a}")(endpoint)
        app.include_router(router, prefix="/v1")
        app.get("/direct/{b}")(endpoint)
        return app

    conform(make, get("/v1/r/5"), get("/direct/5"))


def test_the_keys_of_the_scope(conform):
    """B38: in the order in which they were added."""

    def make(side):
        app = side.FastAPI()

        @app.get("/{a}")
        async def endpoint(request: Request, a: int):
            scope = request.scope
            side.log(*[key for key in scope if key not in ("extensions", "fastapi_inner_astack")])
            for key in ("type", "asgi", "http_version", "scheme", "method", "path", "raw_path"):
                side.log(key, repr(scope[key]))
            side.log(repr(scope["headers"]), repr(scope["query_string"]), scope["root_path"])
            side.log(repr(scope["state"]), repr(scope["path_params"]), scope["client"][0])
            side.log(*[type(scope[key]).__name__ for key in scope if key.startswith("fastapi_")])
            side.log(repr(sorted(map(str, scope["starlette.exception_handlers"][0]))))

        app.get("/sync/{a}")(lambda request: None)
        return app

    conform(make, get("/5?b=c", "X-Header: Value", "x-header: other"), get("/a%20b"))


def test_routes_added_while_the_application_runs(conform):
    """B37: to the application, to an included router, and before the first request."""

    def make(side):
        app = side.FastAPI()
        router, inner = side.APIRouter(), side.APIRouter()
        router.get("/first")(answering("first"))
        router.include_router(inner, prefix="/inner")
        app.include_router(router, prefix="/r")
        app.state.router, app.state.inner = router, inner
        return app

    paths = [get(p) for p in ("/r/first", "/r/second", "/direct", "/r/inner/x", "/r/first/")]
    conform(
        make,
        lambda app: app.state.router.get("/second")(answering("second")),
        *paths,
        lambda app: app.get("/direct")(answering("direct")),
        *paths,
        lambda app: app.state.inner.get("/x")(answering("x")),
        *paths,
        get("/openapi.json"),
    )


def test_routes_removed_moved_and_replaced_while_the_application_runs(conform):
    """B37, H108: `routes` is a list, and applications change it."""

    def make(side):
        app = side.FastAPI(openapi_url=None)
        for name in ("a", "{x}", "b"):
            app.get(f"/{name}")(answering(name))
        return app

    async def plain(request):
        return PlainTextResponse("plain")

    paths = [get(path) for path in ("/a", "/b", "/c")]
    conform(
        make,
        *paths,
        lambda app: app.router.routes.insert(0, app.router.routes.pop()),
        *paths,
        lambda app: app.router.routes.reverse(),
        *paths,
        lambda app: app.router.routes.pop(),
        *paths,
        lambda app: app.router.routes.insert(0, Route("/c", plain)),
        *paths,
        lambda app: app.router.routes.clear(),
        *paths,
    )


def test_a_handler_adds_a_route(conform):
    """B37."""

    def make(side):
        app = side.FastAPI()

        @app.get("/add")
        async def add():
            app.get("/added")(answering("added"))

        return app

    conform(make, get("/added"), get("/add"), get("/added"), get("/add"), get("/added"))


def test_many_routes_and_the_last_of_them(conform):
    """B23."""
    routes = [("GET", f"/static/{index}") for index in range(60)]
    routes += [("GET", f"/{{a}}/param/{index}") for index in range(60)]
    routes += [("POST", f"/static/{index}") for index in range(60)]
    conform(
        routed(*routes),
        get("/static/0"),
        get("/static/59"),
        get("/x/param/59"),
        get("/static/59", method="POST"),
        get("/static/60"),
        get("/static/5", method="PUT"),
        get("/static/5/"),
    )


@pytest.mark.parametrize("host", ["api.example.org", "API.example.org:80", "example.org", "x.y.z"])
def test_routes_by_host(conform, host):
    """B39: case and port make no difference."""

    def make(side):
        app = side.FastAPI()
        sub = side.FastAPI()
        sub.get("/")(answering("sub"))
        app.router.routes.append(Host("api.example.org", sub))
        app.router.routes.append(Host("{name}.y.z", sub))
        app.get("/")(answering("app"))
        return app

    conform(make, get("/", f"host: {host}"), get("/none", f"host: {host}"))


def test_starlettes_routes_among_fastapis(conform):
    """B23, B38: in their order, with their own rules."""

    async def plain(request):
        return PlainTextResponse(repr([request.path_params, request.url.path]))

    def sync(request):
        return PlainTextResponse("sync")

    async def raw(scope, receive, send):
        await PlainTextResponse(f"raw {scope['path']} {scope['root_path']}")(scope, receive, send)

    def make(side):
        app = side.FastAPI(routes=[Route("/first/{a:int}", plain), Mount("/raw", raw)])
        app.get("/first/{a}")(answering("second"))
        app.add_route("/sync", sync)
        app.mount("/router", Router([Route("/a", plain), Route("/b", sync, methods=["POST"])]))
        app.get("/raw/never")(answering("never"))
        return app

    paths = ["/first/5", "/first/x", "/raw/never", "/raw", "/raw/", "/sync", "/sync/", "/router/a"]
    conform(make, *[get(path) for path in [*paths, "/router/b", "/router/c", "/router/a/"]])


def test_a_route_with_rules_of_its_own(conform):
    """B23, H108: `matches` of a subclass is asked for every request."""
    from fastapi.routing import APIRoute

    class Secret(APIRoute):
        def matches(self, scope):
            if (b"x-secret", b"yes") not in scope["headers"]:
                return Match.NONE, {}
            return super().matches(scope)

    class Timed(APIRoute):
        def get_route_handler(self):
            original = super().get_route_handler()

            async def handler(request: Request):
                response = await original(request)
                response.headers["x-timed"] = request.url.path
                return response

            return handler

    def make(side):
        app = side.FastAPI()
        secret, timed = side.APIRouter(route_class=Secret), side.APIRouter(route_class=Timed)
        secret.get("/a")(answering("secret"))
        timed.get("/a")(answering("timed"))
        timed.get("/{a}/b")(answering("timed"))
        app.include_router(secret)
        app.include_router(timed)
        return app

    conform(make, get("/a"), get("/a", "x-secret: yes"), get("/x/b"), get("/b", "x-secret: yes"))


def test_the_class_of_routes_of_the_application(conform):
    """H108."""
    from fastapi.routing import APIRoute

    class Loud(APIRoute):
        async def handle(self, scope, receive, send):
            scope["state"]["loud"] = True
            await super().handle(scope, receive, send)

    def make(side):
        app = side.FastAPI()
        app.router.route_class = Loud

        @app.get("/")
        async def endpoint(request: Request):
            return request.state.loud

        return app

    conform(make, get("/"))


def test_urls_of_routes(conform):
    """B34, B37: `url_for` and `url_path_for`, by name, with parameters, through mounts."""

    def make(side):
        app = side.FastAPI()
        inner = side.FastAPI()
        router = side.APIRouter(prefix="/router")

        @router.get("/{a}/{b:path}", name="included")
        async def included(a: int, b: str):
            return None

        @inner.get("/x/{y}", name="inner-route")
        async def inner_route(y: str, request: Request):
            return [str(request.url_for("inner-route", y="z")), str(request.base_url)]

        @app.get("/urls/{what}")
        async def urls(what: str, request: Request):
            known = {
                "included": {"a": 5, "b": "c/d"},
                "inner:inner-route": {"y": "é z"},
                "urls": {"what": "a b"},
                "nothing": {},
            }
            url = request.url_for(what, **known[what])
            return [str(url), app.url_path_for(what, **known[what])]

        app.include_router(router, prefix="/v1")
        app.mount("/mounted", inner, name="inner")
        return app

    names = ("included", "inner:inner-route", "urls", "nothing")
    conform(make, *[get(f"/urls/{name}") for name in names], get("/mounted/x/1"))
    conform(make, get("/urls/included", "host: a:81"), get("/mounted/x/1"), root_path="/api")


@pytest.mark.parametrize("target", ["/a#fragment", "/a?b#c", "/a?%C3%A9=\x7e&+", "/?a=%zz", "/a?"])
def test_fragments_and_raw_queries(conform, target):
    """B33: a fragment is no part of anything; the query is not decoded."""

    def make(side):
        app = side.FastAPI()

        @app.get("/{path:path}")
        def endpoint(path: str, request: Request):
            return [path, request.scope["query_string"].decode("latin-1"), str(request.url)]

        return app

    conform(make, get(target))


def test_a_websocket_that_matches_no_route_or_is_refused(conform):
    """B40: 403 before the handshake; plain HTTP to a WebSocket route is a 404."""
    from fastapi import WebSocket

    def make(side):
        app = side.FastAPI()

        @app.websocket("/ws/{number}")
        async def endpoint(websocket: WebSocket, number: int, q: int = 0):
            await websocket.accept()
            await websocket.send_json([number, q])
            await websocket.close()

        return app

    conform(
        make,
        socket("/ws/5?q=1", closes=False),
        socket("/none"),
        socket("/ws/x"),
        socket("/ws/5?q=x"),
        socket("/ws/5/"),
        get("/ws/5"),
        post("/ws/5", b""),
    )


def test_a_frontend_comes_last(conform, tmp_path):
    """B27: after routes and redirects."""
    (tmp_path / "index.html").write_text("<p>index</p>")
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "index.html").write_text("<p>items</p>")
    (tmp_path / "file.txt").write_text("file")

    def make(side):
        app = side.FastAPI()
        app.frontend("/", directory=str(tmp_path))
        app.get("/items")(answering("items"))
        app.get("/api/{a}")(answering("api"))
        return app

    # Dates and ETags are those of the files, which all sides share.
    paths = ["/", "/file.txt", "/items", "/items/", "/api/5", "/api/5/", "/none", "/index.html"]
    conform(make, *[get(path) for path in paths], get("/none", "accept: text/html"))


def seen_by_middleware(side, app):
    """Note what FastAPI leaves in the scope for middleware around the routes."""

    class Looking:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)
            if scope["type"] != "http":
                return
            route, fastapi = scope.get("route"), scope.get("fastapi", {})
            side.log(*sorted(key for key in scope if key not in ("extensions", "state")))
            side.log(getattr(route, "path", None), repr(scope.get("path_params")), *sorted(fastapi))
            side.log(getattr(scope.get("endpoint"), "__name__", None), scope["app"] is app)
            side.log(getattr(fastapi.get("effective_route_context"), "path", None))

    app.add_middleware(Looking)


@pytest.mark.compiled
@pytest.mark.parametrize("is_included", [True, False])
def test_what_middleware_sees_in_the_scope_afterwards(conform, is_included):
    """B38: route, endpoint and path parameters, whether or not the endpoint takes the request."""

    def make(side):
        app = side.FastAPI()
        router = side.APIRouter()

        @router.get("/plain/{a}")
        async def plain(a: int):
            return a

        @router.get("/sync/{a}/{b:int}")
        def sync(a: str, b: int):
            return [a, b]

        @router.get("/request/{a}")
        async def request(request: Request):
            return sorted(request.scope["path_params"])

        if is_included:
            app.include_router(router, prefix="/api")
        else:
            app.router = router
        seen_by_middleware(side, app)
        return app

    prefix = "/api" if is_included else ""
    paths = ["/plain/5", "/plain/x", "/sync/a/7", "/request/5", "/plain/5/", "/none"]
    found = [get(prefix + path) for path in paths]
    conform(make, *found, get(prefix + "/sync/a/7", method="POST"), get("/"), compiled=is_included)


@pytest.mark.parametrize("key", [404, 405, "HTTPException", "starlette"])
def test_a_handler_of_the_applications_own_answers_what_no_route_does(conform, key):
    """B24, H101: 404 and 405 are exceptions, a redirect is not."""

    def make(side):
        app = METHODS(side)
        classes = {"HTTPException": HTTPException, "starlette": StarletteHTTPException}

        async def handler(request, exc):
            side.log(type(exc).__name__, exc.status_code, repr(exc.headers), request.url.path)
            side.log("route" in request.scope, repr(request.scope.get("path_params")))
            return PlainTextResponse(f"own: {exc.detail}", status_code=exc.status_code)

        app.add_exception_handler(classes.get(key, key), handler)
        seen_by_middleware(side, app)
        return app

    conform(make, get("/none"), get("/a"), get("/d/x", method="POST"), get("/a/"), get("/d/1/2/"))


def test_the_routers_default_and_redirects_change_while_the_application_runs(conform):
    """B26: `router.default` and `router.redirect_slashes` are looked at for each request."""

    async def default(scope, receive, send):
        await PlainTextResponse("default", status_code=499)(scope, receive, send)

    def own_default(app):
        app.state.original = app.router.default
        app.router.default = default

    def original_default(app):
        app.router.default = app.state.original

    def no_redirects(app):
        app.router.redirect_slashes = False

    steps = [get("/items/"), get("/none"), get("/only-post"), get("/users")]
    changes = [own_default, original_default, no_redirects, own_default]
    conform(SLASHES, *steps, *[each for change in changes for each in (change, *steps)])


@pytest.mark.compiled
@pytest.mark.parametrize("root_path", ["", "/api", "/a/b"])
def test_redirects_to_mounts_and_beside_them(conform, root_path):
    """B26, B34: a mount matches with a slash behind its path."""

    def make(side):
        app = SLASHES(side)
        app.mount("/static", Router())
        return app

    paths = ["/static", "/items/", "/users", "/nothing/", "/statics", "/a/b/static", "/api/static"]
    conform(
        make,
        *[get(path + query) for path in paths for query in ("", "?a=b%20c")],
        root_path=root_path,
    )


@pytest.mark.compiled
def test_an_unread_body_of_what_no_route_takes(conform):
    """D68: the answer does not wait for it."""
    conform(SLASHES, post("/none", b"x" * 70_000), post("/items", b"{}"), post("/users", b"{}"))


def test_routes_for_websockets_take_no_other_request(conform):
    """B24, B26, B40: neither 405 nor a redirect comes of them."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/both")
        @app.websocket("/alone")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            await websocket.close()

        app.get("/both")(answering("both"))
        app.post("/both/")(answering("slash"))
        return app

    paths = ["/both", "/both/", "/alone", "/alone/"]
    conform(make, *[get(path, method=method) for path in paths for method in ("GET", "PUT")])
