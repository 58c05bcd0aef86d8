"""asyncio's callbacks, which the server runs in its turn: none can tell that asyncio did not."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from conftest import Running, listening_socket, plain, respond, run
from hyperfastapi._config import Config
from hyperfastapi._loop import new_event_loop
from hyperfastapi._server import Server

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def in_loop(body: Any, kind: str = "asyncio", **settings: Any) -> Any:
    """Run `body(loop)` beside a server in its loop, and return its result."""

    async def scenario(running: Running) -> Any:
        return await body(asyncio.get_running_loop())

    return run(plain, scenario, kind=kind, **settings)


def test_call_soon_gives_a_handle_of_asyncio() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> tuple[object, ...]:
        def callback() -> None: ...

        handle = loop.call_soon(callback)
        return type(handle), handle.cancelled(), "callback()" in repr(handle)

    assert in_loop(body) == (asyncio.Handle, False, True)


def test_callbacks_run_in_order_and_once() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> list[int]:
        seen: list[int] = []

        def again(number: int) -> None:
            seen.append(number)
            if number < 3:
                loop.call_soon(again, number + 10)

        for number in range(3):
            loop.call_soon(again, number)
        await asyncio.sleep(0.01)
        return seen

    assert in_loop(body) == [0, 1, 2, 10, 11, 12]


def test_a_cancelled_callback_does_not_run() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> list[str]:
        seen: list[str] = []
        handles: list[asyncio.Handle] = []
        loop.call_soon(lambda: handles[0].cancel())
        handles.append(loop.call_soon(seen.append, "cancelled"))
        loop.call_soon(seen.append, "kept")
        await asyncio.sleep(0.01)
        return seen

    assert in_loop(body) == ["kept"]


def test_callbacks_run_in_the_context_that_they_are_given() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> list[str]:
        seen: list[str] = []
        own = contextvars.copy_context()
        own.run(variable.set, "own")
        variable.set("caller's")
        loop.call_soon(lambda: seen.append(variable.get()))
        loop.call_soon(lambda: seen.append(variable.get()), context=own)
        variable.set("later")
        await asyncio.sleep(0.01)
        return seen

    assert in_loop(body) == ["caller's", "own"]


def test_what_a_callback_raises_goes_to_the_exception_handler_as_asyncio_tells_it() -> None:
    def fail(number: int) -> None:
        raise ValueError(number)

    async def body(loop: asyncio.AbstractEventLoop) -> list[tuple[str, str, type]]:
        told: list[tuple[str, str, type]] = []
        loop.set_exception_handler(
            lambda _, context: told.append(
                (context["message"], repr(context["exception"]), type(context["handle"]))
            )
        )
        loop.call_soon(fail, 7)
        await asyncio.sleep(0.01)
        return told

    async def without_a_server() -> list[tuple[str, str, type]]:
        return await body(asyncio.get_running_loop())

    told = in_loop(body)
    assert told == asyncio.run(without_a_server())
    assert "fail(" in told[0][0]


def test_an_exit_raised_by_a_callback_ends_the_process() -> None:
    program = """
import asyncio, contextlib, sys
from hyperfastapi import FastAPI

@contextlib.asynccontextmanager
async def lifespan(app):
    loop = asyncio.get_running_loop()
    loop.call_later(0.1, loop.call_soon, sys.exit, 7)
    yield

FastAPI(lifespan=lifespan).run_native(port=0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == 7


@pytest.mark.parametrize(
    ("args", "keywords"), [((), {}), ((print,), {"contxt": None})], ids=["nothing", "misspelled"]
)
def test_a_wrong_call_raises_what_asyncio_raises(
    args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> str:
        with pytest.raises(TypeError) as raised:
            loop.call_soon(*args, **keywords)
        return str(raised.value)

    async def without_a_server() -> str:
        return await body(asyncio.get_running_loop())

    assert in_loop(body) == asyncio.run(without_a_server())


def test_debug_mode_checks_the_thread_and_notes_where_a_callback_comes_from() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> tuple[str, bool]:
        loop.set_debug(True)
        wrong: list[BaseException] = []

        def from_elsewhere() -> None:
            try:
                loop.call_soon(print)
            except RuntimeError as error:
                wrong.append(error)

        thread = threading.Thread(target=from_elsewhere)
        thread.start()
        thread.join()
        handle = loop.call_soon(lambda: None)
        loop.set_debug(False)
        return str(wrong[0]), "created at" in repr(handle)

    message, has_origin = in_loop(body)
    assert "Non-thread-safe operation" in message
    assert has_origin


def test_tasks_that_never_rest_starve_neither_timers_nor_clients() -> None:
    stopped = False

    async def restless() -> None:
        while not stopped:
            await asyncio.sleep(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        await respond(send, b"hello")

    async def scenario(running: Running) -> bytes:
        nonlocal stopped
        spinning = [asyncio.ensure_future(restless()) for _ in range(10)]
        async with running.connect() as client:
            body = (await client.get()).body
        await asyncio.sleep(0.01)
        stopped = True
        await asyncio.gather(*spinning)
        return body

    assert run(app, scenario) == b"hello"


def test_a_loop_is_asyncios_again_after_the_server() -> None:
    loop = new_event_loop("asyncio")
    before = set(vars(loop))

    async def serve() -> set[str]:
        fd, port = listening_socket()
        server = Server(Config(lifespan="off"), plain, [fd])
        serving = asyncio.ensure_future(server.serve())
        await asyncio.sleep(0.01)
        with socket.create_connection(("127.0.0.1", port)):
            during = set(vars(loop)) - before
        server.request_stop()
        await serving
        return during

    during = loop.run_until_complete(serve())
    assert {"call_soon", "get_debug", "is_running"} <= during
    assert set(vars(loop)) == before
    loop.close()
