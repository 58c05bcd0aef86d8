"""What clients do: well-behaved visits, whose every request must be answered, and leavers."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.soak.app import FILE_SIZE, pattern
from tests.soak.http_client import Answer, Connection, Unanswered, chunked, request
from tests.soak.websocket_client import BINARY, CLOSE, PING, PONG, TEXT, WebSocketClient, frame

KEPT_FAILURES = 20
LEAVER_SECONDS = 5.0  # how long one who leaves waits for something before it does


@dataclass
class Ledger:
    """What has happened so far, over all clients.

    Attributes:
        asked: requests and messages sent by well-behaved clients.
        answered: those of them that got the right answer.
        visits: visits by the name of their kind.
        failures: what went wrong in well-behaved visits, the first twenty as text.
        failed: how many well-behaved visits went wrong.
    """

    asked: int = 0
    answered: int = 0
    visits: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    failed: int = 0

    def fail(self, text: str) -> None:
        """Note that a well-behaved visit went wrong."""
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(text)


@dataclass
class Visit:
    """A client's stay: where it goes, its dice, and where it is written down."""

    port: int
    rng: random.Random
    ledger: Ledger

    def connection(self) -> Connection:
        """Return a connection that is still to be opened."""
        return Connection(self.port, self.rng)

    def expect(self, good: bool, what: str) -> None:
        """Count one right answer.

        Raises:
            Unanswered: it is not right.
        """
        if not good:
            raise Unanswered(what)
        self.ledger.answered += 1


Check = Callable[[Answer], bool]


def _json(status: int, expected: object) -> Check:
    def check(answer: Answer) -> bool:
        return answer.status == status and json.loads(answer.body) == expected

    return check


def _digest(body: bytes) -> Check:
    return _json(200, {"length": len(body), "checksum": zlib.crc32(body)})


def _simple(visit: Visit) -> tuple[bytes, Check]:
    """Return a request that keeps its connection, and what its answer must be."""
    rng, port = visit.rng, visit.port
    number = rng.randrange(1_000_000)
    kind = rng.randrange(13)
    if kind < 3:
        return request("GET", "/constant", port), _json(200, {"hello": "world"})
    if kind == 3:
        return request("GET", "/def", port), _json(200, {"hello": "thread"})
    if kind < 6:
        expected = {"number": number, "q": "a b", "held": "sync resource"}
        return request("GET", f"/items/{number}?q=a+b", port), _json(200, expected)
    if kind == 6:
        item = {"name": "x" * (number % 100), "price": number / 4, "tags": ["a", "b"]}
        fields = {"content-type": "application/json"}
        body = json.dumps(item).encode()
        return request("POST", "/items", port, fields, body), _json(200, item)
    if kind == 7:
        body = rng.randbytes(rng.choice((0, 1, 100, 5000, 70_000)))
        return request("POST", "/digest", port, body=body), _digest(body)
    if kind == 8:
        body = rng.randbytes(rng.choice((1, 100, 5000, 70_000)))
        return (
            request("POST", "/mirror", port, body=body),
            lambda answer: answer.status == 200 and answer.body == body,
        )
    if kind == 9:
        return request("GET", "/items/none", port), lambda answer: answer.status == 422
    if kind == 10:
        return request("GET", f"/nothing/{number}", port), _json(404, {"detail": "Not Found"})
    if kind == 11:
        return request("DELETE", "/constant", port), lambda answer: answer.status == 405
    expected_detail = {"detail": {"held": "sync resource"}}
    return request("GET", "/teapot", port), _json(418, expected_detail)


# --- well-behaved ---------------------------------------------------------------------------------


async def keep_alive(visit: Visit, connection: Connection) -> None:
    """Ask one thing after another over one connection, sometimes in pieces."""
    for _ in range(visit.rng.randrange(1, 30)):
        data, check = _simple(visit)
        visit.ledger.asked += 1
        await connection.send(data, visit.rng.choice((1, 1, 1, 2, 5)), 0.001)
        answer = await connection.answer()
        visit.expect(check(answer), f"{data[:60]!r} got {answer.status} {answer.body[:80]!r}")


async def pipelined(visit: Visit, connection: Connection) -> None:
    """Ask many things at once; answers must come in order."""
    batch = [_simple(visit) for _ in range(visit.rng.randrange(2, 17))]
    visit.ledger.asked += len(batch)
    await connection.send(b"".join(data for data, _ in batch), visit.rng.choice((1, 3)))
    for data, check in batch:
        answer = await connection.answer()
        visit.expect(check(answer), f"{data[:60]!r} got {answer.status} {answer.body[:80]!r}")


async def chunked_upload(visit: Visit, connection: Connection) -> None:
    """Upload in chunks, then use the connection again."""
    rng = visit.rng
    for _ in range(2):
        body = rng.randbytes(rng.choice((0, 1, 500, 30_000, 200_000)))
        head = request("POST", "/digest", visit.port, {"transfer-encoding": "chunked"})
        visit.ledger.asked += 1
        await connection.send(head + chunked(body, rng, rng.random() < 0.3), rng.choice((1, 4)))
        answer = await connection.answer()
        visit.expect(_digest(body)(answer), f"upload got {answer.status} {answer.body[:80]!r}")


async def expect_continue(visit: Visit, connection: Connection) -> None:
    """Send the body only when the server says that it wants it."""
    body = visit.rng.randbytes(10_000)
    head = request(
        "POST", "/digest", visit.port, {"expect": "100-continue", "content-length": "10000"}
    )
    visit.ledger.asked += 1
    await connection.send(head)
    interim = await asyncio.wait_for(connection.reader.readuntil(b"\r\n\r\n"), 60)
    if not interim.startswith(b"HTTP/1.1 100 "):
        raise Unanswered(f"expect: 100-continue got {interim[:80]!r}")
    await connection.send(body)
    answer = await connection.answer()
    visit.expect(_digest(body)(answer), f"upload got {answer.status} {answer.body[:80]!r}")


async def form_upload(visit: Visit, connection: Connection) -> None:
    """Upload a form with a file, large enough now and then to be kept on disk."""
    content = visit.rng.randbytes(visit.rng.choice((10, 10_000, 1_200_000)))
    body = (
        b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
        + content
        + b"\r\n--edge--\r\n"
    )
    fields = {"content-type": "multipart/form-data; boundary=edge"}
    visit.ledger.asked += 1
    await connection.send(request("POST", "/files", visit.port, fields, body))
    answer = await connection.answer()
    visit.expect(_digest(content)(answer), f"form got {answer.status} {answer.body[:80]!r}")


async def slow_download(visit: Visit, connection: Connection) -> None:
    """Take a large answer with pauses, so that the server has to wait."""
    size = visit.rng.choice((0, 100_000, 1_000_000, 3_000_000))
    visit.ledger.asked += 1
    await connection.send(request("GET", f"/download?size={size}", visit.port))
    answer = await connection.answer(slowly=visit.rng.choice((0.0, 0.005, 0.02)))
    block = pattern(16_384 * 251)
    right = answer.status == 200 and answer.body == (block * (size // len(block) + 1))[:size]
    visit.expect(right, f"download of {size} got {answer.status}, {len(answer.body)} bytes")


async def file_ranges(visit: Visit, connection: Connection) -> None:
    """Take a file whole, or a part of it."""
    content = pattern(FILE_SIZE)
    for _ in range(visit.rng.randrange(1, 4)):
        start = visit.rng.randrange(FILE_SIZE)
        end = min(start + visit.rng.randrange(300_000), FILE_SIZE - 1)
        whole = visit.rng.random() < 0.3
        fields = {} if whole else {"range": f"bytes={start}-{end}"}
        visit.ledger.asked += 1
        await connection.send(request("GET", "/file", visit.port, fields))
        answer = await connection.answer(slowly=visit.rng.choice((0.0, 0.0, 0.005)))
        expected = (200, content) if whole else (206, content[start : end + 1])
        visit.expect(
            (answer.status, answer.body) == expected,
            f"file {fields} got {answer.status}, {len(answer.body)} bytes",
        )


async def streams(visit: Visit, connection: Connection) -> None:
    """Take answers whose length nobody knows beforehand."""
    for _ in range(visit.rng.randrange(1, 4)):
        count = visit.rng.randrange(50)
        path = visit.rng.choice(("/thread-stream?", f"/stream?pause={visit.rng.random() / 100}&"))
        visit.ledger.asked += 1
        await connection.send(request("GET", f"{path}count={count}", visit.port))
        answer = await connection.answer()
        lines = [f"line {number}" for number in range(count)]
        right = answer.status == 200 and answer.body.decode().splitlines() == lines
        visit.expect(right, f"{path} got {answer.status} {answer.body[-80:]!r}")


async def slow_handlers(visit: Visit, connection: Connection) -> None:
    """Wait for handlers that take their time, on the loop and in threads."""
    for _ in range(visit.rng.randrange(1, 4)):
        pause = visit.rng.choice((0.0, 0.01, 0.1))
        path = visit.rng.choice(("/slow", "/slow-def"))
        visit.ledger.asked += 1
        await connection.send(request("GET", f"{path}?pause={pause}", visit.port))
        answer = await connection.answer()
        visit.expect(_json(200, {"pause": pause})(answer), f"{path} got {answer.status}")


async def slow_client(visit: Visit, connection: Connection) -> None:
    """Send a request in dribs and drabs, but within what a server may expect."""
    data, check = _simple(visit)
    visit.ledger.asked += 1
    await connection.send(data[:200], 12, 0.1)
    await connection.send(data[200:] or b"", 3, 0.1)
    answer = await connection.answer()
    visit.expect(check(answer), f"{data[:60]!r} got {answer.status} {answer.body[:80]!r}")


async def http_1_0(visit: Visit, connection: Connection) -> None:
    """Ask as an HTTP/1.0 client does; the connection ends with the answer."""
    visit.ledger.asked += 1
    await connection.send(b"GET /constant HTTP/1.0\r\n\r\n")
    answer = await connection.answer()
    right = _json(200, {"hello": "world"})(answer) and await connection.ended()
    visit.expect(right, f"HTTP/1.0 got {answer.status} {answer.body[:80]!r}")


async def close_wanted(visit: Visit, connection: Connection) -> None:
    """Ask with ``connection: close``; the server must close behind its answer."""
    visit.ledger.asked += 1
    await connection.send(request("GET", "/constant", visit.port, {"connection": "close"}))
    answer = await connection.answer()
    right = _json(200, {"hello": "world"})(answer) and await connection.ended()
    visit.expect(right, f"connection: close got {answer.status}")


async def unhandled_error(visit: Visit, connection: Connection) -> None:
    """Cause an error that the application does not handle."""
    visit.ledger.asked += 1
    await connection.send(request("GET", "/error", visit.port))
    answer = await connection.answer()
    visit.expect(answer.status == 500, f"/error got {answer.status}")


async def cut_answer(visit: Visit, connection: Connection) -> None:
    """Cause an error in the middle of an answer, which must not look complete."""
    visit.ledger.asked += 1
    await connection.send(request("GET", "/error-midway", visit.port))
    try:
        answer = await connection.answer()
    except Unanswered as error:
        visit.expect(str(error).startswith("cut after"), f"/error-midway: {error}")
    else:
        raise Unanswered(f"/error-midway looks complete: {answer.status} {answer.body!r}")


async def nonsense(visit: Visit, connection: Connection) -> None:
    """Send what is no HTTP; the server must refuse it and close."""
    garbage = visit.rng.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + visit.rng.randbytes(200),
            b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            b"GET /\r\n\r\n\r\n\r\n",
        )
    )
    visit.ledger.asked += 1
    await connection.send(garbage)
    try:
        answer = await connection.answer()
    except Unanswered as error:
        # Closed without a word is a refusal, too; silence is not.
        visit.expect(not str(error).startswith("no answer"), f"{garbage[:30]!r}: {error}")
        return
    right = 400 <= answer.status < 600 and await connection.ended()
    visit.expect(right, f"{garbage[:30]!r} got {answer.status}")


async def websocket_talk(visit: Visit, connection: Connection) -> None:
    """Exchange messages of all sizes, in one frame or in fragments, and close in order."""
    rng = visit.rng
    socket = WebSocketClient(connection)
    visit.ledger.asked += 1
    status = await socket.open("/echo")
    visit.expect(status == 101, f"WebSocket got {status}")
    for _ in range(rng.randrange(20)):
        visit.ledger.asked += 1
        if rng.random() < 0.2:
            payload = rng.randbytes(rng.randrange(126))
            await socket.send(PING, payload)
            received = await socket.receive()
            visit.expect(received == (PONG, payload), f"ping got {received[0]}")
            continue
        size = rng.choice((0, 1, 125, 126, 5000, 65_536, 200_000))
        if rng.random() < 0.5:
            sent = (TEXT, ("é" * size)[:size].encode())
        else:
            sent = (BINARY, rng.randbytes(size))
        await socket.send(*sent, fragments=rng.choice((1, 1, 2, 5)))
        received = await socket.receive()
        visit.expect(received == sent, f"message of {len(sent[1])} came back {len(received[1])}")
    visit.ledger.asked += 1
    visit.expect(await socket.close() == 1000, "close was not answered with its own code")


async def websocket_ticks(visit: Visit, connection: Connection) -> None:
    """Listen to a server that sends by itself, then close while it does."""
    socket = WebSocketClient(connection)
    visit.ledger.asked += 1
    status = await socket.open("/ticks")
    visit.expect(status == 101, f"WebSocket got {status}")
    for number in range(visit.rng.randrange(20)):
        visit.ledger.asked += 1
        _, payload = await socket.receive()
        visit.expect(json.loads(payload) == {"tick": number}, f"tick {number} was {payload!r}")
    visit.ledger.asked += 1
    visit.expect(await socket.close() == 1000, "close was not answered with its own code")


async def websocket_refused(visit: Visit, connection: Connection) -> None:
    """Ask for a WebSocket where there is none, or where it is refused."""
    visit.ledger.asked += 1
    status = await WebSocketClient(connection).open(visit.rng.choice(("/closed", "/none")))
    visit.expect(status == 403, f"refused WebSocket got {status}")


# --- leavers --------------------------------------------------------------------------------------


async def leave_at_once(_: Visit, __: Connection) -> None:
    """Connect and leave."""


async def leave_in_head(visit: Visit, connection: Connection) -> None:
    """Leave in the middle of a request's head."""
    data = request("GET", "/items/5", visit.port, {"x-long": "y" * 2000})
    await connection.send(data[: visit.rng.randrange(1, len(data))])


async def leave_in_body(visit: Visit, connection: Connection) -> None:
    """Leave in the middle of a request's body, before or after the handler has begun to read."""
    rng = visit.rng
    body = rng.randbytes(300_000)
    path = rng.choice(("/digest", "/mirror", "/items", "/files", "/constant"))
    fields = {
        "/items": {"content-type": "application/json"},
        "/files": {"content-type": "multipart/form-data; boundary=edge"},
    }.get(path, {})
    if rng.random() < 0.5:
        head = request("POST", path, visit.port, {**fields, "transfer-encoding": "chunked"})
        data = head + chunked(body, rng)
    else:
        data = request("POST", path, visit.port, fields, body)
    await connection.send(data[: rng.randrange(100, len(data))], rng.choice((1, 3)), 0.01)
    await asyncio.sleep(rng.choice((0.0, 0.01)))


async def leave_in_answer(visit: Visit, connection: Connection) -> None:
    """Leave in the middle of an answer, large, streamed or endless."""
    rng = visit.rng
    path = rng.choice(
        ("/download?size=3000000", "/stream?count=1000&pause=0.01", "/endless", "/file")
    )
    await connection.send(request("GET", path, visit.port))
    await asyncio.wait_for(connection.reader.read(rng.randrange(1, 200_000)), LEAVER_SECONDS)
    await asyncio.sleep(rng.choice((0.0, 0.0, 0.05)))


async def leave_before_answer(visit: Visit, connection: Connection) -> None:
    """Leave while a handler works on the answer."""
    path = visit.rng.choice(("/slow?pause=0.1", "/slow-def?pause=0.05", "/def", "/constant"))
    await connection.send(request("GET", path, visit.port))
    await asyncio.sleep(visit.rng.choice((0.0, 0.001, 0.03)))


async def leave_in_pipeline(visit: Visit, connection: Connection) -> None:
    """Leave with many requests unanswered, the last of them cut."""
    batch = b"".join(_simple(visit)[0] for _ in range(visit.rng.randrange(2, 30)))
    await connection.send(batch[: visit.rng.randrange(1, len(batch))])
    if visit.rng.random() < 0.5:
        await asyncio.wait_for(connection.reader.read(100), LEAVER_SECONDS)


async def stop_reading(visit: Visit, connection: Connection) -> None:
    """Ask for much, read nothing for a while, and leave."""
    await connection.send(request("GET", "/download?size=50000000", visit.port))
    await asyncio.sleep(visit.rng.choice((0.1, 1.0)))


async def stall_in_head(visit: Visit, connection: Connection) -> None:
    """Send half a head, and wait before leaving."""
    await connection.send(b"GET /constant HTTP/1.1\r\nhost: x\r\nx-sta")
    await asyncio.sleep(visit.rng.choice((0.5, 3.0)))


async def half_close(visit: Visit, connection: Connection) -> None:
    """Say that nothing more will come, and read whatever the server makes of it."""
    await connection.send(request("GET", "/stream?count=5&pause=0.01", visit.port))
    connection.writer.write_eof()
    await asyncio.wait_for(connection.reader.read(1_000_000), LEAVER_SECONDS)


async def leave_in_frame(visit: Visit, connection: Connection) -> None:
    """Leave a WebSocket in the middle of a frame, of a message, or of the server's sending."""
    rng = visit.rng
    socket = WebSocketClient(connection)
    if await socket.open(rng.choice(("/echo", "/ticks"))) != 101:
        return
    whole = frame(BINARY, rng.randbytes(100_000), rng)
    part = frame(TEXT, b"a part", rng, final=False)
    await connection.send(
        rng.choice((whole[: rng.randrange(1, len(whole))], part, frame(PING, b"", rng), whole))
    )
    await asyncio.sleep(rng.choice((0.0, 0.02)))


async def leave_after_close_frame(_: Visit, connection: Connection) -> None:
    """Close a WebSocket, and leave without waiting for the answer."""
    socket = WebSocketClient(connection)
    if await socket.open("/ticks") == 101:
        await socket.send(CLOSE, b"\x03\xe8")


async def break_websocket(visit: Visit, connection: Connection) -> None:
    """Break RFC 6455 in a WebSocket: unmasked, reserved bits, unknown opcodes, not UTF-8."""
    rng = visit.rng
    socket = WebSocketClient(connection)
    if await socket.open("/echo") != 101:
        return
    await connection.send(
        rng.choice(
            (
                b"\x81\x05hello",
                b"\xf1\x80" + rng.randbytes(4),
                frame(0x7, b"", rng),
                frame(TEXT, b"\xff\xfe", rng),
                frame(PING, b"x" * 200, rng),
                b"\x82\xff" + b"\xff" * 8,
            )
        )
    )
    await asyncio.wait_for(connection.reader.read(1000), LEAVER_SECONDS)


Behaviour = Callable[[Visit, Connection], Awaitable[None]]

# Each with its weight: how often it is chosen.
WELL_BEHAVED: dict[Behaviour, int] = {
    keep_alive: 20,
    pipelined: 10,
    chunked_upload: 5,
    expect_continue: 2,
    form_upload: 2,
    slow_download: 3,
    file_ranges: 3,
    streams: 5,
    slow_handlers: 4,
    slow_client: 2,
    http_1_0: 2,
    close_wanted: 2,
    unhandled_error: 2,
    cut_answer: 2,
    nonsense: 3,
    websocket_talk: 6,
    websocket_ticks: 4,
    websocket_refused: 2,
}

LEAVERS: dict[Behaviour, int] = {
    leave_at_once: 2,
    leave_in_head: 3,
    leave_in_body: 5,
    leave_in_answer: 5,
    leave_before_answer: 4,
    leave_in_pipeline: 4,
    stop_reading: 2,
    stall_in_head: 1,
    half_close: 2,
    leave_in_frame: 4,
    leave_after_close_frame: 2,
    break_websocket: 3,
}


async def _stay(visit: Visit, behaviour: Behaviour) -> None:
    connection = visit.connection()
    try:
        await connection.open()
        await behaviour(visit, connection)
    finally:
        connection.leave(reset=visit.rng.random() < 0.5)


async def one_visit(port: int, rng: random.Random, ledger: Ledger, label: str) -> None:
    """Choose a behaviour, and behave so once.

    Args:
        port: the server's port.
        rng: the dice of this client.
        ledger: where what happens is written down.
        label: names the visit in failures.
    """
    choices: dict[Behaviour, int] = {**WELL_BEHAVED, **LEAVERS}
    (behaviour,) = rng.choices(list(choices), list(choices.values()))
    name = getattr(behaviour, "__name__", repr(behaviour))
    visit = Visit(port, rng, ledger)
    ledger.visits[name] += 1
    try:
        await _stay(visit, behaviour)
    except (Unanswered, OSError, asyncio.TimeoutError, ValueError, EOFError) as error:
        if behaviour in WELL_BEHAVED:
            ledger.fail(f"{name} ({label}): {type(error).__name__}: {error}")


def behaviours() -> list[str]:
    """Return the names of all behaviours, leavers marked."""
    marks: list[tuple[dict[Behaviour, int], str]] = [(WELL_BEHAVED, ""), (LEAVERS, " (leaves)")]
    return [
        f"{getattr(entry, '__name__', entry)}{mark}" for group, mark in marks for entry in group
    ]
