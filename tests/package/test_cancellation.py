"""`hyperfastapi.cancellation`: what it takes and refuses, and how it holds in process."""

from __future__ import annotations

import asyncio
import functools
import warnings
from typing import Any

import fastapi
import pytest
from fastapi.testclient import TestClient

import hyperfastapi
from hyperfastapi import plans
from hyperfastapi.cancellation import cancel_on_disconnect, time_limit

FOREVER = 3600


@pytest.mark.parametrize("value", [0, -1, "5", True, float("nan"), float("inf"), [1]])
def test_a_time_limit_is_a_number_above_zero(value: Any) -> None:
    with pytest.raises(ValueError, match=r"seconds above 0, or None for no limit, not ") as caught:
        time_limit(value)
    assert repr(value) in str(caught.value)
    app = hyperfastapi.FastAPI()
    with pytest.raises(ValueError, match=r"FastAPI\.time_limit takes a number of seconds"):
        app.time_limit = value
    assert app.time_limit is None


@pytest.mark.parametrize("value", [1, "yes", None])
def test_cancelling_is_on_or_off(value: Any) -> None:
    with pytest.raises(ValueError, match=f"takes True or False, not {value!r}"):
        cancel_on_disconnect(value)
    with pytest.raises(ValueError, match=r"FastAPI\.cancel_on_disconnect takes True or False"):
        hyperfastapi.FastAPI().cancel_on_disconnect = value


def test_what_takes_no_attributes_is_named() -> None:
    with pytest.raises(TypeError, match="time_limit cannot be noted on <built-in function len>"):
        time_limit(1)(len)
    with pytest.raises(TypeError, match="decorate a function"):
        cancel_on_disconnect(len)


def test_values_of_plain_applications_are_checked_when_they_are_served() -> None:
    app: Any = fastapi.FastAPI()
    app.time_limit = "5"
    with pytest.raises(ValueError, match=r"FastAPI\.time_limit takes .* not '5'"):
        plans.explain(app)


def test_a_decorated_function_is_the_function() -> None:
    def endpoint() -> None: ...

    assert cancel_on_disconnect(True)(time_limit(5)(endpoint)) is endpoint
    assert cancel_on_disconnect(endpoint) is endpoint


def answer(app: Any, path: str = "/") -> tuple[int, Any]:
    with TestClient(app) as client:
        response = client.get(path)
        return response.status_code, response.json()


@pytest.mark.parametrize("where", ["above", "below", "wrapped", "application"])
def test_where_a_limit_may_be_written(where: str) -> None:
    app = hyperfastapi.FastAPI()

    async def endpoint() -> None:
        await asyncio.sleep(FOREVER)

    if where == "above":
        time_limit(0.01)(app.get("/")(endpoint))
    elif where == "below":
        app.get("/")(time_limit(0.01)(endpoint))
    elif where == "wrapped":

        @app.get("/")
        @functools.wraps(time_limit(0.01)(endpoint))
        async def wrapper() -> None:
            await endpoint()

    else:
        app.get("/")(endpoint)
        app.time_limit = 0.01
    assert answer(app) == (504, {"detail": "Gateway Timeout"})


def test_the_applications_own_handler_answers() -> None:
    app = hyperfastapi.FastAPI()

    @app.exception_handler(504)
    async def handler(request: fastapi.Request, exc: Exception) -> Any:
        return fastapi.responses.JSONResponse("too slow", 503)

    @app.get("/")
    @time_limit(0.01)
    async def endpoint() -> None:
        await asyncio.sleep(FOREVER)

    assert answer(app) == (503, "too slow")


def test_a_client_that_leaves_another_server() -> None:
    """The route listens to `receive()`, as nobody else does."""
    app = hyperfastapi.FastAPI()
    seen: list[str] = []

    @app.get("/")
    @cancel_on_disconnect
    async def endpoint() -> None:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        seen.append(message["type"])

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(app(scope, receive, send))
    assert seen[0] == "cancelled"


def test_a_cancellation_from_elsewhere_is_none_of_ours() -> None:
    app = hyperfastapi.FastAPI()

    @app.get("/")
    @time_limit(FOREVER)
    async def endpoint() -> None:
        await asyncio.sleep(FOREVER)

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def main() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        task = asyncio.ensure_future(app(scope, never, send))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_route_that_is_not_compiled_warns() -> None:
    app = hyperfastapi.FastAPI(debug=True)

    @app.get("/slow")
    @time_limit(5)
    async def endpoint() -> int:
        return 1

    with pytest.warns(RuntimeWarning, match="do not hold for '/slow': FastAPI's own code"):
        plans.explain(app)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plans.explain(hyperfastapi.FastAPI(debug=True))
