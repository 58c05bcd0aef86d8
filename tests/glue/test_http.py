"""HTTP messages: what an application may send, and what it hears."""

from __future__ import annotations

import array
import asyncio
import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Response, Running, plain, respond, run

Errors = Callable[[], list[str]]


def start(**items: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": [], **items}


def body(**items: Any) -> dict[str, Any]:
    return {"type": "http.response.body", **items}


def answer_of(*messages: Any, method: str = "GET") -> Response:
    """The response when an application sends these messages and no more."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async def scenario(running: Running) -> Response:
        return await running.get(method=method)

    response: Response = run(app, scenario)
    return response


def error_of(*messages: Any, errors: Errors) -> str:
    """The error that is logged when an application sends these messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            await client.rest()

    run(app, scenario)
    assert len(errors()) == 1
    return errors()[0]


LENGTH_3 = [(b"content-length", b"3")]


@pytest.mark.parametrize(
    "data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), array.array("B", b"abc")]
)
def test_any_buffer_is_a_body(data: Any) -> None:
    assert answer_of(start(headers=LENGTH_3), body(body=data)).body == b"abc"


def test_a_buffer_can_be_used_again_after_it_was_sent() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        buffer = bytearray(b"a" * 100_000)
        await send(start())
        for letter in b"bcd":
            await send(body(body=buffer, more_body=True))
            buffer[:] = bytes([letter]) * 100_000
        await send(body(body=buffer))

    async def scenario(running: Running) -> bytes:
        return (await running.get()).body

    assert run(app, scenario) == b"".join(bytes([letter]) * 100_000 for letter in b"abcd")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-a", b"1"), (b"x-b", b"2")],
        ((b"x-a", b"1"), (b"x-b", b"2")),
        [[b"x-a", b"1"], [b"x-b", b"2"]],
        [(bytearray(b"x-a"), memoryview(b"1")), (b"x-b", b"2")],
        {b"x-a": b"1", b"x-b": b"2"}.items(),
        collections.deque([(b"x-a", b"1"), (b"X-B", b"2")]),
    ],
)
def test_headers_may_be_any_iterable_of_pairs(headers: Any) -> None:
    response = answer_of(start(headers=headers), body(body=b"abc"))
    assert (response.header(b"x-a"), response.header(b"x-b")) == (b"1", b"2")


def test_headers_may_come_from_a_generator() -> None:
    headers = ((b"x-%d" % number, b"v") for number in range(3))
    response = answer_of(start(headers=headers), body())
    assert [name for name, _ in response.headers if name.startswith(b"x-")] == [
        b"x-0",
        b"x-1",
        b"x-2",
    ]


def test_hundreds_of_headers_are_sent() -> None:
    headers = [(b"x-%d" % number, b"v" * number) for number in range(300)]
    response = answer_of(start(headers=headers), body())
    assert [pair for pair in response.headers if pair[0].startswith(b"x-")] == headers


def test_headers_may_be_left_out() -> None:
    response = answer_of({"type": "http.response.start", "status": 200}, body(body=b"abc"))
    assert (response.status, response.body) == (200, b"abc")


def test_messages_may_be_other_mappings_than_dict() -> None:
    message = collections.UserDict(start(headers=LENGTH_3))
    chain = collections.ChainMap({"body": b"abc"}, {"type": "http.response.body"})
    assert answer_of(message, chain).body == b"abc"


def test_a_status_may_be_an_enumeration() -> None:
    from http import HTTPStatus

    assert answer_of(start(status=HTTPStatus.IM_A_TEAPOT), body()).status == 418


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            [body(body=b"x")],
            "RuntimeError: Expected ASGI message 'http.response.start', but got "
            "'http.response.body'.",
        ),
        (
            [start(), start()],
            "RuntimeError: Expected ASGI message 'http.response.body', but got "
            "'http.response.start'.",
        ),
        (
            [start(), body(), body()],
            "RuntimeError: Unexpected ASGI message 'http.response.body' sent, after response "
            "already completed.",
        ),
        ([{"status": 200}], "KeyError: 'type'"),
        ([{"type": "http.response.start"}], "KeyError: 'status'"),
        ([start(headers=[(b"a b", b"")])], "RuntimeError: Invalid HTTP header name."),
        ([start(headers=[(b"a", b"\n")])], "RuntimeError: Invalid HTTP header value."),
        (
            [start(headers=LENGTH_3), body(body=b"four")],
            "RuntimeError: Response content longer than Content-Length",
        ),
        (
            [start(headers=LENGTH_3), body(body=b"2 ")],
            "RuntimeError: Response content shorter than Content-Length",
        ),
        (
            [start(headers=[(b"a",)])],
            "ValueError: not enough values to unpack (expected 2, got 1)",
        ),
        (
            [start(headers=[(b"a", b"b", b"c")])],
            "ValueError: too many values to unpack (expected 2)",
        ),
        ([start(headers=5)], "TypeError: 'int' object is not iterable"),
        ([start(status="200")], "TypeError: 'str' object cannot be interpreted as an integer"),
        ([start(status=99)], "KeyError: 99"),
        ([start(status=1000)], "KeyError: 1000"),
        ([start(status=10**30)], "KeyError: 1000000000000000000000000000000"),
    ],
)
def test_misuse_has_these_errors(messages: Any, expected: str, errors: Errors) -> None:
    assert error_of(*messages, errors=errors) == "Exception in ASGI application | " + expected


def test_a_body_of_text_is_refused(errors: Errors) -> None:
    assert "TypeError: a bytes-like object is required, not 'str'" in error_of(
        start(headers=LENGTH_3), body(body="abc"), errors=errors
    )


def test_headers_of_text_are_refused(errors: Errors) -> None:
    assert "TypeError" in error_of(start(headers=[("a", b"b")]), body(), errors=errors)


def test_an_application_that_returns_a_value_is_told_of(errors: Errors) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await plain(scope, receive, send)
        return "value"

    async def scenario(running: Running) -> bytes:
        return (await running.get()).body

    assert run(app, scenario) == b"hello"
    assert errors() == ["ASGI callable should return None, but returned 'value'."]


def test_an_application_that_does_not_answer_is_told_of(errors: Errors) -> None:
    assert answer_of().status == 500
    assert errors() == ["ASGI callable returned without starting response."]


def test_an_application_that_does_not_finish_is_told_of_and_cut(errors: Errors) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(body=b"part", more_body=True))

    async def scenario(running: Running) -> bytes:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            return await client.rest()

    assert run(app, scenario).endswith(b"\r\n\r\n4\r\npart\r\n")
    assert errors() == ["ASGI callable returned without completing response."]


def test_exceptions_of_the_application_carry_their_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        raise LookupError("here")

    async def scenario(running: Running) -> int:
        return (await running.get()).status

    assert run(app, scenario) == 500
    record = next(r for r in caplog.records if r.getMessage().startswith("Exception in ASGI"))
    assert record.exc_info is not None and record.exc_info[2] is not None
    assert record.exc_info[2].tb_frame.f_code.co_name == "app"


def test_a_large_body_comes_in_parts_and_whole() -> None:
    sizes: list[int] = []
    data = bytes(range(256)) * 4096

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received = b""
        while True:
            message = await receive()
            sizes.append(len(message["body"]))
            received += message["body"]
            if not message["more_body"]:
                break
        assert received == data
        await respond(send)

    async def scenario(running: Running) -> int:
        return (await running.get(method="POST", body=data)).status

    assert run(app, scenario) == 200
    assert sum(sizes) == len(data)
    assert max(sizes) <= 256 * 1024


def test_reading_pauses_while_the_application_does_not_read(kind: str) -> None:
    """D68: what the server takes in advance is bounded: the client's writes come to a stop."""
    proceed: list[asyncio.Event] = []
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        proceed.append(asyncio.Event())
        await proceed[0].wait()
        total = 0
        while (message := await receive())["more_body"]:
            total += len(message["body"])
        await respond(send, str(total + len(message["body"])).encode())

    async def scenario(running: Running) -> int:
        nonlocal sent
        size = 64 * 1024 * 1024
        async with running.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
            block = b"x" * 65536

            async def write() -> None:
                nonlocal sent
                for _ in range(size // len(block)):
                    client.send(block)
                    await client.writer.drain()
                    sent += len(block)

            writing = asyncio.ensure_future(write())
            before = -1
            while before != sent or not proceed:
                before = sent
                await asyncio.sleep(0.05)
            held = sent
            proceed[0].set()
            assert int((await client.response()).body) == size
            await writing
        return held

    assert run(app, scenario, kind=kind) < 32 * 1024 * 1024


def test_send_waits_while_the_client_does_not_read(kind: str) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for number in range(512):
            await send(body(body=b"x" * 65536, more_body=True))
            sent.append(number)
        await send(body())

    async def scenario(running: Running) -> tuple[int, int]:
        async with running.connect() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            before = -1
            while before != len(sent) or not sent:
                before = len(sent)
                await asyncio.sleep(0.05)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            return before, len((await client.response()).body)

    stopped_at, total = run(app, scenario, kind=kind)
    assert stopped_at < 512
    assert total == 512 * 65536


def test_large_bytes_are_lent_not_copied() -> None:
    """The object lives as long as the client has not taken it, and no longer."""
    import gc
    import sys

    data = b"x" * (8 * 1024 * 1024)
    counts: list[int] = []
    count = sys.getrefcount(data)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(body=data))
        counts.append(sys.getrefcount(data))

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not counts:
                await asyncio.sleep(0.01)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert (await client.response()).body == data
            await client.get("/again")
        await running.idle()

    run(app, scenario)
    gc.collect()
    assert counts[0] > count
    assert sys.getrefcount(data) == count


def test_a_client_that_leaves_is_told_and_sends_are_dropped(errors: Errors, kind: str) -> None:
    heard: list[Any] = []
    inside = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside.append(True)
        await receive()
        heard.append(await receive())
        heard.append(await receive())
        await send(start())
        await send(body(body=b"x" * 1_000_000, more_body=True))
        await send({"type": "anything"})
        heard.append("sent")

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not inside:
                await asyncio.sleep(0)
            client.reset()
        await running.idle()

    run(app, scenario, kind=kind)
    assert heard == [{"type": "http.disconnect"}, {"type": "http.disconnect"}, "sent"]
    assert errors() == []


def test_a_client_that_leaves_frees_a_send_that_waits(kind: str) -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for _ in range(512):
            await send(body(body=b"x" * 65536, more_body=True))
        ended.append("end")

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            await asyncio.sleep(0.05)
            assert running.server.pending() == 1
            client.reset()
        await running.idle()

    run(app, scenario, kind=kind)
    assert ended == ["end"]


def test_receive_after_the_response_gives_the_disconnect() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)
        heard.append(await receive())
        heard.append(await receive())

    async def scenario(running: Running) -> None:
        await running.get(method="POST", body=b"unread")
        await running.idle()

    run(app, scenario)
    assert heard == [{"type": "http.disconnect"}] * 2


def test_a_receive_that_outlives_the_application_ends() -> None:
    left: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        left.append(asyncio.ensure_future(receive()))
        await asyncio.sleep(0)
        await send(start())  # and never a body

    async def scenario(running: Running) -> Any:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            await client.rest()
        return await asyncio.wait_for(left[0], 5)

    assert run(app, scenario) == {"type": "http.disconnect"}


def test_send_after_the_application_has_returned_is_harmless() -> None:
    kept: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kept.append((receive, send))
        await plain(scope, receive, send)

    async def scenario(running: Running) -> list[Any]:
        await running.get()
        await running.idle()
        receive, send = kept[0]
        outcomes = [await receive()]
        try:
            await send(body(body=b"late"))
        except RuntimeError as error:
            outcomes.append(str(error))
        return outcomes

    assert run(app, scenario) == [
        {"type": "http.disconnect"},
        "Unexpected ASGI message 'http.response.body' sent, after response already completed.",
    ]


def test_callables_outlive_their_server() -> None:
    kept: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kept.append(receive)
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        await running.get()

    run(app, scenario)

    async def later() -> Any:
        return await kept[0]()

    assert asyncio.run(later()) == {"type": "http.disconnect"}


def test_a_file_is_sent_by_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    data = bytes(range(256)) * 8192
    path.write_bytes(data)
    headers = [(b"content-length", str(len(data)).encode())]
    response = answer_of(
        start(headers=headers), {"type": "http.response.pathsend", "path": str(path)}
    )
    assert response.body == data


def test_a_file_without_a_length_is_sent_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    response = answer_of(start(), {"type": "http.response.pathsend", "path": str(path)})
    assert response.header(b"transfer-encoding") == b"chunked"
    assert response.body == b"content"


def test_an_empty_file_is_an_empty_body(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    headers = [(b"content-length", b"0")]
    assert (
        answer_of(
            start(headers=headers), {"type": "http.response.pathsend", "path": str(path)}
        ).body
        == b""
    )


def test_a_file_may_follow_body_messages(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"behind")
    headers = [(b"content-length", b"12")]
    messages = [
        start(headers=headers),
        body(body=b"before", more_body=True),
        {"type": "http.response.pathsend", "path": str(path)},
    ]
    assert answer_of(*messages).body == b"beforebehind"


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_sent_is_an_error(tmp_path: Path, name: str, errors: Errors) -> None:
    message = {"type": "http.response.pathsend", "path": str(tmp_path / name)}
    assert str(tmp_path) in error_of(start(headers=LENGTH_3), message, errors=errors)


def test_a_file_of_another_length_than_declared_is_an_error(tmp_path: Path, errors: Errors) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"four")
    assert "Response content longer than Content-Length" in error_of(
        start(headers=LENGTH_3),
        {"type": "http.response.pathsend", "path": str(path)},
        errors=errors,
    )


def test_frameworks_send_files_by_path(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.responses import FileResponse
    from starlette.routing import Route

    path = tmp_path / "file.txt"
    path.write_bytes(b"x" * 300_000)
    sent: list[str] = []

    class Watched(FileResponse):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def watched(message: Any) -> None:
                sent.append(message["type"])
                await send(message)

            await super().__call__(scope, receive, watched)

    async def file(request: Any) -> Any:
        return Watched(path)

    app = Starlette(routes=[Route("/", file)])

    async def scenario(running: Running) -> bytes:
        async with running.connect() as client:
            first = await client.get()
            await client.get()
            return first.body

    assert run(app, scenario) == b"x" * 300_000
    assert sent == ["http.response.start", "http.response.pathsend"] * 2


def test_access_log_has_the_usual_line(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    caplog.set_level(logging.INFO, "hyperfastapi.access")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, status=404)

    async def scenario(running: Running) -> int:
        async with running.connect() as client:
            await client.get("/a%20%C3%A9b/~x?q=%41&r")
            port: int = client.writer.get_extra_info("sockname")[1]
            return port

    port = run(app, scenario)
    [record] = [record for record in caplog.records if record.name == "hyperfastapi.access"]
    assert record.getMessage() == f'127.0.0.1:{port} - "GET /a%20%C3%A9b/~x?q=%41&r HTTP/1.1" 404'
    assert record.args == (f"127.0.0.1:{port}", "GET", "/a%20%C3%A9b/~x?q=%41&r", "1.1", 404)


def test_access_log_can_be_turned_off(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    caplog.set_level(logging.INFO, "hyperfastapi.access")

    async def scenario(running: Running) -> None:
        await running.get()

    run(plain, scenario, access_log=False)
    assert [record for record in caplog.records if record.name == "hyperfastapi.access"] == []
