"""When a body is JSON, when it is read, and what is left of it."""

import json
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, HTTPException, Request
from pydantic import BaseModel

from ..requests import get, post, post_json


class Item(BaseModel):
    name: str
    size: int = 0


def taking_item(side, **options):
    app = side.FastAPI(**options)

    @app.post("/async")
    async def endpoint(item: Item):
        side.log(repr(item))
        return item

    @app.post("/sync")
    def sync(item: Item):
        side.log(repr(item))
        return item

    @app.post("/text")
    async def text(item: Annotated[str, Body()]):
        side.log(item)

    @app.post("/bytes")
    async def raw(item: Annotated[bytes, Body()]):
        side.log(repr(item))

    @app.post("/optional")
    async def optional(item: Item | None = None):
        side.log(repr(item))

    @app.post("/any")
    async def anything(item: Annotated[Any, Body()]):
        side.log(repr(item))

    return app


PATHS = ("/async", "/sync", "/text", "/bytes", "/optional", "/any")
TYPES = [
    "application/json", "application/JSON", "APPLICATION/json", "application/json; charset=utf-8",
    "application/json;charset=latin-1", "application/json ; charset=utf-16", "application/json;",
    "application/vnd.api+json", "application/problem+JSON; a=b", "application/+json",
    "application/geo+json-seq", "application/jsonl", "application/json-patch", "application/xml",
    "text/json", "text/plain", "image/svg+json", "multipart/form-data", "json", "application",
    "application/", "/json", "", " ", ";", "application/json, text/plain", "application /json",
    "application/json\t", '"application/json"', "application/x-www-form-urlencoded", "*/*",
    "application/json; charset", "application/json; charset=\"utf-8\"", "application/octet-stream",
    "application/json/x", "\xe9", "application/json;=", "application/a+b+json", "x/json",
]  # fmt: skip


@pytest.mark.parametrize("content_type", TYPES, ids=lambda value: ascii(value)[1:-1] or "empty")
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "not strict"])
def test_content_type(conform, content_type, strict):
    """D55, D56: `application/json` and `application/*+json`, in any case, are JSON."""
    conform(
        lambda side: taking_item(side, strict_content_type=strict),
        *[post(path, b'{"name": "a"}', f"content-type: {content_type}") for path in PATHS[1:4]],
        post("/async", b"\xff\xfe", f"content-type: {content_type}"),
    )


@pytest.mark.parametrize("strict", [True, False, None], ids=str)
def test_no_content_type(conform, strict):
    """D56: not parsed, unless `strict_content_type` is off."""
    options = {} if strict is None else {"strict_content_type": strict}
    bodies = [b'{"name": "a"}', b"{", b"\xff", b"", b"text"]
    conform(
        lambda side: taking_item(side, **options),
        *[post(path, body) for path in PATHS for body in bodies],
    )


@pytest.mark.parametrize("on_app", [True, False])
@pytest.mark.parametrize("on_router", [True, False])
def test_strict_content_type_of_a_router_beats_the_applications(conform, on_app, on_router):
    """D56."""

    def make(side):
        app = side.FastAPI(strict_content_type=on_app)
        router = side.APIRouter(strict_content_type=on_router)
        silent = side.APIRouter()

        async def endpoint(item: Item):
            return item

        for place, prefix in ((router, "/own"), (silent, "/silent")):
            place.post("/item")(endpoint)
            app.include_router(place, prefix=prefix)
        return app

    conform(make, post("/own/item", b'{"name": "a"}'), post("/silent/item", b'{"name": "a"}'))


def test_two_content_types(conform):
    """The first decides."""
    both = ["content-type: text/plain", "content-type: application/json"]
    conform(
        taking_item,
        post("/async", b'{"name": "a"}', *both),
        post("/async", b'{"name": "a"}', *reversed(both)),
    )


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None], ids=str)
def test_an_empty_body_is_missing_not_malformed(conform, content_type):
    """D57: `missing` at `body`; a default takes its place."""
    lines = [f"content-type: {content_type}"] if content_type else []
    conform(taking_item, *[post(path, b"", *lines) for path in PATHS])


def test_a_body_in_pieces(conform):
    body = json.dumps({"name": "é" * 5000, "size": 3}).encode()
    lines = ["content-type: application/json"]
    pieces = [body[:1], body[1:2], body[2:4000], body[4000:]]
    conform(
        taking_item,
        post("/async", pieces, *lines),
        post("/sync", pieces, *lines, chunked=True),
        post("/async", [b'{"name":', b' "a"'], *lines, chunked=True),
        post("/async", [], *lines, chunked=True),
        post("/async", [body] * 20, *lines),
    )


def test_a_body_on_a_route_that_takes_none_is_ignored(conform):
    """D68: the response does not wait for it, and the connection stays usable."""

    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint():
            return 1

        @app.get("/")
        def read(request: Request):
            return 2

        return app

    conform(
        make,
        post_json("/", b"{"),
        post("/", b"\xff" * 200_000),
        post_json("/", {"a": 1}, method="GET"),
        get("/"),
    )


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "QUERY"])
def test_any_method_may_have_a_body(conform, method):
    def make(side):
        app = side.FastAPI()

        @app.api_route("/", methods=[method])
        async def endpoint(item: Item):
            return item

        return app

    conform(make, post_json("/", {"name": "a"}, method=method), get("/", method=method))


def test_the_body_is_read_before_dependencies_run(conform):
    """C49: malformed JSON is refused before a dependency could refuse the client."""

    def make(side):
        app = side.FastAPI()

        async def guard():
            side.log("guard")
            raise HTTPException(401)

        @app.post("/", dependencies=[Depends(guard)])
        async def endpoint(item: Item):
            side.log("never called")

        return app

    conform(make, post_json("/", b"{"), post_json("/", {}), post_json("/", b"\xff"), post("/", b""))


def test_the_request_still_has_the_body_that_a_parameter_has_taken(conform):
    """D69: `body()` and `json()` are cached, `stream()` gives the cached body."""

    def make(side):
        app = side.FastAPI()

        @app.post("/{how}")
        async def endpoint(how: str, item: dict[str, Any], request: Request):
            if how == "body":
                side.log(repr(await request.body()), repr(await request.body()))
            elif how == "json":
                first = await request.json()
                side.log(repr(first), first is await request.json(), first is item)
            elif how == "stream":
                side.log(repr([chunk async for chunk in request.stream()]))
            elif how == "form":
                side.log(repr(await request.form()))
            item["changed"] = True
            return await request.json()

        return app

    conform(make, *[post_json(f"/{how}", {"a": 1}) for how in ("body", "json", "stream", "form")])


def test_a_stream_that_a_dependency_has_consumed(conform):
    """D69: `Stream consumed`, whoever asks again."""

    def make(side):
        app = side.FastAPI()

        async def consume(request: Request):
            side.log(repr([chunk async for chunk in request.stream()]))

        @app.post("/", dependencies=[Depends(consume)])
        async def endpoint(request: Request):
            try:
                return repr(await request.body())
            except RuntimeError as error:
                return repr(error)

        @app.post("/body", dependencies=[Depends(consume)])
        async def with_body(item: Item):
            return item

        @app.post("/raw")
        async def raw(request: Request):
            first = [chunk async for chunk in request.stream()]
            again = [chunk async for chunk in request.stream()]
            return [repr(first), repr(again)]

        return app

    conform(
        make,
        post_json("/", {"a": 1}),
        post_json("/body", {"name": "a"}),
        post_json("/raw", {"a": 1}),
    )


def test_a_handler_reads_the_body_itself(conform):
    def make(side):
        app = side.FastAPI()

        @app.post("/json")
        async def read_json(request: Request):
            return await request.json()

        @app.post("/body")
        async def read_body(request: Request):
            return len(await request.body())

        return app

    conform(
        make,
        post("/json", b'{"a": NaN}', "content-type: text/plain"),
        post("/json", b"{"),
        post("/json", b""),
        post("/body", [b"a" * 70_000, b"b"], chunked=True),
    )
