"""OpenAPI documents and the pages that show them."""

import enum
from typing import Annotated, Any, Literal

import pytest
from fastapi import Body, Cookie, Depends, File, Form, Header, Path, Query, Security, UploadFile
from fastapi.responses import HTMLResponse
from fastapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer
from pydantic import BaseModel, Field, computed_field

from .requests import get

DOCUMENT = get("/openapi.json")


class Kind(str, enum.Enum):
    A = "a"
    B = "b"


class Part(BaseModel):
    """A part."""

    name: Annotated[str, Field(min_length=1, examples=["screw"])]
    kind: Kind = Kind.A
    sub: "list[Part]" = []

    @computed_field
    @property
    def size(self) -> int:
        return len(self.sub)


class Problem(BaseModel):
    code: int
    why: str | None = None


def parameters(app, side):
    @app.get("/{item_id}/{kind}", summary="Get it", tags=["a", Kind.B], operation_id="own-id")
    async def get_it(
        item_id: Annotated[int, Path(gt=0, description="which")],
        kind: Kind,
        q: Annotated[list[str] | None, Query(max_length=3, deprecated=True)] = None,
        size: Literal[1, 2] = 1,
        x_token: Annotated[str, Header(examples=["t"])] = "none",
        session: Annotated[str | None, Cookie(include_in_schema=False)] = None,
    ) -> Part:
        """Gets it.

        In two paragraphs.\f Never shown.
        """


def bodies(app, side):
    @app.post("/one", status_code=201, response_description="made")
    def one(part: Part) -> Part:
        return part

    @app.put("/two", response_model_exclude_unset=True)
    def two(
        part: Part, number: Annotated[int, Body(gt=1)], other: Part | None = None
    ) -> list[Part]:
        return [part]

    @app.post("/form")
    def form(a: Annotated[str, Form()], b: Annotated[int, Form()] = 1):
        return a

    @app.post("/file")
    def file(a: UploadFile, b: Annotated[bytes, File(description="bytes")]):
        return None

    @app.patch("/embedded")
    def embedded(part: Annotated[Part, Body(embed=True, openapi_examples={"x": {"value": 1}})]):
        return None


def responses(app, side):
    @app.get("/a", responses={404: {"model": Problem}, "4XX": {"description": "bad"}})
    def a() -> dict[str, Any]:
        return {}

    @app.get("/b", response_class=HTMLResponse, include_in_schema=True)
    def b():
        return ""

    @app.get("/c", status_code=204)
    def c() -> None:
        return None

    @app.get("/d", response_model=Part | list[Problem], deprecated=True)
    def d():
        return []

    @app.get("/e", include_in_schema=False)
    def e():
        return None

    @app.get("/f", openapi_extra={"x-own": [1], "requestBody": {"content": {}}})
    def f():
        return None


def security(app, side):
    oauth2 = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "about me"})

    def user(token: Annotated[str, Depends(oauth2)]):
        return token

    @app.get("/a", dependencies=[Security(user, scopes=["me"])])
    def a(key: Annotated[str, Depends(APIKeyHeader(name="x-key", description="a key"))]):
        return key

    @app.get("/b", dependencies=[Depends(HTTPBearer(scheme_name="own"))])
    def b(user: Annotated[str, Security(user)]):
        return user


def included(app, side):
    router = side.APIRouter(
        prefix="/router", tags=["router"], responses={418: {"description": "tea"}}, deprecated=True
    )

    @router.get("/a")
    def same_name() -> Part:
        return Part(name="a")

    @router.post("/a", name="another")
    def post_same_name(part: Part):
        return part

    app.include_router(router, prefix="/v1", tags=["v1"])
    app.include_router(router, prefix="/v2", include_in_schema=False)
    app.include_router(router, prefix="/v3", responses={400: {"model": Problem}})

    @app.get("/a")
    def same_name(q: Annotated[Part, Query()]):  # noqa: F811
        return None


def callbacks(app, side):
    router = side.APIRouter()

    @router.post("{$callback_url}/done")
    def done(problem: Problem):
        return None

    @app.post("/a", callbacks=router.routes)
    def a(callback_url: str):
        return None

    @app.webhooks.post("new-part")
    def new_part(part: Part):
        """Sent when there is one."""


PARTS = {f.__name__: f for f in (parameters, bodies, responses, security, included, callbacks)}


@pytest.mark.parametrize("part", PARTS)
def test_the_document_of(conform, part):
    """Equal in every byte, generated ids and the order of keys included."""

    def make(side):
        app = side.FastAPI()
        PARTS[part](app, side)
        return app

    conform(make, DOCUMENT, DOCUMENT, get("/docs"), get("/redoc"))


OPTIONS: dict[str, dict[str, Any]] = {
    "titles": {"title": "T", "version": "9", "summary": "S", "description": "D"},
    "people": {
        "terms_of_service": "http://a/t",
        "contact": {"name": "n", "email": "a@example.com"},
        "license_info": {"name": "MIT", "identifier": "MIT"},
    },
    "tags": {"openapi_tags": [{"name": "a", "description": "A"}]},
    "servers": {"servers": [{"url": "https://x", "description": "one"}]},
    "external docs": {"openapi_external_docs": {"url": "http://a"}},
    "one schema": {"separate_input_output_schemas": False},
    "other urls": {"openapi_url": "/o", "docs_url": "/d", "redoc_url": "/r"},
    "no documents": {"openapi_url": None},
    "no pages": {"docs_url": None, "redoc_url": None},
    "page parameters": {
        "swagger_ui_parameters": {"deepLinking": False, "x": "</script>"},
        "swagger_ui_init_oauth": {"clientId": "c"},
        "swagger_ui_oauth2_redirect_url": "/back",
    },
    "ids": {"generate_unique_id_function": lambda route: f"id-{route.name}"},
    "responses": {"responses": {500: {"description": "oh"}}, "deprecated": True},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options(conform, kind):
    def make(side):
        app = side.FastAPI(**OPTIONS[kind])
        bodies(app, side)
        return app

    paths = ["/openapi.json", "/o", "/docs", "/d", "/redoc", "/r", "/docs/oauth2-redirect", "/back"]
    conform(make, *[get(path) for path in paths], get("/docs", method="HEAD"))


@pytest.mark.parametrize("in_servers", [True, False])
def test_servers_behind_a_prefix(conform, in_servers):
    """B35."""

    def make(side):
        return side.FastAPI(root_path_in_servers=in_servers, servers=[{"url": "/x"}])

    conform(make, DOCUMENT, get("/docs"), get("/redoc"), root_path="/api")


def test_a_document_of_the_applications_own(conform):
    def make(side):
        app = side.FastAPI()
        original = app.openapi

        def openapi():
            return {**original(), "x-own": True}

        app.openapi = openapi
        return app

    conform(make, DOCUMENT, lambda app: app.get("/late")(lambda: None), DOCUMENT)


def test_routes_added_later_appear(conform):
    """B37."""

    def add(app):
        bodies(app, None)

    conform(lambda side: side.FastAPI(), DOCUMENT, add, DOCUMENT)


def test_documents_of_mounted_applications(conform):
    """B34."""

    def make(side):
        app, inner = side.FastAPI(title="outer"), side.FastAPI(title="inner")
        responses(inner, side)
        app.mount("/inner", inner)
        return app

    conform(make, DOCUMENT, get("/inner/openapi.json"), get("/inner/docs"))
