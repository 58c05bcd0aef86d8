"""Streams and files of FastAPI applications, on both servers: clients that leave, and what is left.

Of plain responses tests/conformance is the judge; here a client goes away in the middle.
"""

import asyncio
import contextvars
import threading
import time

import anyio
import fastapi
import pytest
from fastapi import BackgroundTasks, Depends, Request
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.sse import EventSourceResponse

from .applications import get, post

CONNECTION_VARIABLE = contextvars.ContextVar("variable", default="unset")


BEGUN = threading.Event()
"""A stream has given its third piece."""


def leaving(*, expected: int, request: bytes = get("/stream")):
    """A client that leaves in the middle, and comes back to read so much of what was noted."""

    def script(wire):
        wire.send(request)
        assert BEGUN.wait(5)
        BEGUN.clear()
        wire.socket.close()
        wire.reconnect()
        wire.send(get(f"/noted?count={expected}"))
        return wire.response()

    return script


def application(seen):
    app = fastapi.FastAPI()

    @app.get("/noted")
    async def noted(count: int):
        for _ in range(1500):
            if len(seen) >= count:
                return seen
            await asyncio.sleep(0.002)
        return "too few"

    return app


async def numbers(seen, pause=0.001):
    """Counts for ever, and notes how it ends."""
    number = 0
    try:
        while True:
            yield f"<{number}>"
            number += 1
            if number == 3:
                BEGUN.set()
            await asyncio.sleep(pause)
    except BaseException as error:
        seen.append(type(error).__name__)
        raise
    finally:
        seen.append("finally")


def test_a_stream_is_cancelled_and_its_background_runs(parity):
    """I112: the generator sees the cancellation; then come the background tasks."""

    def make(seen):
        app = application(seen)

        @app.get("/stream")
        async def stream():
            tasks = BackgroundTasks()
            tasks.add_task(seen.append, "background")
            return StreamingResponse(numbers(seen), background=tasks)

        return app

    outcome = parity(make, leaving(expected=3))
    assert outcome.seen == ["CancelledError", "finally", "background"]


def test_a_cancellation_that_a_stream_has_made_itself_stays_inside_of_it(parity):
    """I112: nobody has cancelled the request, so that it ends as any other."""

    def make(seen):
        app = application(seen)

        async def dependency():
            try:
                yield
            except BaseException as error:
                seen.append(type(error).__name__)
                raise
            seen.append("left")

        async def awaiting():
            yield "<0>"
            task = asyncio.create_task(asyncio.sleep(30))
            task.cancel()
            BEGUN.set()
            await task

        @app.get("/stream", dependencies=[Depends(dependency)])
        async def stream():
            tasks = BackgroundTasks()
            tasks.add_task(seen.append, "background")
            return StreamingResponse(awaiting(), background=tasks)

        return app

    # Whether the client's departure was seen before the end decides what is logged.
    outcome = parity(make, leaving(expected=2), logged=False)
    assert outcome.seen == ["background", "left"]


@pytest.mark.parametrize("kind", ["plain", "scope", "sync"])
@pytest.mark.parametrize("path", ["/stream", "/lines", "/events"])
def test_dependencies_are_left_after_a_stream_that_is_cancelled(parity, path, kind):
    """G89, I112: in a scope of AnyIO's that a dependency has opened as well."""

    def make(seen):
        # Slow, so that it is the generator that waits when the client leaves.
        app = application(seen)

        async def plain():
            try:
                yield
            finally:
                seen.append("left")

        async def scope():
            with anyio.CancelScope():
                yield
            seen.append("left")

        def sync():
            yield
            seen.append("left")

        dependencies = [Depends({"plain": plain, "scope": scope, "sync": sync}[kind])]

        @app.get("/stream", dependencies=dependencies)
        async def stream():
            return StreamingResponse(numbers(seen, pause=0.05))

        @app.get("/lines", dependencies=dependencies)
        async def lines():
            async for piece in numbers(seen, pause=0.05):
                yield piece

        @app.get("/events", dependencies=dependencies, response_class=EventSourceResponse)
        async def events():
            async for piece in numbers(seen, pause=0.05):
                yield piece

        return app

    outcome = parity(make, leaving(expected=3, request=get(path)))
    assert sorted(outcome.seen) == ["CancelledError", "finally", "left"]


@pytest.mark.parametrize("path", ["/stream", "/lines"])
def test_a_scope_of_a_dependency_ends_a_stream(parity, path):
    """A time limit around `yield` holds for the stream: it is cut, and the dependency sees it."""

    def make(seen):
        app = application(seen)

        async def limited():
            with anyio.move_on_after(0.1) as scope:
                yield
            seen.append(f"cancelled: {scope.cancelled_caught}")

        async def pieces():
            yield "a"
            await asyncio.sleep(30)

        @app.get("/stream", dependencies=[Depends(limited)])
        async def stream():
            return StreamingResponse(pieces())

        app.get("/lines", dependencies=[Depends(limited)])(pieces)
        return app

    def script(wire):
        wire.send(get(path, "connection: close"))
        received = wire.rest()
        wire.socket.close()
        wire.reconnect()
        wire.send(get("/noted?count=1"))
        return received.partition(b"\r\n\r\n")[2] + wire.response()

    parity(make, script)


TAKEN = threading.Event()
"""The client has what the stream has given before."""


@pytest.mark.parametrize("path", ["/stream", "/lines", "/events"])
def test_what_a_def_stream_gives_leaves_while_its_next_step_takes_long(parity, path):
    """I113: a step in a worker thread holds nothing back that was given before."""

    def make(seen):
        app = application(seen)

        def pieces():
            for number in range(3):
                yield f"<{number}>"
                yield f"<{number}b>"
                seen.append(TAKEN.wait(5))
                TAKEN.clear()

        app.get("/stream")(lambda: StreamingResponse(pieces()))
        app.get("/lines")(pieces)
        app.get("/events", response_class=EventSourceResponse)(pieces)
        return app

    def script(wire):
        wire.send(get(path))
        received = b""
        for number in range(3):
            while f"<{number}b>".encode() not in received:
                received += wire.socket.recv(65536)
            TAKEN.set()
        return received.partition(b"\r\n\r\n")[2]

    assert parity(make, script).seen == [True, True, True]


def test_what_a_stream_awaits_while_it_ends_is_cancelled_too_unless_it_is_shielded(parity):
    """I112: AnyIO's cancellation comes again with each `await`."""

    def make(seen):
        app = application(seen)

        async def stubborn(shield):
            try:
                async for piece in numbers(seen):
                    yield piece
            finally:
                with anyio.CancelScope(shield=shield):
                    try:
                        await asyncio.sleep(0.01)
                        seen.append("slept")
                    except asyncio.CancelledError:
                        seen.append("cancelled again")
                        raise

        @app.get("/stream")
        async def stream(shield: bool):
            return StreamingResponse(stubborn(shield))

        return app

    for shield, last in ((1, "slept"), (0, "cancelled again")):
        request = get(f"/stream?shield={shield}")
        outcome = parity(make, leaving(expected=3, request=request))
        assert last in outcome.seen


def test_a_scope_that_a_stream_holds_open_ends_in_order(parity):
    """I112: the cancellation comes from outside of it."""

    def make(seen):
        app = application(seen)

        async def holding():
            with anyio.move_on_after(30) as scope:
                async for piece in numbers(seen):
                    yield piece
            seen.append(scope.cancelled_caught)

        @app.get("/stream")
        async def stream():
            return StreamingResponse(holding())

        return app

    parity(make, leaving(expected=2))


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_dependencies_end_after_the_stream(parity, kind):
    """G89, I112: and see nothing of the cancellation."""

    def make(seen):
        app = application(seen)

        async def asynchronous():
            try:
                yield
            except BaseException as error:
                seen.append(repr(error))
            seen.append("left")

        def sync():
            try:
                yield
            except BaseException as error:
                seen.append(repr(error))
            seen.append("left")

        @app.get("/stream", dependencies=[Depends(asynchronous if kind == "async" else sync)])
        async def stream():
            return StreamingResponse(numbers(seen))

        return app

    outcome = parity(make, leaving(expected=3))
    assert outcome.seen == ["CancelledError", "finally", "left"]


def test_sync_iterators_stop(parity):
    """I113: between two pieces; a thread that works is waited for."""

    def make(seen):
        app = application(seen)

        @app.get("/stream")
        def stream():
            def pieces():
                for number in range(1000):
                    time.sleep(0.002)
                    yield f"<{number}>"
                    if number == 3:
                        BEGUN.set()
                seen.append("all of them")

            tasks = BackgroundTasks()
            tasks.add_task(seen.append, "background")
            return StreamingResponse(pieces(), background=tasks)

        return app

    assert parity(make, leaving(expected=1)).seen == ["background"]


@pytest.mark.parametrize("path", ["/lines", "/raw", "/events"])
def test_endpoints_that_yield_are_cancelled(parity, path):
    """E72, I112."""

    def make(seen):
        # Slow, so that it is the generator that waits when the client leaves.
        app = application(seen)

        @app.get("/lines")
        async def lines():
            async for piece in numbers(seen, pause=0.05):
                yield piece

        @app.get("/raw", response_class=StreamingResponse)
        async def raw():
            async for piece in numbers(seen, pause=0.05):
                yield piece

        @app.get("/events", response_class=EventSourceResponse)
        async def events():
            async for piece in numbers(seen, pause=0.05):
                yield piece

        return app

    parity(make, leaving(expected=1, request=get(path)))


class TestEvents:
    """E72, I114: server-sent events."""

    @pytest.mark.parametrize("kind", ["async", "sync"])
    @pytest.mark.parametrize("held", [False, True])
    def test_all_of_them_then_background_then_dependencies(self, parity, kind, held):
        def make(seen):
            app = application(seen)

            async def dependency():
                yield
                seen.append("left")

            dependencies = [Depends(dependency)] if held else []

            async def asynchronous(tasks: BackgroundTasks):
                tasks.add_task(seen.append, "background")
                for number in range(5):
                    yield {"number": number}
                seen.append("end")

            def sync(tasks: BackgroundTasks):
                tasks.add_task(seen.append, "background")
                for number in range(5):
                    yield {"number": number}
                seen.append("end")

            app.get(
                "/stream",
                response_class=EventSourceResponse,
                dependencies=dependencies,
                status_code=201,
            )(asynchronous if kind == "async" else sync)
            return app

        def script(wire):
            wire.send(get("/stream"))
            received = wire.response()
            wire.send(get(f"/noted?count={3 if held else 2}"))
            return received + wire.response()

        assert parity(make, script).seen == ["end", "background", *(["left"] if held else [])]

    def test_pings_while_the_endpoint_is_silent(self, parity, monkeypatch):
        monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.1)

        def make(seen):
            app = application(seen)

            @app.get("/stream", response_class=EventSourceResponse)
            async def stream():
                yield 1
                await asyncio.sleep(0.15)
                yield 2

            return app

        outcome = parity(make, get("/stream"))
        assert outcome.wire.count(b": ping") == 1

    @pytest.mark.parametrize("number", [0, 2])
    @pytest.mark.parametrize("kind", ["async", "sync"])
    def test_one_that_fails(self, parity, kind, number):
        def make(seen):
            app = application(seen)

            def sync(tasks: BackgroundTasks):
                tasks.add_task(seen.append, "background")
                for each in range(number):
                    yield each
                    # What is ahead of the wire is not sent once it has failed.
                    time.sleep(0.02)
                raise ValueError("in the stream")

            async def asynchronous(tasks: BackgroundTasks):
                tasks.add_task(seen.append, "background")
                for each in range(number):
                    yield each
                    await asyncio.sleep(0.02)
                raise ValueError("in the stream")

            app.get("/stream", response_class=EventSourceResponse)(
                asynchronous if kind == "async" else sync
            )
            return app

        outcome = parity(make, get("/stream"))
        assert outcome.seen == []
        assert "unhandled errors in a TaskGroup" in outcome.log[0][1]

    def test_background_that_fails(self, parity):
        def make(seen):
            app = application(seen)

            def fail():
                raise ValueError("background")

            @app.get("/stream", response_class=EventSourceResponse)
            async def stream(tasks: BackgroundTasks):
                tasks.add_task(fail)
                yield 1

            return app

        parity(make, get("/stream"))

    def test_cancelled_after_background(self, parity):
        def make(seen):
            app = application(seen)

            @app.get("/stream", response_class=EventSourceResponse)
            async def stream(tasks: BackgroundTasks):
                tasks.add_task(seen.append, "background")
                async for piece in numbers(seen, pause=0.05):
                    yield piece

            return app

        outcome = parity(make, leaving(expected=3))
        assert outcome.seen == ["background", "CancelledError", "finally"]


def test_a_stream_that_fails_is_cut(parity):
    """A16: no last chunk; and the failure is logged."""

    def make(seen):
        app = application(seen)

        async def failing():
            yield "a"
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("in the stream")  # noqa: B904

        @app.get("/stream")
        async def stream():
            return StreamingResponse(failing())

        return app

    outcome = parity(make, get("/stream"))
    assert outcome.wire.endswith(b"1\r\na\r\n")
    assert "in the stream" in outcome.log[0][1]


def test_what_a_stream_sets_in_its_context_stays_there(parity):
    """G93: it runs in a task of its own, with a copy."""

    def make(seen):
        app = application(seen)

        async def setting():
            seen.append(CONNECTION_VARIABLE.get())
            CONNECTION_VARIABLE.set("stream")
            yield "a"
            seen.append(CONNECTION_VARIABLE.get())

        async def after():
            seen.append(CONNECTION_VARIABLE.get())

        @app.get("/stream")
        async def stream(tasks: BackgroundTasks):
            CONNECTION_VARIABLE.set("endpoint")
            tasks.add_task(after)
            return StreamingResponse(setting(), background=tasks)

        return app

    def script(wire):
        wire.send(get("/stream"))
        received = wire.response()
        wire.send(get("/noted?count=3"))
        return received + wire.response()

    assert parity(make, script).seen == ["endpoint", "stream", "endpoint"]


def test_a_stream_reads_the_requests_body_meanwhile(parity):
    """I112: what nobody has read yet."""

    def make(seen):
        app = application(seen)

        @app.post("/stream")
        async def stream(request: Request):
            body = await request.body()

            async def pieces():
                yield body
                yield str(await request.is_disconnected())

            return StreamingResponse(pieces())

        @app.post("/unread")
        async def unread():
            async def pieces():
                yield "a"
                await asyncio.sleep(0.01)
                yield "b"

            return StreamingResponse(pieces())

        return app

    def script(wire):
        received = b""
        for path in ("/stream", "/unread", "/stream"):
            wire.send(post(b"abc", path=path))
            received += wire.response()
        return received

    parity(make, script)


def test_a_slow_reader_holds_up_a_stream(parity):
    """I111: the generator waits until there is room."""

    def make(seen):
        app = application(seen)

        async def plenty():
            for number in range(80):
                yield b"%06d" % number * 10_000
            seen.append("all of it")

        @app.get("/stream")
        async def stream():
            return StreamingResponse(plenty())

        return app

    def script(wire):
        wire.send(get("/stream"))
        time.sleep(0.2)
        received = wire.response()
        return received[-20_000:]

    reason = "whose chunks are compared"
    assert parity(make, script, only_http1=reason).seen == ["all of it"]


@pytest.mark.parametrize("path", ["/file", "/endpoint-file"])
def test_files(parity, tmp_path, path):
    """F81 to F83: whole ones and parts of them, and what is refused."""
    file = tmp_path / "file.bin"
    file.write_bytes(bytes(range(256)) * 2000)

    def make(seen):
        app = application(seen)

        @app.get("/file")
        async def whole(tasks: BackgroundTasks):
            tasks.add_task(seen.append, "background")
            return FileResponse(file, headers={"x-a": "b"}, filename="ä.bin")

        @app.get("/endpoint-file", response_class=FileResponse)
        def by_class():
            return file

        @app.get("/missing")
        def missing():
            return FileResponse(tmp_path / "none")

        @app.get("/directory")
        def directory():
            return FileResponse(tmp_path)

        @app.get("/status")
        def status():
            return FileResponse(file, status_code=404)

        return app

    def script(wire):
        received = b""
        ranges = [
            "bytes=0-3",
            "bytes=-3",
            "bytes=5-",
            "bytes=300000-",
            "x",
            "bytes=3-1",
            "lines=1-2",
        ]
        ranges += [
            "bytes=9999999-",
            "bytes=1-2,2-9",
            "bytes=0-",
            "bytes=0-0",
            "bytes=511999-999999",
        ]
        for value in ("", *ranges):
            wire.send(get(path, f"range: {value}") if value else get(path))
            received += wire.response()
        for target in ("/status", "/status"):
            wire.send(get(target, "range: bytes=0-3"))
            received += wire.response()
        for condition in ('"no"', 'W/"no"', "Thu, 01 Jan 1970 00:00:00 GMT"):
            wire.send(get(path, "range: bytes=0-3", f"if-range: {condition}"))
            received += wire.response()
        wire.send(get(path, "range: bytes=0-3", method="HEAD"))
        return received + wire.response(to_head=True)

    parity(make, script)
    for target in ("/missing", "/directory"):
        parity(make, get(target))
