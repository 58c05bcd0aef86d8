"""Response classes, status codes, and what is set on the injected Response."""

import http
from typing import Any

import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Response
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from starlette.background import BackgroundTask

from ..requests import get, post
from .test_json import ASK, returning


class Pretty(JSONResponse):
    def render(self, content: Any) -> bytes:
        return repr(content).encode()


class Typed(JSONResponse):
    media_type = "application/vnd.api+json"


class Empty(Response):
    media_type = "application/x-empty"

    def render(self, content: Any) -> bytes:
        return b""


class Signed(JSONResponse):
    """Reads and sets headers when it is made."""

    def __init__(self, content: Any, status_code: int = 202, **options: Any) -> None:
        super().__init__(content, status_code, **options)
        self.headers["x-length"] = self.headers["content-length"]


CLASSES = {
    "json": (JSONResponse, {"a": 1.10, "b": "é"}),
    "json of a list": (JSONResponse, [1e-7, None]),
    "custom json": (Pretty, {"a": (1,)}),
    "another media type": (Typed, {"a": 1}),
    "signed": (Signed, {"a": 1}),
    "text": (PlainTextResponse, "é"),
    "text of bytes": (PlainTextResponse, b"\xff"),
    "text of none": (PlainTextResponse, None),
    "text of a number": (PlainTextResponse, 5),
    "html": (HTMLResponse, "<p>é</p>"),
    "plain response": (Response, "text"),
    "empty": (Empty, {"a": 1}),
    "redirect": (RedirectResponse, "/other"),
    "redirect beyond ascii": (RedirectResponse, "/é b?c=d&e=%20#f"),
    "stream": (StreamingResponse, ["a", "b"]),
    "json of nan": (JSONResponse, float("nan")),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_response_class(conform, kind):
    """E73, E78, A9."""
    response_class, value = CLASSES[kind]
    conform(returning(lambda: value, response_class=response_class), *ASK)


@pytest.mark.parametrize("kind", CLASSES)
def test_response_class_with_an_annotation(conform, kind):
    """E73."""
    response_class, value = CLASSES[kind]
    conform(returning(lambda: value, Any, response_class=response_class), *ASK)


@pytest.mark.parametrize("place", ["app", "router", "include", "route"])
def test_the_default_response_class_comes_from_the_nearest_place(conform, place):
    """E73."""

    def make(side):
        def given(where):
            return {"default_response_class": Pretty} if where == place else {}

        app = side.FastAPI(**given("app"))
        router = side.APIRouter(**given("router"))
        own = {"response_class": Pretty} if place == "route" else {}

        @router.get("/a", **own)
        def plain():
            return {"a": 1}

        @router.get("/b", **own)
        async def annotated() -> dict[str, int]:
            return {"a": 1}

        @router.get("/text", response_class=PlainTextResponse)
        async def text():
            return "text"

        app.include_router(router, prefix="/included", **given("include"))
        app.get("/a", **own)(plain)
        return app

    paths = ("/included/a", "/included/b", "/included/text", "/a")
    conform(make, *[get(path) for path in paths])


def own_responses():
    return {
        "response": lambda: Response(b"\x00\xff", media_type="application/octet-stream"),
        "no media type": lambda: Response("text"),
        "json": lambda: JSONResponse({"a": 1}, 201, {"X-Up": "Value", "Content-Type": "text/x"}),
        "text": lambda: PlainTextResponse("text", headers={"content-length": "4"}),
        "html": lambda: HTMLResponse("<p>", 404),
        "redirect": lambda: RedirectResponse("https://example.com/ü?a=b c", status_code=303),
        "stream": lambda: StreamingResponse(iter(["a", b"b"]), media_type="text/plain"),
        "async stream": lambda: StreamingResponse(numbers(), headers={"x-a": "b"}),
        "file": lambda: FileResponse(__file__, media_type="text/plain", filename="ä.txt"),
        "with cookies": with_cookies,
        "no content": lambda: Response(status_code=204),
        "not modified": lambda: Response(status_code=304, headers={"etag": '"a"'}),
        "empty": Response,
        "none": lambda: Response(None),
        "unknown status": lambda: Response("x", status_code=499),
        "latin-1 header": lambda: Response("x", headers={"x-a": "é"}),
        "memoryview": lambda: Response(memoryview(b"abc")),
    }


async def numbers():
    for number in range(3):
        yield str(number)


def with_cookies():
    response = JSONResponse({})
    response.set_cookie("a", "1", max_age=5, path="/x", secure=True, httponly=True, samesite="none")
    response.set_cookie("b", "é b")
    response.set_cookie("c", "", max_age=0, domain="example.com")
    response.headers.append("x-a", "1")
    response.headers.append("x-a", "2")
    return response


@pytest.mark.parametrize("kind", own_responses())
def test_a_returned_response_is_sent_as_it_is(conform, kind):
    """E78, A2: status and headers of the route do not touch it."""
    conform(returning(own_responses()[kind], status_code=202), *ASK)


@pytest.mark.parametrize("kind", ["json", "text", "redirect", "stream"])
def test_a_returned_response_is_not_validated(conform, kind):
    """E74: whatever the annotation or the model says."""
    conform(returning(own_responses()[kind], response_model=list[int]), *ASK)
    conform(returning(own_responses()[kind], Response), *ASK)


def test_a_returned_response_ignores_what_was_injected(conform):
    """A4: what was set on the injected Response is lost; its background tasks are kept."""

    def make(side):
        app = side.FastAPI()

        @app.get("/{background}")
        async def endpoint(background: bool, response: Response, tasks: BackgroundTasks):
            response.headers["x-injected"] = "1"
            response.status_code = 418
            response.set_cookie("a", "b")
            tasks.add_task(side.log, "injected")
            own = BackgroundTask(side.log, "own") if background else None
            return JSONResponse({}, background=own)

        return app

    outcomes = conform(make, get("/true"), get("/false"))
    assert [outcome.notes for outcome in outcomes] == [[("own",)], [("injected",)]]


def test_the_same_response_object_again_and_again(conform):
    def make(side):
        app = side.FastAPI()
        shared = JSONResponse({"a": 1})

        @app.get("/async")
        async def endpoint():
            shared.headers.append("x-times", "1")
            return shared

        return app

    conform(make, get("/async"), get("/async"), get("/async"))


def test_what_is_set_on_the_injected_response_is_added(conform):
    """A3, A5: headers and cookies come after the response's own, all of them; the status wins."""

    def make(side):
        app = side.FastAPI()

        def dependency(response: Response):
            response.headers["X-Dependency"] = "1"
            response.set_cookie("first", "1")
            response.status_code = 202

        @app.get("/async", status_code=201, dependencies=[Depends(dependency)])
        async def endpoint(response: Response):
            response.headers["X-Endpoint"] = "2"
            response.headers.append("x-endpoint", "3")
            response.headers["content-type"] = "text/other"
            response.set_cookie("second", "2")
            response.set_cookie("second", "3")
            return {"a": response.status_code}

        @app.get("/sync", dependencies=[Depends(dependency)])
        def sync(response: Response) -> dict[str, int]:
            response.status_code = http.HTTPStatus.ACCEPTED
            response.set_cookie("first", "", max_age=0)
            return {"a": 1}

        @app.get("/class", response_class=PlainTextResponse, dependencies=[Depends(dependency)])
        def text(response: Response):
            response.media_type = "ignored"
            response.body = b"ignored"
            response.headers["content-length"] = "4"
            return "text"

        return app

    conform(make, *ASK, get("/async"))


CODES = [200, 201, 202, 204, 205, 206, 226, 299, 304, 400, 404, 418, 422, 451, 499, 500, 503, 599]


@pytest.mark.parametrize("code", CODES)
def test_status_code(conform, code):
    """E79, A5: by the decorator, by the injected Response, by an HTTPException, by a Response."""

    def make(side):
        app = side.FastAPI()

        @app.get("/async", status_code=code)
        async def endpoint():
            return {"a": 1}

        @app.get("/sync", status_code=code)
        def sync():
            return None

        @app.get("/injected", status_code=201)
        async def injected(response: Response):
            response.status_code = code
            return {"a": 1}

        @app.get("/annotated")
        def annotated(response: Response) -> dict[str, int]:
            response.status_code = code
            return {"a": 1}

        @app.get("/raised")
        async def raised():
            raise HTTPException(code, detail={"b": 2}, headers={"x-a": "1"})

        @app.get("/phrase")
        def phrase():
            raise HTTPException(code)

        @app.get("/own")
        def own():
            return JSONResponse({"a": 1}, code)

        return app

    paths = ("/async", "/sync", "/injected", "/annotated", "/raised", "/phrase", "/own")
    if code in (204, 304):
        # A length for a body that may not be sent: what the server does is no application's matter.
        paths = paths[:-1]
    # FastAPI declares a length with 205 and sends no body: no server can put that on the wire.
    conform(make, *[get(path) for path in paths], on_wire=code != 205)


@pytest.mark.parametrize("code", [100, 101, 103, 199])
def test_an_informational_status_has_no_body(conform, code):
    """E80: no server can send it as a final response, so it is compared in process."""

    def make(side):
        app = side.FastAPI()

        @app.get("/async", status_code=code)
        async def endpoint():
            return {"a": 1}

        @app.get("/raised")
        def raised():
            raise HTTPException(code, "detail")

        return app

    conform(make, get("/async"), get("/raised"), on_wire=False)


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("value", [None, {"a": 1}, "text"], ids=repr)
def test_a_status_without_a_body_keeps_its_content_type(conform, code, value):
    """E79, A6: the content is dropped, and nothing frames it."""

    def make(side):
        app = side.FastAPI()

        @app.get("/async", status_code=code)
        async def endpoint(response: Response):
            response.headers["x-a"] = "1"
            return value

        @app.get("/sync", status_code=code, response_class=Pretty)
        def sync():
            return value

        return app

    conform(make, *ASK)


def test_status_codes_as_enums_and_strings(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/async", status_code=http.HTTPStatus.CREATED)
        async def endpoint():
            return 1

        @app.get("/sync")
        def sync(response: Response):
            response.status_code = http.HTTPStatus.ACCEPTED
            return 1

        @app.get("/raised")
        def raised():
            raise HTTPException(http.HTTPStatus.GONE)

        return app

    conform(make, *ASK, get("/raised"))


METHODS = ["get", "post", "put", "delete", "patch", "options", "head", "trace"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_alike(conform, method):
    def make(side):
        app = side.FastAPI()

        async def endpoint():
            return {"a": 1}

        def sync():
            return {"a": 1}

        getattr(app, method)("/async")(endpoint)
        getattr(app, method)("/sync")(sync)
        return app

    conform(make, *[get(f"/{path}", method=method.upper()) for path in ("async", "sync", "none")])


def test_the_bytes_of_a_large_response(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/async")
        async def endpoint(count: int):
            return [{"id": n, "name": f"item {n}", "price": n / 7} for n in range(count)]

        @app.get("/sync")
        def sync(count: int) -> list[dict[str, Any]]:
            return [{"id": n, "name": f"item {n}", "price": n / 7} for n in range(count)]

        @app.post("/async")
        async def echo(items: list[dict[str, Any]]):
            return items

        return app

    import json

    large = json.dumps([{"a": n, "b": [None, "é" * 20]} for n in range(3000)]).encode()
    conform(
        make,
        get("/async?count=3000"),
        get("/sync?count=3000"),
        get("/sync?count=0"),
        post("/async", large, "content-type: application/json"),
    )
