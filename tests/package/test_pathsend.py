"""Where a file's path may be sent in the place of its bytes: where nobody waits for these."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount, Route, Router

import hyperfastapi
from hyperfastapi._pathsend import may_send_paths


async def endpoint(request: Any) -> Any: ...


async def application(scope: Any, receive: Any, send: Any) -> None: ...


class Own:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Hiding:
    """A middleware whose application has another name."""

    def __init__(self, app: Any) -> None:
        self.inner = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


def closure(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return middleware


class Calling(FastAPI):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(scope, receive, send)


class Building(FastAPI):
    def build_middleware_stack(self) -> Any:
        return Own(super().build_middleware_stack())


class Named(FastAPI):
    """A subclass that answers as FastAPI does."""


class Endpoint(HTTPEndpoint):
    async def get(self, request: Any) -> Any: ...


class Louder(CORSMiddleware):
    pass


def static() -> StaticFiles:
    return StaticFiles(directory=".")


def built(app: FastAPI, *kinds: Any) -> FastAPI:
    for kind in kinds:
        app.add_middleware(kind)
    return app


def mounting(inner: Any) -> FastAPI:
    app = FastAPI()
    app.include_router(APIRouter())
    app.mount("/inner", inner)
    return app


def including(*routes: Any) -> FastAPI:
    """An application with a router that a router includes."""
    router, outer, app = APIRouter(routes=list(routes)), APIRouter(), FastAPI()
    router.add_api_route("/of-fastapi", endpoint)
    outer.include_router(router)
    app.include_router(outer)
    return app


def replacing(app: FastAPI) -> FastAPI:
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: Own(build())  # type: ignore[method-assign]
    return app


SENT = {
    "an application": FastAPI(),
    "Starlette's": Starlette(routes=[Route("/", endpoint), Mount("/static", static())]),
    "middleware that reads no body": built(FastAPI(), CORSMiddleware, TrustedHostMiddleware),
    "such middleware around it": CORSMiddleware(FastAPI()),
    "a mounted application": mounting(built(FastAPI(), CORSMiddleware)),
    "mounted files": mounting(static()),
    "files of an included router": including(Mount("/static", static())),
    "a subclass": Named(),
    "ours": hyperfastapi.FastAPI(),
    "an endpoint that is a class": Starlette(routes=[Route("/", Endpoint)]),
}
WAITED_FOR = {
    "GZipMiddleware": built(FastAPI(), GZipMiddleware, CORSMiddleware),
    "a middleware of its own": built(FastAPI(), Own),
    "a subclass of a known one": built(FastAPI(), Louder),
    "BaseHTTPMiddleware": built(FastAPI(), BaseHTTPMiddleware),
    "middleware around it": GZipMiddleware(FastAPI()),
    "middleware around middleware": CORSMiddleware(Own(FastAPI())),
    "in a mounted application": mounting(built(FastAPI(), GZipMiddleware)),
    "around mounted files": mounting(GZipMiddleware(static())),
    "of a mount": Starlette(routes=[Mount("/", static(), middleware=[Middleware(GZipMiddleware)])]),
    "a function": application,
    "a mounted function": mounting(application),
    "a closure around it": closure(FastAPI()),
    "a closure of a mount": mounting(closure(static())),
    "a middleware that hides its application": Hiding(FastAPI()),
    "a mounted one": mounting(Hiding(static())),
    "of a mount in an included router": including(
        Mount("/static", static(), middleware=[Middleware(GZipMiddleware)])
    ),
    "of a route in an included router": including(
        Route("/", endpoint, middleware=[Middleware(Own)])
    ),
    "a subclass with a call of its own": Calling(),
    "a subclass with a stack of its own": Building(),
    "a stack that has been replaced": replacing(FastAPI()),
    "of a route": Starlette(routes=[Route("/", endpoint, middleware=[Middleware(Own)])]),
    "of a router": mounting(Router(middleware=[Middleware(GZipMiddleware)])),
}


@pytest.mark.parametrize("name", SENT)
def test_paths_are_sent_where_nobody_waits_for_bytes(name: str) -> None:
    assert may_send_paths(SENT[name])


@pytest.mark.parametrize("name", WAITED_FOR)
def test_paths_are_not_sent_past_middleware_that_may_wait_for_bytes(name: str) -> None:
    assert not may_send_paths(WAITED_FOR[name])


def test_applications_that_contain_each_other_are_looked_at_once() -> None:
    app, inner = FastAPI(), FastAPI()
    app.mount("/inner", inner)
    inner.mount("/outer", app)
    assert may_send_paths(app)
