"""What applications replace in themselves: their lifespan, who they are, what is served."""

import contextlib

import fastapi
from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse

from .applications import get


def asking(*targets):
    def script(wire):
        received = b""
        for target in targets:
            wire.send(get(target))
            received += wire.response()
        return received

    return script


def test_the_lifespan_of_the_router_is_the_one_that_is_there_at_the_start(parity):
    """H108: tools wrap `router.lifespan_context`; the state that it yields is that of requests."""

    def make(seen):
        @contextlib.asynccontextmanager
        async def own(app):
            seen.append("own")
            yield {"name": "own"}
            seen.append("own ended")

        app = fastapi.FastAPI(lifespan=own)
        original = app.router.lifespan_context

        @contextlib.asynccontextmanager
        async def around(app):
            seen.append("around")
            async with original(app) as state:
                yield {**state, "name": "around"}
            seen.append("around ended")

        app.router.lifespan_context = around

        @app.get("/")
        async def endpoint(request: Request):
            return request.state.name

        return app

    outcome = parity(make, get(), lifespan="on")
    assert outcome.wire.endswith(b'"around"')
    assert outcome.seen == ["around", "own", "own ended", "around ended"]


def test_a_middleware_puts_another_application_into_the_scope(parity):
    """H108: `request.app` is what the scope says when the route is reached."""

    def make(seen):
        app, other = fastapi.FastAPI(title="served"), fastapi.FastAPI(title="other")

        class Rebinding:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                if scope["type"] == "http" and b"other" in scope["query_string"]:
                    scope["app"] = other
                await self.app(scope, receive, send)

        app.add_middleware(Rebinding)

        def title(request: Request):
            return request.app.title

        @app.get("/")
        async def endpoint(request: Request, found: str = Depends(title)):
            return [request.app.title, found, str(request.url_for("endpoint"))[-1:]]

        return app

    outcome = parity(make, asking("/", "/?other"))
    assert outcome.wire.count(b"served") + outcome.wire.count(b"other") == 4


def test_an_application_is_called_by_another_that_is_served(parity):
    """H108: a wrapper of one's own, which answers some requests itself."""

    def make(seen):
        app = fastapi.FastAPI()

        @app.get("/{path}")
        def endpoint(path: str):
            return path

        async def served(scope, receive, send):
            if scope["type"] == "http" and scope["path"] == "/health":
                await PlainTextResponse("well")(scope, receive, send)
                return
            seen.append(scope["path"])
            await app({**scope, "root_path": ""}, receive, send)

        return served

    outcome = parity(make, asking("/health", "/a", "/health", "/b"))
    assert outcome.seen == ["/a", "/b"]
