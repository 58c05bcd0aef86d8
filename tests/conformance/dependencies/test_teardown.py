"""The end of dependencies with `yield` where something goes wrong, or the user looks closely."""

import asyncio
import contextvars
import time

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Request
from fastapi.responses import PlainTextResponse
from starlette.middleware.base import BaseHTTPMiddleware

from ..requests import get, post_json, together

pytestmark = pytest.mark.compiled

KINDS = ["async", "sync"]
SCOPES = ["request", "function"]


def dependency_of(kind, before, after):
    """A dependency out of what it does before its yield, giving the value, and around it."""

    async def asynchronous():
        with after():
            yield before()

    def sync():
        with after():
            yield before()

    return asynchronous if kind == "async" else sync


class noting:
    """Notes with which exception a block ends, and what that came from."""

    def __init__(self, side, name, swallows=(), raises=None):
        self.side, self.name, self.swallows, self.raises = side, name, swallows, raises

    def __call__(self):
        return self

    def __enter__(self):
        self.side.log(self.name, "entered")

    def __exit__(self, kind, error, traceback):
        chain = []
        while error is not None:
            chain.append(repr(error))
            error = error.__context__
        self.side.log(self.name, "left", *chain)
        if self.raises is not None:
            raise self.raises(self.name)
        return kind is not None and issubclass(kind, self.swallows or ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outer_scope", SCOPES)
@pytest.mark.parametrize("inner_scope", SCOPES)
@pytest.mark.parametrize("swallows", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_one_teardown_fails_and_another_swallows_it(
    conform, kind, outer_scope, inner_scope, swallows, fails
):
    """G90: what an outer dependency swallows has not happened, whoever raised it."""

    def make(side):
        app = side.FastAPI()
        outer = noting(side, "outer", (Exception,) if swallows else ())
        inner = noting(side, "inner", raises=KeyError)

        @app.get("/")
        async def endpoint(
            first=Depends(dependency_of(kind, lambda: 1, outer), scope=outer_scope),
            second=Depends(dependency_of(kind, lambda: 2, inner), scope=inner_scope),
        ):
            if fails:
                raise ValueError("endpoint")
            return first + second

        @app.exception_handler(KeyError)
        def handle(request, error):
            side.log("handler", repr(error), repr(error.__context__))
            return PlainTextResponse("handled", 418)

        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endpoint", KINDS)
def test_context_variables(conform, kind, endpoint):
    """G93: what `async def` sets is there from then on; what `def` sets ends with its thread."""
    variable = contextvars.ContextVar("variable", default="unset")

    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            side.log("before", variable.set("dependency").old_value is contextvars.Token.MISSING)
            yield
            side.log("after", variable.get())

        def sync():
            variable.set("dependency")
            yield
            side.log("after", variable.get())

        async def async_endpoint():
            side.log("endpoint", variable.get())
            variable.set("endpoint")

        def sync_endpoint():
            side.log("endpoint", variable.get())
            variable.set("endpoint")

        dependency = asynchronous if kind == "async" else sync
        app.get("/", dependencies=[Depends(dependency)])(
            async_endpoint if endpoint == "async" else sync_endpoint
        )
        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stack", ["fastapi_inner_astack", "fastapi_function_astack"])
def test_the_users_own_callbacks_on_fastapis_exit_stacks(conform, kind, stack):
    """G88: they are called in their turn among the dependencies, with the same exception."""

    def make(side):
        app = side.FastAPI()

        def push(request: Request):
            request.scope[stack].push(lambda *details: side.log("pushed", repr(details[1])))

        @app.get("/", dependencies=[Depends(push)])
        async def plain():
            side.log("endpoint")

        for scope in SCOPES:
            first = dependency_of(kind, lambda: 1, noting(side, "first"))
            second = dependency_of(kind, lambda: 2, noting(side, "second"))

            @app.get(
                f"/{scope}",
                dependencies=[
                    Depends(first, scope=scope),
                    Depends(push),
                    Depends(second, scope=scope),
                ],
            )
            def endpoint(fails: bool = False):
                side.log("endpoint")
                if fails:
                    raise HTTPException(418)

        return app

    conform(
        make,
        *[
            get(f"{path}{query}")
            for path in ("/request", "/function")
            for query in ("", "?fails=1")
        ],
        get("/"),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_of_time_that_a_dependency_sets(conform, kind):
    """G94: AnyIO's time-out ends what is awaited; a worker thread is waited for, and in time."""

    def make(side):
        app = side.FastAPI()

        async def limited():
            try:
                with anyio.fail_after(0.2):
                    yield
            except TimeoutError as error:
                side.log("timed out", repr(error))
                raise HTTPException(504) from None

        def held():
            try:
                yield
            except BaseException as error:
                side.log("held", type(error).__name__)
                raise
            finally:
                time.sleep(0.01)
                side.log("released")

        async def asynchronous():
            await asyncio.sleep(10)

        def sync():
            time.sleep(0.4)
            side.log("worked to the end")

        app.get("/", dependencies=[Depends(limited), Depends(held)])(
            asynchronous if kind == "async" else sync
        )
        return app

    outcome, *_ = conform(make, get("/"))
    assert outcome.wire.startswith(b"HTTP/1.1 504 " if kind == "async" else b"HTTP/1.1 200 ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_of_asyncios_time_that_a_dependency_sets(conform, kind):
    """G94: asyncio's time-out leaves a worker thread alone and answers at once."""

    def make(side):
        app = side.FastAPI()

        async def limited():
            try:
                async with asyncio.timeout(0.2):
                    yield
            except TimeoutError as error:
                side.log("timed out", repr(error))
                raise HTTPException(504) from None

        def held():
            try:
                yield
            except BaseException as error:
                side.log("held", type(error).__name__)
                raise

        async def asynchronous():
            await asyncio.sleep(10)

        def sync():
            time.sleep(0.6)

        app.get("/", dependencies=[Depends(limited), Depends(held)])(
            asynchronous if kind == "async" else sync
        )
        return app

    outcome, *_ = conform(make, get("/"))
    assert outcome.wire.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("kind", KINDS)
def test_background_tasks_that_fail(conform, kind):
    """G88, G92: the dependency of the request sees it; that of the function has long ended."""

    def make(side):
        app = side.FastAPI()

        def fail():
            side.log("background")
            raise ValueError("background")

        for swallows in ("swallows", "raises"):
            for scope in SCOPES:
                kinds = (ValueError,) if swallows == "swallows" else ()
                dependency = dependency_of(kind, lambda: 1, noting(side, "dependency", kinds))

                @app.get(f"/{swallows}/{scope}", dependencies=[Depends(dependency, scope=scope)])
                async def endpoint(tasks: BackgroundTasks):
                    tasks.add_task(fail)
                    return "sent"

        return app

    conform(make, *[get(f"/{s}/{scope}") for s in ("swallows", "raises") for scope in SCOPES])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_overrides_that_yield_and_that_are_set_meanwhile(conform, kind, scope):
    """G96: looked up when their turn comes; what was entered before ends as it began."""

    def make(side):
        app = side.FastAPI()
        instead = dependency_of(kind, lambda: "instead", noting(side, "instead"))

        async def replaced():
            return "replaced"

        async def switch(to: str = ""):
            app.dependency_overrides = {replaced: instead} if to == "instead" else {}

        held = dependency_of(kind, lambda: "held", noting(side, "held"))

        @app.get("/")
        async def endpoint(
            first=Depends(held, scope=scope),
            second=Depends(switch),
            third=Depends(replaced, scope=scope if scope == "request" else None),
            fails: bool = False,
        ):
            if fails:
                raise HTTPException(418)
            return [first, second, third]

        return app

    conform(
        make,
        get("/"),
        get("/?to=instead"),
        get("/?to=instead"),
        get("/?to=instead&fails=1"),
        get("/?to=nothing"),
        compiled=False,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_inside_middleware_of_the_users(conform, kind):
    """G88, H103: middleware sees the end of the response before the dependency's."""

    def make(side):
        app = side.FastAPI()
        dependency = dependency_of(kind, lambda: 1, noting(side, "dependency"))

        async def around(request, call_next):
            side.log("before")
            response = await call_next(request)
            side.log("after", response.status_code)
            return response

        app.add_middleware(BaseHTTPMiddleware, dispatch=around)

        @app.get("/")
        def endpoint(value=Depends(dependency), fails: bool = False):
            if fails:
                raise HTTPException(418)
            return value

        return app

    conform(make, get("/"), get("/?fails=1"), get("/?fails=x"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_result_that_does_not_fit_the_response_model(conform, kind, scope):
    """E75, G90: both see it, since the response is made before either ends."""

    def make(side):
        app = side.FastAPI()
        dependency = dependency_of(kind, lambda: "no number", noting(side, "dependency"))

        @app.get("/", response_model=int)
        async def asynchronous(value=Depends(dependency, scope=scope)):
            return value

        @app.get("/sync", response_model=int, status_code=201)
        def sync(value=Depends(dependency, scope=scope), good: bool = False):
            return 1 if good else value

        return app

    conform(make, get("/"), get("/sync"), get("/sync?good=1"))


@pytest.mark.parametrize("scope", SCOPES)
def test_what_they_hold_is_theirs_alone(conform, scope):
    """C50: requests in flight at the same time enter and leave their own."""

    def make(side):
        app = side.FastAPI()
        held = []

        async def dependency(item: dict):
            held.append(item["number"])
            yield held
            held.remove(item["number"])

        @app.post("/")
        async def endpoint(item: dict, value=Depends(dependency, scope=scope)):
            while len(held) < 3 and not item.get("last"):
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            return item

        return app

    requests = [post_json("/", {"number": number, "last": number == 3}) for number in range(4)]
    conform(make, together(*requests))
