"""The Request object in handlers and dependencies: what it shows, and what it is asked for."""

import json
from typing import Any

import pytest
from fastapi import Body, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from .requests import get, post, post_form, post_json


class Item(BaseModel):
    name: str


def showing(side):
    """Answers with all that a Request tells."""
    app = side.FastAPI()

    def shown(request: Request):
        return {
            "url": str(request.url), "base": str(request.base_url), "method": request.method,
            "parts": [request.url.scheme, request.url.hostname, request.url.port],
            "headers": request.headers.items(), "keys": request.headers.keys(),
            "raw": repr(request.headers.raw), "query": request.query_params.multi_items(),
            "cookies": request.cookies, "path": request.path_params, "client": request.client.host,
            "state": repr(vars(request.state)), "length": len(request), "type": request["type"],
            "app": request.app is app, "route": request.scope["route"].path,
        }  # fmt: skip

    @app.api_route("/async/{a}", methods=["GET", "POST"])
    async def endpoint(request: Request, a: str):
        return shown(request)

    @app.get("/sync/{a}")
    def sync(request: Request, a: str):
        return shown(request)

    @app.get("/dependency/{a}")
    async def dependent(seen: dict[str, Any] = Depends(shown)):
        return seen

    return app


REQUESTS = [
    get("/async/a"), get("/sync/a?b=c&b=d&e"), get("/dependency/%C3%A9?x=%20+"),
    get("/async/a", "cookie: a=b; c=d", "cookie: e=f"), get("/async/a", "X-A: 1", "x-a: 2"),
    get("/async/a", "host: other.test:8080"), get("/async/a", "x-forwarded-proto: https"),
    get("/async/a", "x-latin: \xe9"), get("/async/a b".replace(" ", "%20")), get("/sync/a?"),
    post("/async/a", b"body", "content-type: text/plain"), get("/async/a", "authorization: x"),
]  # fmt: skip


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: ascii(r.target))
def test_what_a_request_shows(conform, request_):
    """B33, B38."""
    conform(showing, request_)


def test_state_is_of_one_request(conform):
    """H104: shared between dependency, endpoint and handlers, not with the next request."""

    def make(side):
        app = side.FastAPI()

        def dependency(request: Request):
            before = getattr(request.state, "user", None)
            request.state.user = "me"
            return before

        @app.get("/{fail}")
        async def endpoint(request: Request, fail: bool, before: Any = Depends(dependency)):
            if fail:
                raise KeyError(before)
            return [before, request.state.user]

        @app.exception_handler(KeyError)
        async def handler(request: Request, error: KeyError):
            return JSONResponse([request.state.user, hasattr(request.state, "other")])

        return app

    conform(make, get("/0"), get("/1"), get("/0"))


def test_what_is_written_into_the_scope_stays(conform):
    def make(side):
        app = side.FastAPI()

        async def dependency(request: Request):
            request.scope["own"] = "written"
            request.scope["path_params"]["extra"] = 5

        @app.get("/{a}", dependencies=[Depends(dependency)])
        def endpoint(a: str, request: Request):
            return [request["own"], request.path_params, a]

        return app

    conform(make, get("/x"))


@pytest.mark.parametrize("how", ["body", "json", "form", "stream", "nothing"])
@pytest.mark.parametrize("first", ["dependency", "endpoint"])
def test_reading_the_body_without_a_body_parameter(conform, how, first):
    """D69: whoever reads it first."""

    def make(side):
        app = side.FastAPI()

        async def read(request: Request):
            if how == "body":
                return (await request.body()).decode("latin-1")
            if how == "json":
                return await request.json()
            if how == "form":
                return dict(await request.form())
            if how == "stream":
                return [chunk.decode() async for chunk in request.stream()]
            return None

        @app.post("/")
        async def endpoint(request: Request, seen: Any = Depends(read)):
            if first == "endpoint":
                return await read(request) if how != "stream" else seen
            return seen

        return app

    conform(
        make,
        post_json("/", {"a": 1}),
        post("/", b"plain"),
        post_form("/", b"a=1&b=2&a=3"),
        post("/", b""),
        post("/", b'{"a": NaN}', "content-type: application/json"),
    )


def test_a_body_parameter_and_the_request(conform):
    """D69: `json()` gives what was parsed for the parameter; for text it parses once more."""

    def make(side):
        app = side.FastAPI()

        @app.post("/item")
        async def item(item: Item, request: Request):
            return [item, await request.json(), (await request.body()).decode()]

        @app.post("/raw")
        async def raw(request: Request, body: bytes = Body(media_type="text/plain")):
            return [body.decode(), (await request.body()).decode()]

        @app.post("/sync")
        def sync(item: Item, request: Request):
            return [item, request.headers["content-type"]]

        return app

    document = json.dumps({"name": "é"}).encode()
    conform(
        make,
        post_json("/item", document),
        post("/raw", document, "content-type: text/plain"),
        post_json("/sync", document),
    )


def test_a_client_that_stays_is_not_disconnected(conform):
    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint(request: Request):
            await request.body()
            return await request.is_disconnected()

        return app

    conform(make, post("/", b"body"), post("/", b""))


def test_a_request_is_a_mapping_and_compares_by_identity(conform):
    def make(side):
        app = side.FastAPI()

        async def same(request: Request):
            return request

        @app.get("/")
        async def endpoint(request: Request, other: Any = Depends(same)):
            return [
                request is other,
                request == other,
                "path" in request,
                len({request, other}),
            ]

        return app

    conform(make, get("/"))


def test_urls_of_a_request(conform):
    """B34: as `url_for`, `include_query_params`, `replace` make them."""

    def make(side):
        app = side.FastAPI()

        @app.get("/a/{b}", name="here")
        def endpoint(request: Request, b: str):
            url = request.url
            return [
                str(request.url_for("here", b="é")), str(url.include_query_params(x=1)),
                str(url.replace(scheme="https", port=None)), str(url.remove_query_params("q")),
                url.path, url.netloc, url.is_secure,
            ]  # fmt: skip

        return app

    conform(make, get("/a/b?q=1"), get("/a/b?q=1", "host: u:80"), get("/a/b"), root_path="/r")
