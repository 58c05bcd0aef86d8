"""The spans of OpenTelemetry's own instrumentation of FastAPI, which changes it from outside.

https://opentelemetry-python-contrib.readthedocs.io/en/latest/instrumentation/fastapi/fastapi.html
"""

import fastapi
import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .applications import get, post
from .test_websockets import HANDSHAKE, frame

# They have the server's port in them.
_VARYING = {"http.host", "net.host.port", "net.peer.port", "server.port", "client.port"}
PLAIN = {"only_http1": "its version in spans", "only_plain": "its scheme in spans"}


def routes(app):
    """All kinds of routes."""

    def dependency():
        return trace.get_current_span().get_span_context().is_valid

    @app.get("/items/{item_id}")
    async def item(item_id: int, traced: bool = Depends(dependency)):
        return [item_id, traced]

    @app.post("/sync")
    def sync(tasks: BackgroundTasks):
        tasks.add_task(int)
        return trace.get_current_span().get_span_context().is_valid

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter(["a", "b"]))

    @app.get("/fail")
    async def fail():
        raise ValueError("fail")

    @app.get("/refuse")
    def refuse():
        raise HTTPException(409)

    @app.websocket("/ws")
    async def websocket(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()


def noted(span):
    """All of a span that two servers can have in common."""
    attributes = sorted((k, v) for k, v in span.attributes.items() if k not in _VARYING)
    events = [event.name for event in span.events]
    parent = span.parent is not None
    return [span.name, span.kind.name, parent, span.status.status_code.name, events, attributes]


def instrumented(*, own_middleware=False):
    """An application that the instrumentor has changed."""

    def make(seen):
        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        app, mounted = fastapi.FastAPI(), fastapi.FastAPI()
        routes(app)
        routes(mounted)
        app.mount("/mounted", mounted)
        if own_middleware:

            @app.middleware("http")
            async def middleware(request, call_next):
                return await call_next(request)

        FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)

        @app.get("/spans")
        async def spans():
            # A background task may end before or after the next request.
            seen.extend(sorted(map(noted, exporter.get_finished_spans()), key=repr))
            exporter.clear()
            # It has changed Starlette's own BackgroundTask, which is everybody's.
            FastAPIInstrumentor.uninstrument_app(app)

        return app

    return make


def asking(*requests):
    def script(wire):
        received = b""
        for request in requests:
            wire.send(request)
            received += wire.response()
            if b"\r\nconnection: close\r\n" in received or b"/fail " in request:
                wire.socket.close()
                wire.reconnect()
        return received

    return script


REQUESTS = [
    get("/items/5"), get("/items/x"), get("/items/5/"), get("/none"), post(b"{}", path="/sync"),
    get("/sync"), get("/stream"), get("/refuse"), get("/mounted/items/7"), get("/mounted/none"),
    get("/fail"), get("/openapi.json"),
]  # fmt: skip


@pytest.mark.parametrize("own_middleware", [False, True])
def test_the_spans_of_requests(parity, own_middleware):
    """H107, H108: names, routes, attributes, status, events and parents."""
    make = instrumented(own_middleware=own_middleware)
    outcome = parity(make, asking(*REQUESTS, get("/spans")), **PLAIN)
    names = {(span[0], span[1]) for span in outcome.seen}
    assert names >= {("GET /items/{item_id}", "SERVER"), ("BackgroundTask int", "INTERNAL")}
    assert b"[5,true]" in outcome.wire


def test_the_spans_of_websockets(parity):
    """H107."""

    def script(wire):
        wire.send(HANDSHAKE)
        received = wire.response()
        wire.send(frame(1, b"text"))
        received += wire.take(6 + 4)
        wire.send(frame(8, b"\x03\xe8"))
        received += wire.rest()
        wire.socket.close()
        wire.reconnect()
        return received + asking(get("/spans"))(wire)

    assert parity(instrumented(), script, **PLAIN).seen


def test_an_application_that_is_no_longer_instrumented(parity):
    """H108: the instrumentor takes its middleware out of a stack that has been built."""
    requests = [get("/items/5"), get("/spans"), get("/items/6")]
    outcome = parity(instrumented(), asking(*requests), **PLAIN)
    assert b"[5,true]" in outcome.wire and b"[6,false]" in outcome.wire
