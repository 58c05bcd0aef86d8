"""Clients that leave before their answer: handlers go on, and learn of it only if they look."""

import asyncio
import gc
import threading
import time
from typing import Annotated

import fastapi
import pytest
from fastapi import BackgroundTasks, Body, Depends, Request, UploadFile
from starlette.requests import ClientDisconnect

from .applications import get, post
from .test_streams import application

BEGUN, LEFT = threading.Event(), threading.Event()
"""A handler runs; its client has left."""


@pytest.fixture(autouse=True)
def nothing_has_happened():
    BEGUN.clear()
    LEFT.clear()


def leaving(request, *, expected):
    """A client that leaves once the handler runs, and comes back to read what was noted."""

    def script(wire):
        BEGUN.clear()
        LEFT.clear()
        wire.send(request)
        assert BEGUN.wait(5)
        wire.socket.close()
        LEFT.set()
        wire.reconnect()
        wire.send(get(f"/noted?count={expected}"))
        return wire.response()

    return script


async def client_has_left():
    """Wait until the client has closed and the server has had time to see it."""
    BEGUN.set()
    while not LEFT.is_set():
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0.001)


def wait_until_client_has_left():
    """The same in a worker thread."""
    BEGUN.set()
    assert LEFT.wait(5)
    time.sleep(0.02)


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("takes_request", [False, True])
def test_a_handler_is_not_cancelled(parity, kind, takes_request):
    """I111: it ends, its answer is dropped, then come background tasks and teardown."""

    def make(seen):
        app = application(seen)

        async def dependency():
            try:
                yield
            except BaseException as error:
                seen.append(repr(error))
            seen.append("left")

        async def asynchronous(tasks: BackgroundTasks):
            tasks.add_task(seen.append, "background")
            await client_has_left()
            seen.append("answered")
            return {"a": 1}

        def sync(tasks: BackgroundTasks):
            tasks.add_task(seen.append, "background")
            wait_until_client_has_left()
            seen.append("answered")
            return {"a": 1}

        def looking(request: Request):
            return request.url.path

        dependencies = [Depends(dependency), *([Depends(looking)] if takes_request else [])]
        app.get("/", dependencies=dependencies)(asynchronous if kind == "async" else sync)
        return app

    outcome = parity(make, leaving(get(), expected=3))
    assert outcome.seen == ["answered", "background", "left"]
    assert outcome.log == []


def test_a_handler_that_looks_sees_it(parity):
    """I111: `is_disconnected()` is false while the client is there, then true, and stays so."""

    def make(seen):
        app = application(seen)

        @app.get("/")
        async def endpoint(request: Request):
            seen.append(await request.is_disconnected())
            await client_has_left()
            while not await request.is_disconnected():
                await asyncio.sleep(0.001)
            seen.append(await request.is_disconnected())
            return "dropped"

        return app

    assert parity(make, leaving(get(), expected=2)).seen == [False, True]


def test_a_handler_that_receives_is_told(parity):
    """I115: `receive()` gives the body, then waits for the departure, and goes on saying so."""

    def make(seen):
        app = application(seen)

        @app.post("/")
        async def endpoint(request: Request):
            seen.append((await request.receive())["body"].decode())
            BEGUN.set()
            seen.append((await request.receive())["type"])
            seen.append((await request.receive())["type"])

        return app

    outcome = parity(make, leaving(post(b"body"), expected=3))
    assert outcome.seen == ["body", "http.disconnect", "http.disconnect"]


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_the_end_of_a_stream_is_told_to_who_still_receives(parity, kind):
    """I115: middleware sees the disconnect behind the last message, before the stream's end."""

    class Noting:
        def __init__(self, app, seen):
            self.app, self.seen = app, seen

        async def __call__(self, scope, receive, send):
            async def noted_receive():
                message = await receive()
                self.seen.append(message["type"])
                return message

            async def noted_send(message):
                await send(message)
                self.seen.append(message.get("body", message["type"]))

            if scope["path"] == "/noted":
                await self.app(scope, receive, send)
                return
            await self.app(scope, noted_receive, noted_send)
            self.seen.append("end")

    def make(seen):
        app = application([])
        app.add_middleware(Noting, seen=seen)

        @app.get("/")
        async def stream():
            async def pieces():
                yield b"a"
                await asyncio.sleep(0.01)
                yield b"b"

            body = pieces() if kind == "async" else iter([b"a", b"b"])
            return fastapi.responses.StreamingResponse(body)

        return app

    def script(wire):
        wire.send(get() + get("/noted?count=0"))
        return wire.response() + wire.response()

    outcome = parity(make, script, only_http1="pipelined")
    assert outcome.seen == [
        "http.request", "http.response.start", b"a", b"b", b"", "http.disconnect", "end",
    ]  # fmt: skip


HALF = {
    "body": "content-type: text/plain",
    "stream": "content-type: text/plain",
    "json": "content-type: application/json",
    "form": "content-type: application/x-www-form-urlencoded",
}


@pytest.mark.parametrize("how", HALF)
def test_half_a_body_raises_where_it_is_read(parity, how):
    """`ClientDisconnect`, from `body()`, `stream()`, `json()` and `form()`."""

    def make(seen):
        app = application(seen)

        async def read(request):
            if how == "stream":
                async for piece in request.stream():
                    seen.append(piece.decode())
                    BEGUN.set()
            else:
                await getattr(request, how)()

        @app.post("/")
        async def endpoint(request: Request):
            if how != "stream":
                BEGUN.set()
            try:
                await read(request)
            except ClientDisconnect as error:
                seen.append(repr(error))

        return app

    request = get("/", "content-length: 100", HALF[how], method="POST") + b"a=1"
    expected = 2 if how == "stream" else 1
    outcome = parity(make, leaving(request, expected=expected))
    assert outcome.seen[-1] == "ClientDisconnect()"


@pytest.mark.parametrize("kind", ["json", "form", "file"])
def test_half_a_body_that_a_parameter_takes_calls_nobody(parity, kind):
    """Nothing of the route runs, and what is logged is the same."""

    def make(seen):
        app = application(seen)

        def dependency():
            seen.append("dependency")

        @app.post("/json", dependencies=[Depends(dependency)])
        async def json(body: Annotated[dict, Body()]):
            seen.append("endpoint")

        @app.post("/form", dependencies=[Depends(dependency)])
        async def form(a: str = fastapi.Form()):
            seen.append("endpoint")

        @app.post("/file", dependencies=[Depends(dependency)])
        def file(f: UploadFile):
            seen.append("endpoint")

        @app.get("/begun")
        async def begun():
            return 1

        return app

    types = {
        "json": "application/json",
        "form": "application/x-www-form-urlencoded",
        "file": "multipart/form-data; boundary=B",
    }
    started = {
        "json": b'{"a": ',
        "form": b"a=1&",
        "file": b'--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx',
    }

    def script(wire):
        head = get(
            f"/{kind}", "content-length: 1000", f"content-type: {types[kind]}", method="POST"
        )
        wire.send(head + started[kind])
        wire.socket.close()
        wire.reconnect()
        wire.send(get("/begun"))
        return wire.response()

    assert parity(make, script).seen == []


def test_an_iterator_of_a_stream_that_was_cut_is_left_to_its_owner(parity):
    """I113: a `def` generator is not closed meanwhile: its end comes when it is let go."""

    def make(seen):
        app = fastapi.FastAPI()

        @app.get("/noted")
        async def noted(count: int):
            while len(seen) < count:
                gc.collect()
                await asyncio.sleep(0.002)
            return seen

        @app.get("/")
        def stream():
            def pieces():
                try:
                    for number in range(1_000_000):
                        yield f"<{number}>"
                        if number == 3:
                            wait_until_client_has_left()
                        time.sleep(0.001)
                finally:
                    seen.append("finally")

            tasks = BackgroundTasks()
            tasks.add_task(seen.append, "background")
            return fastapi.responses.StreamingResponse(pieces(), background=tasks)

        return app

    outcome = parity(make, leaving(get(), expected=2))
    assert outcome.seen == ["background", "finally"]
