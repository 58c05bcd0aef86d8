"""Response classes: FastAPI's that need a library, templates, and the application's own."""

import importlib.util
import warnings

import pytest
from fastapi import BackgroundTasks, Request
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    ORJSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    UJSONResponse,
)
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel

from ..requests import get

LIBRARIES = {"orjson": ORJSONResponse, "ujson": UJSONResponse}


class Item(BaseModel):
    name: str
    price: float = 1.5


class Indented(JSONResponse):
    media_type = "application/vnd.api+json"

    def render(self, content):
        return super().render({"data": content})


class Sending(Response):
    """Has a __call__ of its own."""

    async def __call__(self, scope, receive, send):
        self.headers["x-path"] = scope["path"]
        await super().__call__(scope, receive, send)


class Particular(Response):
    """Takes what it is given in a way of its own."""

    def __init__(self, content=None, status_code=200, background=None):
        super().__init__(repr(content), status_code, {"x-own": "1"}, "text/own", background)


def compare_class(conform, kind, *, is_default):
    """Compare an application whose routes, or itself, have a response class."""
    is_json = issubclass(kind, JSONResponse) or kind is Particular

    def make(side):
        default = {"default_response_class": kind} if is_default else {}
        own = {} if is_default else {"response_class": kind}
        app = side.FastAPI(**default)

        @app.get("/plain", status_code=202, **own)
        async def plain(tasks: BackgroundTasks):
            tasks.add_task(side.log, "background")
            return {"é": [1, 1.5, None]} if is_json else "é"

        @app.get("/sync", **own)
        def sync():
            return ["a", {"b": True}] if is_json else "/a b"

        @app.get("/model", response_model=Item if is_json else str, **own)
        async def model():
            return {"name": "n", "more": 1} if is_json else "text"

        @app.get("/itself")
        async def itself():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return kind({"b": "é"} if is_json else "x", 201)

        return app

    paths = ("/plain", "/sync", "/model", "/itself")
    conform(make, *[get(path) for path in paths], get("/plain", method="HEAD"))


@pytest.mark.compiled
@pytest.mark.parametrize(
    "kind",
    [HTMLResponse, PlainTextResponse, RedirectResponse, Indented, Sending, Particular],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("is_default", [False, True], ids=["of the route", "of the application"])
def test_a_class_that_makes_the_response(conform, kind, is_default):
    """E73: what is not FastAPI's default gets Python values, validated where a model says so."""
    compare_class(conform, kind, is_default=is_default)


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore::fastapi.exceptions.FastAPIDeprecationWarning")
def test_classes_of_libraries_that_are_installed(conform):
    """E73: ORJSONResponse and UJSONResponse."""
    for name, kind in LIBRARIES.items():
        if importlib.util.find_spec(name):
            compare_class(conform, kind, is_default=False)
            compare_class(conform, kind, is_default=True)


@pytest.mark.compiled
def test_templates(conform, tmp_path):
    """Rendered when the response is made, with the request, context processors and filters."""
    (tmp_path / "page.html").write_text(
        '<a href=\'{{ url_for("page", name="é") }}\'>{{ name|upper }} {{ user }}'
        " {{ request.query_params.get('q') }}</a>"
    )
    (tmp_path / "broken.html").write_text("{{ 1 / 0 }}")

    def make(side):
        app = side.FastAPI()
        templates = Jinja2Templates(
            directory=tmp_path, context_processors=[lambda request: {"user": "<someone>"}]
        )

        @app.get("/page/{name}", response_class=HTMLResponse)
        async def page(request: Request, name: str, tasks: BackgroundTasks):
            tasks.add_task(side.log, "background")
            return templates.TemplateResponse(
                request, "page.html", {"name": name}, status_code=203, headers={"x-a": "b"}
            )

        @app.get("/sync/{name}")
        def sync(request: Request, name: str):
            return templates.TemplateResponse(request, "page.html", {"name": name})

        @app.get("/broken")
        async def broken(request: Request):
            return templates.TemplateResponse(request, "broken.html")

        @app.get("/none")
        async def missing(request: Request):
            return templates.TemplateResponse(request, "none.html")

        return app

    paths = ("/page/name?q=1", "/page/%3Cb%3E", "/sync/name?q=%26", "/broken", "/none")
    conform(make, *[get(path) for path in paths], get("/page/x", method="HEAD"))
