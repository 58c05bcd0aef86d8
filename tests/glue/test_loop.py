"""The reactor inside the event loop: everything that asyncio offers works while it serves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from conftest import Client, Running, listening_socket, plain, respond, run
from hyperfastapi import _core
from hyperfastapi._config import Config
from hyperfastapi._loop import new_event_loop
from hyperfastapi._server import Server


def app_of(body: Any) -> Any:
    """An application that answers with what `body()` returns, as text."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, str(await body()).encode())

    return app


def ask(body: Any, kind: str = "asyncio", **settings: Any) -> str:
    """Run `body` inside a request and return its result's text."""

    async def scenario(running: Running) -> str:
        response = await running.get()
        assert response.status == 200
        return response.body.decode()

    text: str = run(app_of(body), scenario, kind=kind, **settings)
    return text


def test_sleep_ends(kind: str) -> None:
    async def body() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return "slept"

    assert ask(body, kind) == "slept"


def test_call_soon_and_call_later_are_run(kind: str) -> None:
    async def body() -> list[str]:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        done = loop.create_future()
        loop.call_later(0.02, done.set_result, None)
        loop.call_later(0.01, seen.append, "later")
        loop.call_soon(seen.append, "soon")
        await done
        return seen

    assert ask(body, kind) == "['soon', 'later']"


def test_a_timer_set_by_a_handler_that_has_answered_is_not_forgotten(kind: str) -> None:
    fired: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, lambda: fired.append(loop.time()))
        await respond(send)

    async def scenario(running: Running) -> None:
        # Timers cancelled by the hundred make asyncio replace its list of them.
        loop = asyncio.get_running_loop()
        for _ in range(300):
            loop.call_later(3600, print).cancel()
        await asyncio.sleep(0)
        async with running.connect() as client:
            await client.get()
        while not fired:
            await asyncio.sleep(0.01)

    run(app, scenario, kind=kind)
    assert len(fired) == 1


def test_call_soon_threadsafe_wakes_the_loop(kind: str) -> None:
    async def body() -> str:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        threading.Timer(0.02, loop.call_soon_threadsafe, (future.set_result, "woken")).start()
        return str(await future)

    assert ask(body, kind) == "woken"


def test_no_call_soon_threadsafe_is_lost(kind: str) -> None:
    async def body() -> str:
        loop = asyncio.get_running_loop()
        for _ in range(300):  # each is awaited: one that is lost leaves the loop asleep
            future = loop.create_future()
            threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, 1)).start()
            await future
        return "all"

    assert ask(body, kind) == "all"


def test_run_in_executor_comes_back(kind: str) -> None:
    async def body() -> bool:
        name = await asyncio.get_running_loop().run_in_executor(
            None, lambda: threading.current_thread().name
        )
        return name != threading.current_thread().name

    assert ask(body, kind) == "True"


def test_add_reader_and_writer_are_called(kind: str) -> None:
    async def body() -> bytes:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        left.setblocking(False)
        right.setblocking(False)
        received = loop.create_future()
        written = loop.create_future()
        loop.add_reader(left, lambda: received.done() or received.set_result(left.recv(9)))
        loop.add_writer(right, lambda: written.done() or written.set_result(right.send(b"ready")))
        try:
            await written
            return bytes(await received)
        finally:
            loop.remove_reader(left)
            loop.remove_writer(right)
            left.close()
            right.close()

    assert ask(body, kind) == "b'ready'"


def test_subprocesses_are_waited_for(kind: str) -> None:
    async def body() -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('child')", stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.strip()

    if sys.version_info < (3, 12) and kind == "asyncio":
        # Older child watchers belong to the main thread's loop: tell them which one it is.
        with asyncio.get_child_watcher() as watcher:  # type: ignore[attr-defined]
            loop = new_event_loop(kind)
            watcher.attach_loop(loop)

            async def scenario(running: Running) -> bytes:
                return (await running.get()).body

            assert run(app_of(body), scenario, loop=loop) == b"b'child'"
            watcher.attach_loop(None)
    else:
        assert ask(body, kind) == "b'child'"


def test_signal_handlers_of_the_loop_are_run(kind: str) -> None:
    async def body() -> str:
        loop = asyncio.get_running_loop()
        received = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, received.set_result, "USR1")
        try:
            threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            return str(await received)
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)

    assert ask(body, kind) == "USR1"


def test_signal_handlers_of_python_run_while_the_loop_waits() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))

    async def scenario(running: Running) -> None:
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(0.02, signal.pthread_kill, (main, signal.SIGUSR2)).start()
        await asyncio.sleep(0.2)

    try:
        run(plain, scenario)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [signal.SIGUSR2]


def test_an_exception_of_a_signal_handler_leaves_the_loop() -> None:
    def raise_it(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR2, raise_it)
    loop = new_event_loop("asyncio")

    async def main() -> None:
        await asyncio.sleep(60)

    try:
        fd, _ = listening_socket()
        server = Server(Config(lifespan="off"), plain, [fd])
        serving = loop.create_task(server.serve())
        ident = threading.main_thread().ident
        assert ident is not None
        threading.Timer(0.05, signal.pthread_kill, (ident, signal.SIGUSR2)).start()
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main())
        server.request_stop()
        loop.run_until_complete(serving)
    finally:
        signal.signal(signal.SIGUSR2, before)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_streams_of_asyncio_work_beside_the_server(kind: str) -> None:
    async def body() -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"line\n")
            line = await reader.readline()
            writer.close()
            return line.strip()

    assert ask(body, kind) == "b'line'"


def test_a_handler_can_stop_the_loop() -> None:
    loop = new_event_loop("asyncio")
    fd, port = listening_socket()
    server = Server(Config(lifespan="off"), app_of(lambda: stop()), [fd])

    async def stop() -> str:
        loop.stop()
        return "stopping"

    serving = loop.create_task(server.serve())
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        loop.run_forever()  # returns: the handler has stopped it
        server.request_stop()
        loop.run_until_complete(serving)
        assert b"stopping" in client.recv(1000)
    loop.close()


def test_debug_mode_times_each_handler(caplog: pytest.LogCaptureFixture) -> None:
    loop = new_event_loop("asyncio")
    loop.set_debug(True)
    loop.slow_callback_duration = 0.02

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(0.05)
        await plain(scope, receive, send)

    async def scenario(running: Running) -> bytes:
        async with running.connect() as client:
            await client.get()
            return (await client.get()).body

    assert run(slow, scenario, loop=loop) == b"hello"
    assert sum("Executing" in record.getMessage() for record in caplog.records) >= 2


def test_many_connections_are_served_side_by_side(kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await respond(send, scope["path"].encode())

    async def scenario(running: Running) -> list[bytes]:
        return [
            response.body
            for response in await asyncio.gather(
                *(running.get(f"/{number}") for number in range(200))
            )
        ]

    assert run(app, scenario, kind=kind) == [f"/{number}".encode() for number in range(200)]


def test_pipelined_requests_are_answered_in_order(kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/2":
            await asyncio.sleep(0.01)
        await respond(send, scope["path"].encode())

    async def scenario(running: Running) -> list[bytes]:
        async with running.connect() as client:
            client.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % n for n in range(6)))
            return [(await client.response()).body for _ in range(6)]

    assert run(app, scenario, kind=kind) == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/5"]


def test_a_chunk_leaves_before_its_generator_goes_on(kind: str) -> None:
    """A client in a thread sees the first chunk while the handler still holds the loop."""
    arrived = threading.Event()
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        seen.append(arrived.wait(10))  # blocks the loop
        await send({"type": "http.response.body", "body": b"last"})

    def client(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            data = b""
            while b"first" not in data:
                data += sock.recv(1000)
            arrived.set()
            while b"last" not in data:
                data += sock.recv(1000)

    async def scenario(running: Running) -> None:
        await asyncio.get_running_loop().run_in_executor(None, client, running.port)

    run(app, scenario, kind=kind)
    assert seen == [True]


def test_an_answer_given_after_a_wait_leaves_before_the_next_callback(kind: str) -> None:
    arrived = threading.Event()
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await respond(send, b"done")
        seen.append(arrived.wait(10))  # a background task that blocks

    def client(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            data = b""
            while b"done" not in data:
                data += sock.recv(1000)
            arrived.set()

    async def scenario(running: Running) -> None:
        await asyncio.get_running_loop().run_in_executor(None, client, running.port)

    run(app, scenario, kind=kind)
    assert seen == [True]


def test_the_server_works_in_a_thread_of_its_own(kind: str) -> None:
    from hyperfastapi.testing import ThreadServer

    with (
        ThreadServer(plain, lifespan=False, loop=kind) as server,
        socket.create_connection((server.host, server.port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        data = b""
        while chunk := client.recv(1000):
            data += chunk
    assert data.endswith(b"hello")


def test_an_embedder_can_run_the_loop_again_after_serving() -> None:
    loop = new_event_loop("asyncio")

    async def serve_once() -> bytes:
        fd, port = listening_socket()
        server = Server(Config(lifespan="off"), plain, [fd])
        serving = asyncio.ensure_future(server.serve())
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        body = (await client.get()).body
        await client.close()
        server.request_stop()
        await serving
        return body

    assert [loop.run_until_complete(serve_once()) for _ in range(3)] == [b"hello"] * 3
    loop.run_until_complete(asyncio.sleep(0.01))
    assert loop.run_until_complete(loop.run_in_executor(None, len, "thread")) == 6
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_selector_without_a_server_waits_as_usual() -> None:
    loop = new_event_loop("asyncio")
    assert loop.run_until_complete(asyncio.sleep(0.01, "slept")) == "slept"
    loop.close()


def test_a_server_that_is_closed_says_so() -> None:
    server = _core.Server(
        plain,
        {name: getattr(Config(), name) for name in Config.__dataclass_fields__},
        root_path="",
        uds=None,
        fields=b"",
        date=False,
        on_access=None,
        on_websocket=None,
        on_error=print,
        trust=None,
    )
    server.close()
    server.close()
    with pytest.raises(RuntimeError, match="the server is closed"):
        server.turn(0)
    assert (server.connections, server.pending) == (0, 0)
