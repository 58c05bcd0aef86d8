"""What costs an HTTP/2 client nothing is bounded, and a client beside it is served on."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from served_process import Run

from tests.protocols.http2_client import (
    CONTINUATION,
    DATA,
    ENHANCE_YOUR_CALM,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Connection,
    frame,
)  # fmt: skip

REQUEST = b"\x82\x84\x86\x41\x01a"  # GET, /, http, authority "a": static table and one literal
MANY = 3000


def streams(make: Callable[[int], bytes]) -> bytes:
    """What `make` gives for each of many streams that were not used before."""
    return b"".join(make(1 + 2 * number) for number in range(MANY))


def rapid_reset(stream: int) -> bytes:
    head = frame(HEADERS, REQUEST, flags=5, stream=stream)
    return head + frame(RST_STREAM, struct.pack("!I", 8), stream=stream)


def made_you_reset(stream: int) -> bytes:
    head = frame(HEADERS, REQUEST.replace(b"\x84", b"\x04\x06/sleep"), flags=5, stream=stream)
    return head + frame(WINDOW_UPDATE, struct.pack("!I", 2**31 - 1), stream=stream)


def continuations(_: int) -> bytes:
    return frame(HEADERS, b"", flags=1, stream=1) + frame(CONTINUATION, b"", stream=1) * MANY


FLOODS = {
    "rapid reset": streams(rapid_reset),
    "made you reset": streams(made_you_reset),
    "continuations": continuations(1),
    "settings": frame(SETTINGS) * MANY,
    "pings": frame(PING, bytes(8)) * MANY,
    "priorities": frame(PRIORITY, struct.pack("!IB", 0, 1), stream=3) * MANY,
    "priority updates": frame(0x10, struct.pack("!I", 1) + b"u=0") * MANY,
    "unknown frames": frame(0xEE, b"x", stream=1) * MANY,
    "windows": frame(WINDOW_UPDATE, struct.pack("!I", 1)) * MANY,
    "empty data": frame(HEADERS, REQUEST, flags=4, stream=1) + frame(DATA, stream=1) * MANY,
    # One entry of 4,000 bytes in the decoder's table, then named again and again.
    "head that unpacks": frame(
        HEADERS, REQUEST + b"\x40\x01x\x7f\xa1\x1e" + b"a" * 4000 + b"\xbe" * 12_000,
        flags=5, stream=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_ends_its_connection_and_no_other(serve: Run, flood: str) -> None:
    port = serve("main:app", "--no-access-log").port
    with Http2Connection(port) as beside, Http2Connection(port) as flooding:
        assert beside.get().status == 200
        try:
            flooding.send_raw(FLOODS[flood])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was ended before all was sent
        flooding.read_goaway()
        assert beside.get().status == 200
    assert flooding.goaway_code in (ENHANCE_YOUR_CALM, None)


@pytest.mark.parametrize(
    ("flag", "attack"),
    [
        ("--limit-h2-resets", rapid_reset(1) + rapid_reset(3) + rapid_reset(5)),
        ("--limit-h2-pings", frame(PING, bytes(8)) * 3),
        ("--limit-h2-settings", frame(SETTINGS) * 3),
        ("--limit-h2-priorities", frame(PRIORITY, struct.pack("!IB", 0, 1), stream=3) * 3),
        ("--limit-h2-windows", frame(WINDOW_UPDATE, struct.pack("!I", 1)) * 3),
        ("--limit-h2-continuations", continuations(1)[: 9 + 3 * 9]),
    ],
)
def test_bound_is_a_setting(serve: Run, flag: str, attack: bytes) -> None:
    with Http2Connection(serve("main:app", flag, "2").port) as connection:
        connection.send_raw(attack)
        connection.read_goaway()
    assert connection.goaway_code == ENHANCE_YOUR_CALM
