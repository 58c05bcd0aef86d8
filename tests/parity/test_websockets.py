"""WebSockets: handshakes, messages and the ways in which they end, as raw bytes."""

import re
import zlib

import pytest

from .applications import get

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = get(
    "/ws?a=b", "connection: Upgrade", "upgrade: websocket", f"sec-websocket-key: {KEY}",
    "sec-websocket-version: 13",
)  # fmt: skip


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A masked frame from a client; the mask of zeros leaves the payload readable."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def connecting(*steps):
    """An application that takes `steps`: a message to send, or "receive"."""

    def make(seen):
        async def app(scope, receive, send):
            for step in steps:
                if step == "receive":
                    seen.append(await receive())
                    continue
                try:
                    await send(step)
                except Exception as exception:
                    seen.append(type(exception).__name__)

        return app

    return make


ACCEPT = {"type": "websocket.accept"}


def talk(*frames: bytes):
    """Shake hands, send frames, read until the server closes."""

    def script(wire):
        wire.send(HANDSHAKE)
        head = wire.response()
        for data in frames:
            wire.send(data)
        return head + wire.rest()

    return script


def test_echo_of_text_and_binary_and_the_clients_close(parity):
    app = connecting(
        "receive", ACCEPT, "receive", {"type": "websocket.send", "text": "é"},
        "receive", {"type": "websocket.send", "bytes": b"\0\1"}, "receive",
    )  # fmt: skip
    close = frame(8, b"\x03\xe8bye")

    def script(wire):
        wire.send(HANDSHAKE)
        received = wire.response()
        wire.send(frame(1, "ü".encode()))
        received += wire.take(4)
        wire.send(frame(2, b"\xff"))
        received += wire.take(4)
        wire.send(close)
        return received + wire.rest()

    outcome = parity(app, script)
    assert outcome.seen[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": "bye"}


def test_subprotocol_and_headers_of_the_accept(parity):
    """I117."""
    accept = {**ACCEPT, "subprotocol": "chat", "headers": [(b"X-Extra", b"yes")]}
    outcome = parity(connecting("receive", accept), talk())
    assert b"sec-websocket-protocol: chat" in outcome.wire.lower()


def test_close_before_accept_is_403_with_an_empty_body(parity):
    outcome = parity(
        connecting("receive", {"type": "websocket.close"}, "receive"),
        # uvicorn leaves its own headers out here
        lambda wire: re.sub(
            rb"server: [^\r]*\r\n", b"", (wire.send(HANDSHAKE), wire.rest().lower())[1]
        ),
    )
    assert outcome.wire.startswith(b"http/1.1 403 forbidden\r\n")


def test_a_denial_response(parity):
    """I117."""
    app = connecting(
        "receive",
        {"type": "websocket.http.response.start", "status": 401,
         "headers": [(b"www-authenticate", b"Basic")]},
        {"type": "websocket.http.response.body", "body": b"no ", "more_body": True},
        {"type": "websocket.http.response.body", "body": b"entry"},
    )  # fmt: skip
    outcome = parity(
        app, lambda wire: (wire.send(HANDSHAKE), wire.rest())[1].split(b"\r\n\r\n")[1], logged=False
    )
    assert outcome.wire == b"no entry"


def test_the_applications_close_is_sent_with_its_code_and_reason(parity):
    close = {"type": "websocket.close", "code": 4001, "reason": "enough"}
    answer = frame(8, b"\x0f\xa1")
    parity(connecting("receive", ACCEPT, close, "receive"), talk(answer))


def test_sending_after_the_close_raises(parity):
    steps = ("receive", ACCEPT, {"type": "websocket.close"}, {"type": "websocket.send", "text": ""})
    assert parity(connecting(*steps), talk(frame(8))).seen[-1] == "RuntimeError"


def test_a_ping_is_answered_with_its_payload(parity):
    outcome = parity(
        connecting("receive", ACCEPT, "receive"), talk(frame(9, b"hi"), frame(8, b"\x03\xe8"))
    )
    assert b"\x8a\x02hi" in outcome.wire


@pytest.mark.parametrize(
    "data",
    [frame(8), frame(8, b"\x03"), frame(1, b"\xff"), frame(3), b"\x81\x01a", b"\xf1\x80\0\0\0\0"],
    ids=["close-without-code", "close-cut", "not-utf-8", "opcode", "unmasked", "reserved-bits"],
)
def test_what_breaks_the_protocol_is_closed_with_the_same_code(parity, data):
    def script(wire):
        wire.send(HANDSHAKE)
        head = wire.response()
        wire.send(data)
        rest = wire.rest()
        return head + rest[:1] + rest[2:4]  # the reason's words are each server's own

    def make(seen):
        async def app(scope, receive, send):
            await receive()
            await send(ACCEPT)
            event = await receive()
            seen.append((event["type"], event["code"]))

        return app

    parity(make, script, logged=False)


def test_an_exception_before_the_accept_is_a_500(parity):
    def make(seen):
        async def app(scope, receive, send):
            raise ValueError("no")

        return app

    def script(wire):
        wire.send(HANDSHAKE)
        return wire.rest().split(b"\r\n", 1)[0]

    assert parity(make, script).wire == b"HTTP/1.1 500 Internal Server Error"


def test_an_exception_after_the_accept_ends_the_connection_without_a_close_frame(parity):
    def make(seen):
        async def app(scope, receive, send):
            await receive()
            await send(ACCEPT)
            raise ValueError("no")

        return app

    parity(make, talk())


def test_the_scope(parity):
    def make(seen):
        async def app(scope, receive, send):
            shown = {key: value for key, value in scope.items() if key not in ("client", "server")}
            shown["headers"] = list(shown["headers"])
            seen.append(shown)
            await receive()
            await send({"type": "websocket.close"})

        return app

    request = HANDSHAKE[:-2] + b"sec-websocket-protocol: a, b,,c\r\n\r\n"
    parity(make, lambda wire: (wire.send(request), wire.rest())[1].split(b"\r\n")[0])


class Packer:
    """Messages as a client compresses them, in one window."""

    def __init__(self, window_bits: int = 12) -> None:
        self._stream = zlib.compressobj(wbits=-window_bits)

    def __call__(self, message: bytes) -> bytes:
        """The payload of a message."""
        return (self._stream.compress(message) + self._stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def packed_frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame of a compressed message."""
    return bytes([frame(opcode)[0] | 0x40]) + frame(opcode, payload)[1:]


OFFERS = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits=15; server_max_window_bits=9",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    'permessage-deflate; server_max_window_bits="10"',
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate",
    "x-other, permessage-deflate; unknown, permessage-deflate; client_max_window_bits",
    "Permessage-Deflate",
]


@pytest.mark.parametrize("offer", OFFERS)
def test_offers_of_compression_are_answered_alike(parity, offer):
    request = HANDSHAKE[:-2] + f"sec-websocket-extensions: {offer}\r\n\r\n".encode()

    def script(wire):
        wire.send(request)
        return wire.rest()

    parity(connecting("receive", ACCEPT, {"type": "websocket.send", "text": "Hello" * 10},
                      {"type": "websocket.send", "text": "Hello"},
                      {"type": "websocket.send", "bytes": b""},
                      {"type": "websocket.send", "bytes": bytes(range(100))}),
           script, ws_per_message_deflate=True)  # fmt: skip


def compressing(*frames: bytes, offer: str = "permessage-deflate"):
    """Agree on compression, send frames, read until the server closes."""

    def script(wire):
        wire.send(HANDSHAKE[:-2] + f"sec-websocket-extensions: {offer}\r\n\r\n".encode())
        head = wire.response()
        for data in frames:
            wire.send(data)
        rest = wire.rest()
        return head + (rest[:1] + rest[2:4] if rest[:1] == b"\x88" else rest)

    return script


def test_compressed_messages_arrive_whole(parity):
    pack = Packer()
    script = compressing(
        packed_frame(1, pack("Grüße".encode())), packed_frame(2, pack(b"x" * 5000)),
        frame(1, b"plain"), packed_frame(1, pack("Grüße".encode())), frame(8, b"\x03\xe8"),
    )  # fmt: skip
    outcome = parity(
        connecting("receive", ACCEPT, *["receive"] * 5), script, ws_per_message_deflate=True
    )
    assert [event.get("text", event.get("bytes")) for event in outcome.seen[1:5]] == [
        "Grüße", b"x" * 5000, "plain", "Grüße",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [packed_frame(1, b"\xff\xff"), packed_frame(1, b"\x00\x01\x00\xfe\xff\xff\x00"),
     packed_frame(2, Packer()(b"x" * 2000)), packed_frame(9, b""), packed_frame(0, b"")],
    ids=["not-deflate", "not-utf-8", "too-large", "ping", "continuation"],
)  # fmt: skip
def test_what_breaks_the_rules_of_compression_is_closed_with_the_same_code(parity, data):
    def make(seen):
        async def app(scope, receive, send):
            await receive()
            await send(ACCEPT)
            event = await receive()
            seen.append((event["type"], event["code"]))

        return app

    parity(make, compressing(data), logged=False, ws_per_message_deflate=True, ws_max_size=1000)


def test_compression_can_be_switched_off(parity):
    outcome = parity(
        connecting("receive", ACCEPT, {"type": "websocket.send", "text": "Hello"}),
        compressing(), ws_per_message_deflate=False,
    )  # fmt: skip
    assert b"extensions" not in outcome.wire.lower()


def test_an_upgrade_to_something_else_is_an_ordinary_request(parity):
    def make(seen):
        async def app(scope, receive, send):
            seen.append(scope["type"])
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"0")]})  # fmt: skip
            await send({"type": "http.response.body"})

        return app

    assert parity(make, get("/", "connection: upgrade", "upgrade: h2c")).seen == ["http"]


def test_a_ping_without_a_pong_is_1011_to_the_client_and_1005_to_the_application(parity):
    """The application hears what it hears of every connection that ends without a close frame."""

    def script(wire):
        wire.send(HANDSHAKE)
        received = wire.response() + wire.rest()
        without_pings, pings = re.subn(rb"(?s)\x89\x04.{4}", b"", received)
        assert pings == 1
        return without_pings

    app = connecting("receive", ACCEPT, "receive")
    outcome = parity(app, script, ws_ping_interval=0.05, ws_ping_timeout=0.05)
    assert outcome.wire.endswith(b"\x88\x18\x03\xf3keepalive ping timeout")
    assert outcome.seen[-1] == {"type": "websocket.disconnect", "code": 1005}


def test_what_answers_a_message_is_sent_before_a_close_behind_it_counts(ours):
    """All of it in one segment: uvicorn reads the close first and drops the answers."""
    app = connecting(
        "receive", ACCEPT, "receive", {"type": "websocket.send", "text": "1"},
        "receive", {"type": "websocket.send", "text": "2"}, "receive",
    )  # fmt: skip
    outcome = ours(app, talk(frame(1, b"a") + frame(1, b"b") + frame(8, b"\x03\xe8")))
    assert outcome.wire.endswith(b"\x81\x011\x81\x012\x88\x02\x03\xe8")
