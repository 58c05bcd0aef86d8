"""FastAPI's own OpenTelemetry: spans of each part of a request, and what processors are told."""

import json
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, Form, HTTPException, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from pydantic import BaseModel, field_validator

from .requests import get, post, post_form, post_json


class Item(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def checked(cls, name):
        if name == "refused":
            raise ValueError("refused")
        return name


class Answer(BaseModel):
    number: int


def current():
    """The span that code runs in."""
    return getattr(trace.get_current_span(), "name", "none")


class Noting(SpanProcessor):
    """Notes each span's beginning and end, and what FastAPI tells of the request meanwhile."""

    def __init__(self, side):
        self._side = side

    def _note(self, when, span):
        from fastapi.telemetry import get_telemetry_data

        data = get_telemetry_data()
        told = None
        if data is not None:
            path = data.request and data.request.url.path
            told = [path, repr(data.body), sorted(data.values or {}), repr(data.errors)]
        self._side.log(when, span.name, json.dumps(told))

    def on_start(self, span, parent_context=None):
        self._note("starts", span)

    def on_end(self, span):
        self._note("ends", span)
        parent = span.parent is not None
        names = ("http.route", "error.type", "http.response.status_code")
        attributes = {name: span.attributes[name] for name in names if name in span.attributes}
        self._side.log(span.status.status_code.name, parent, json.dumps(attributes))


def make(side):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Noting(side))
    app = side.FastAPI(telemetry={"tracer_provider": provider})
    router = side.APIRouter(prefix="/router")

    def in_thread(number: int = 0):
        side.log("dependency", current())
        if number == 1:
            raise HTTPException(418)
        if number == 2:
            raise KeyError(number)
        return number

    async def entered():
        side.log("enter", current())
        try:
            yield 1
        finally:
            side.log("leave", current())

    number = Annotated[int, Depends(in_thread)]
    left = Annotated[int, Depends(entered)]
    left_early = Annotated[int, Depends(entered, scope="function")]

    @app.get("/async/{a}")
    async def in_loop(a: int, number: number, left: left, tasks: BackgroundTasks):
        side.log("endpoint", current())
        tasks.add_task(lambda: side.log("task", current()))
        if number == 3:
            raise ValueError(number)
        return {"a": a}

    @app.get("/def/{a}")
    def threaded(a: int, number: number, left: left_early) -> Answer:
        side.log("endpoint", current())
        return {"number": a} if number != 4 else {"number": "no"}

    @app.post("/item")
    async def item(item: Item, number: number) -> Item:
        return item

    @router.post("/form")
    async def form(a: Annotated[str, Form()], request: Request):
        return [a, request.url.path]

    @router.get("/response")
    def response():
        return PlainTextResponse(current())

    @router.get("/stream")
    async def stream():
        side.log("endpoint", current())

        async def pieces():
            yield current()
            yield "b"

        return StreamingResponse(pieces())

    @router.get("/lines")
    async def lines() -> Answer:
        yield Answer(number=1)
        side.log("between", current())
        yield Answer(number=2)

    app.add_route("/plain", lambda request: PlainTextResponse(current()))
    app.include_router(router)
    return app


REQUESTS = {
    "async": [get(f"/async/5?number={n}") for n in range(4)],
    "def": [get(f"/def/5?number={n}") for n in range(5)],
    "invalid": [get("/async/x?number=y"), get("/def/x")],
    "body": [
        post_json("/item", {"name": "a"}),
        post_json("/item", {"name": "refused"}),
        post_json("/item?number=x", {}),
        post_json("/item", b"{"),
        post_json("/item", b"\xff"),
        post("/item", b""),
    ],
    "router": [get("/router/response"), post_form("/router/form", b"a=1"), get("/plain")],
    "streams": [get("/router/stream"), get("/router/lines")],
}


@pytest.mark.compiled
@pytest.mark.parametrize("kind", REQUESTS)
def test_spans_of(conform, kind):
    """H107."""
    conform(make, *REQUESTS[kind])


def test_what_no_route_takes(conform):
    """H107."""
    conform(make, get("/none"), post("/plain", b""), get("/plain/"), post("/async/5", b""))
