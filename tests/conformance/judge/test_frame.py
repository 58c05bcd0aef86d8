"""The judge is judged: it expects what uvicorn sends, and every difference fails a test."""

import asyncio
import sys
import types

import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Response, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from ...parity.servers import run_uvicorn
from ...parity.wire import Wire
from .. import conftest, sides
from ..conftest import Conform
from ..plans import Paths
from ..requests import get, post_json, socket, together
from ..wire_client import _SERVERS_OWN


def sample(side):
    app = side.FastAPI()

    @app.get("/json")
    async def json(response: Response):
        response.headers["x-a"] = "b"
        return {"a": 1}

    @app.get("/empty", status_code=204)
    def empty():
        return None

    @app.api_route("/head", methods=["HEAD"])
    async def head():
        return "not sent"

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter([b"one", b"", b"three"]))

    @app.get("/unknown-status")
    async def unknown_status():
        return PlainTextResponse("x", status_code=499)

    @app.get("/teapot")
    async def teapot():
        raise HTTPException(418)

    @app.post("/echo")
    async def echo(item: dict[str, int]):
        return item

    return app


SAMPLE_REQUESTS = [
    get("/json"),
    get("/empty"),
    get("/head", method="HEAD"),
    get("/stream"),
    get("/unknown-status"),
    get("/teapot"),
    get("/none"),
    post_json("/echo", {"a": 1}),
    post_json("/echo", {"a": "x"}),
]


def test_what_the_frame_expects_on_the_wire_is_what_uvicorn_sends(conform):
    expected = conform(sample, *SAMPLE_REQUESTS)
    with run_uvicorn(sample(sides.plain())) as port, Wire(port) as wire:
        for request, outcome in zip(SAMPLE_REQUESTS, expected, strict=True):
            wire.send(b"".join(request.wire()))
            response = wire.response(to_head=request.method == "HEAD")
            assert _SERVERS_OWN.sub(rb"\1", response) == outcome.wire


OURS = ["our class", "our server"]


@pytest.mark.parametrize("wrong", OURS)
@pytest.mark.parametrize(
    "difference",
    ["status", "header order", "body", "chunks", "escaped", "cause", "notes", "thread", "task"],
)
def test_a_difference_fails_the_test(conform, wrong, difference):
    def make(side):
        differs = side.name == wrong
        app = side.FastAPI()

        async def answer(response: Response):
            if differs and difference == "status":
                response.status_code = 201
            for name in (
                ("x-b", "x-a") if differs and difference == "header order" else ("x-a", "x-b")
            ):
                response.headers[name] = "1"
            if difference == "chunks":
                return StreamingResponse(iter(["ab"] if differs else ["a", "b"]))
            if difference in ("escaped", "cause"):
                try:
                    raise KeyError(differs and difference == "cause")
                except KeyError as error:
                    raise ValueError(differs and difference == "escaped") from error
            if difference == "notes":
                side.log("noted", differs)
            if difference == "task":
                side.log(side.task(), await side_task(side, differs))
            return differs and difference == "body"

        def worker():
            side.log(side.thread())

        async def loop():
            side.log(side.thread())

        noted = loop if differs and difference == "thread" else worker
        app.get("/", dependencies=[Depends(noted)])(answer)
        return app

    async def side_task(side, another):
        async def name():
            return side.task()

        return await (asyncio.create_task(name()) if another else name())

    with pytest.raises(AssertionError, match=f"{wrong} differs from FastAPI"):
        conform(make, get("/"))


@pytest.mark.parametrize("wrong", OURS)
def test_side_effects_after_the_response_count_too(conform, wrong):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(tasks: BackgroundTasks):
            tasks.add_task(side.log, "background", side.name == wrong)

        return app

    with pytest.raises(AssertionError, match="differs from FastAPI in notes"):
        conform(make, get("/"))


def test_a_websocket_is_compared_message_by_message(conform):
    def make(side):
        app = side.FastAPI()

        @app.websocket("/")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text("same" if side.name == "FastAPI" else "other")
            await websocket.close()

        return app

    with pytest.raises(AssertionError, match="differs from FastAPI in wire"):
        conform(make, socket("/", closes=False))


def test_requests_together_are_in_flight_at_the_same_time(conform):
    def make(side):
        app = side.FastAPI()
        both = []

        @app.get("/{name}")
        async def meet(name: str):
            both.append(name)
            while len(both) < 2:
                await asyncio.sleep(0.001)
            return name

        return app

    conform(make, together(get("/a"), get("/b")))


@pytest.fixture
def plans(monkeypatch):
    """Stands in for the module that tells which path requests took."""
    monkeypatch.setattr(conftest, "_PATHS", Paths())
    module = types.ModuleType("hyperfastapi.plans")
    monkeypatch.setitem(sys.modules, "hyperfastapi.plans", module)
    return module


def counting(compiled, bridged):
    return lambda _app: types.SimpleNamespace(compiled=compiled, bridged=bridged)


@pytest.mark.compiled
def test_a_route_that_has_to_be_compiled_and_is_not_fails_the_test(conform, plans):
    plans.counters = counting(0, {"yield dependency": 1})
    with pytest.raises(AssertionError, match="yield dependency"):
        conform(sample, get("/json"))


@pytest.mark.compiled
def test_a_route_that_has_to_be_compiled_and_is_passes(conform, plans):
    plans.counters = counting(1, {})
    conform(sample, get("/json"))


def test_a_route_that_may_be_bridged_passes(conform, plans):
    plans.counters = counting(0, {"yield dependency": 1})
    conform(sample, get("/json"))


def test_the_demand_can_be_made_for_one_application_alone(plans):
    plans.counters = counting(0, {"yield dependency": 1})
    conform = Conform("frame", compiled=False)
    with pytest.raises(AssertionError, match="yield dependency"):
        conform(sample, get("/json"), compiled=True)
