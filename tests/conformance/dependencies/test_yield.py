"""Dependencies with `yield`: when they end, and what they see."""

import contextlib
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from ..requests import get

KINDS = ["async", "sync"]
SCOPES = ["request", "function", None]


def holding(side, name, kind, *, on_error="raise", value=None):
    """A dependency that notes when it is entered and left, and with which exception."""

    def left(error):
        side.log(name, "left", side.thread(), repr(error))
        if on_error == "replace" and error is not None:
            raise HTTPException(418, f"instead of {error!r}") from error

    async def asynchronous():
        side.log(name, "entered", side.thread(), side.task())
        error = None
        try:
            yield value or name
        except BaseException as caught:
            error = caught
            if on_error == "raise":
                raise
        finally:
            left(error)

    def sync():
        side.log(name, "entered", side.thread())
        error = None
        try:
            yield value or name
        except BaseException as caught:
            error = caught
            if on_error == "raise":
                raise
        finally:
            left(error)

    return asynchronous if kind == "async" else sync


def scoped(dependency, scope):
    return Depends(dependency) if scope is None else Depends(dependency, scope=scope)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endpoint", KINDS)
def test_when_it_ends(conform, kind, scope, endpoint):
    """G88: with the request after response and background tasks, with the function before both."""

    conform(make_with_sends(kind, scope, endpoint), get("/"), get("/"))


def make_with_sends(kind, scope, endpoint):
    def make(side):
        app = side.FastAPI()
        dependency = holding(side, "dependency", kind)

        class Sending:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                async def noted(message):
                    side.log("sent", message["type"])
                    await send(message)

                await self.app(scope, receive, noted)

        async def asynchronous(tasks: BackgroundTasks, value=scoped(dependency, scope)):
            side.log("endpoint", value, side.task())
            tasks.add_task(side.log, "background")

        def sync(tasks: BackgroundTasks, value=scoped(dependency, scope)):
            side.log("endpoint", value)
            tasks.add_task(side.log, "background")

        app.get("/")(asynchronous if endpoint == "async" else sync)
        app.add_middleware(Sending)
        return app

    return make


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on_error", ["raise", "replace", "swallow"])
@pytest.mark.parametrize("error", [HTTPException(404), ValueError("a"), None], ids=repr)
def test_what_it_sees_of_the_endpoints_exception(conform, kind, scope, on_error, error):
    """G90: thrown into it before handlers run; it may replace it; swallowing is an error."""

    def make(side):
        app = side.FastAPI()
        dependency = holding(side, "dependency", kind, on_error=on_error)

        @app.get("/")
        async def endpoint(tasks: BackgroundTasks, value=scoped(dependency, scope)):
            tasks.add_task(side.log, "background")
            if error is not None:
                raise type(error)(*error.args) if error.args else HTTPException(404)
            return value

        @app.exception_handler(ValueError)
        async def handler(request: Request, error: ValueError):
            side.log("handler")
            return PlainTextResponse("handled", 400)

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("inner", KINDS)
@pytest.mark.parametrize("outer", KINDS)
def test_nested_ones_end_in_reverse_order(conform, inner, outer):
    """G88."""

    def make(side):
        app = side.FastAPI()
        first, second = holding(side, "first", inner), holding(side, "second", outer)
        third = holding(side, "third", inner)

        async def combining(a=Depends(first), b=Depends(second)):
            side.log("combining", a, b)
            return a + b

        @app.get("/{fail}")
        async def endpoint(fail: bool, value=Depends(combining), c=Depends(third)):
            side.log("endpoint", value, c)
            if fail:
                raise HTTPException(409)

        return app

    conform(make, get("/0"), get("/1"), get("/x"))


@pytest.mark.parametrize("kind", KINDS)
def test_both_scopes_together(conform, kind):
    """G88: those of the function end first, in reverse order each."""

    def make(side):
        app = side.FastAPI()
        one = holding(side, "of the request", kind)
        two = holding(side, "of the function", kind)
        three = holding(side, "of the request too", kind)

        @app.get("/{fail}")
        def endpoint(
            fail: bool,
            tasks: BackgroundTasks,
            a=Depends(one, scope="request"),
            b=Depends(two, scope="function"),
            c=Depends(three, scope="request"),
            d=Depends(two, scope="request"),
        ):
            tasks.add_task(side.log, "background")
            side.log(a, b, c, d)
            if fail:
                raise ValueError("fail")

        return app

    conform(make, get("/0"), get("/1"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_invalid_parameter_ends_what_was_entered(conform, kind):
    """C48, G90: with the validation error."""

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(q: int, value=Depends(holding(side, "dependency", kind))):
            side.log("never called")

        return app

    conform(make, get("/"), get("/?q=x"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_before_the_yield(conform, kind):
    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            raise HTTPException(403)
            yield

        def sync():
            raise HTTPException(403)
            yield

        first = holding(side, "first", kind)

        @app.get("/", dependencies=[Depends(first)])
        async def endpoint(value=Depends(asynchronous if kind == "async" else sync)):
            side.log("never called")

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("scope", ["request", "function"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [HTTPException, ValueError], ids=lambda error: error.__name__)
def test_an_exception_after_the_yield(conform, kind, scope, error):
    """G90: too late for a response when that has been sent; the client does not notice."""

    def make(side):
        app = side.FastAPI()
        raised = error(418) if error is HTTPException else error("late")

        async def asynchronous():
            yield "value"
            raise raised

        def sync():
            yield "value"
            raise raised

        @app.get("/")
        async def endpoint(
            value=Depends(asynchronous if kind == "async" else sync, scope=scope),
            other=Depends(holding(side, "other", kind)),
        ):
            return value

        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["request", "function"])
def test_a_stream_ends_before_the_dependency_of_the_request(conform, kind, scope):
    """G89: its exit comes after the last chunk, that of the function before the first."""

    def make(side):
        app = side.FastAPI()
        dependency = holding(side, "dependency", kind)

        @app.get("/")
        async def endpoint(value=Depends(dependency, scope=scope)):
            def chunks():
                for number in range(3):
                    side.log("chunk", number)
                    yield str(number)

            return StreamingResponse(chunks())

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_that_yields_twice(conform, kind):
    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            yield 1
            yield 2

        def sync():
            yield 1
            yield 2

        @app.get("/")
        def endpoint(value=Depends(asynchronous if kind == "async" else sync)):
            return value

        return app

    conform(make, get("/"))


def test_a_generator_that_does_not_yield(conform):
    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            if side is None:
                yield

        def sync():
            if side is None:
                yield

        @app.get("/async")
        def first(value=Depends(asynchronous)):
            return value

        @app.get("/sync")
        def second(value=Depends(sync)):
            return value

        return app

    conform(make, get("/async"), get("/sync"))


def test_context_managers_are_no_generators(conform):
    """A decorated function returns a context manager, which the endpoint enters itself."""

    def make(side):
        app = side.FastAPI()

        @contextlib.contextmanager
        def manager():
            side.log("entered")
            yield "value"
            side.log("left")

        @app.get("/")
        def endpoint(value=Depends(manager)):
            if isinstance(value, str):
                return value
            with value as inner:
                return inner

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_dependency_is_entered_once(conform, kind):
    """C50: and with another scope once more."""

    def make(side):
        app = side.FastAPI()
        dependency = holding(side, "dependency", kind)

        async def inner(value=Depends(dependency)):
            return value

        @app.get("/")
        async def endpoint(
            a=Depends(inner),
            b=Depends(dependency),
            c=Depends(dependency, use_cache=False),
            d=Depends(dependency, scope="function"),
        ):
            return [a, b, c, d]

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_instance_with_yield(conform, kind):
    def make(side):
        app = side.FastAPI()

        class Sync:
            def __call__(self, q: int = 1):
                side.log("entered")
                yield q
                side.log("left")

        class Asynchronous:
            async def __call__(self, q: int = 1):
                side.log("entered")
                yield q
                side.log("left")

        @app.get("/")
        def endpoint(value: Annotated[int, Depends((Sync if kind == "sync" else Asynchronous)())]):
            return value

        return app

    conform(make, get("/?q=5"), get("/?q=x"))


def test_a_response_of_the_endpoint_is_sent_although_the_teardown_fails(conform):
    """G90: what escapes is the teardown's exception."""

    def make(side):
        app = side.FastAPI()

        async def dependency():
            yield
            raise KeyError("teardown")

        @app.get("/", dependencies=[Depends(dependency)])
        async def endpoint():
            return JSONResponse({"sent": True})

        return app

    outcome, *_ = conform(make, get("/"))
    assert outcome.wire.endswith(b'{"sent":true}') and "teardown" in outcome.escaped["exception"]
