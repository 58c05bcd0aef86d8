"""The bounds of what costs an HTTP/2 client nothing are settings; tests/attacks runs into them."""

from __future__ import annotations

import struct
import time

import pytest
from served_process import Run

from tests.attacks.attack import rapid_reset, streams
from tests.protocols.http2_client import (
    CONTINUATION,
    ENHANCE_YOUR_CALM,
    HEADERS,
    PING,
    PRIORITY,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Connection,
    frame,
)  # fmt: skip

#: More than a socket takes for a client that does not read, in steps that an output always holds.
STEP = 8192
STEPS = 1000

HEAD_THAT_GOES_ON = frame(HEADERS, b"", flags=1, stream=1)


@pytest.mark.parametrize(
    ("flag", "attack"),
    [
        ("--limit-h2-resets", streams(rapid_reset, 3)),
        ("--limit-h2-pings", frame(PING, bytes(8)) * 3),
        ("--limit-h2-settings", frame(SETTINGS) * 3),
        ("--limit-h2-priorities", frame(PRIORITY, struct.pack("!IB", 0, 1), stream=3) * 3),
        ("--limit-h2-windows", frame(WINDOW_UPDATE, struct.pack("!I", 1)) * 3),
        ("--limit-h2-continuations", HEAD_THAT_GOES_ON + frame(CONTINUATION, b"", stream=1) * 3),
    ],
)
def test_bound_is_a_setting(serve: Run, flag: str, attack: bytes) -> None:
    with Http2Connection(serve("main:app", flag, "2").port) as connection:
        connection.send_raw(attack)
        connection.read_goaway()
    assert connection.goaway_code == ENHANCE_YOUR_CALM


def test_a_full_socket_beside_a_stream_without_a_window_holds_up_nobody(serve: Run) -> None:
    """One stream has to wait for its window, and what others send for a client that never reads."""
    port = serve("main:app").port
    with Http2Connection(port) as connection:
        no_window = frame(SETTINGS, struct.pack("!HI", 4, 0))
        connection.send_raw(no_window + window(0, 2**31 - 1 - 65535))
        connection.request("/flood")
        filler = connection.request("/flood")
        for _ in range(STEPS):
            connection.send_raw(window(filler, STEP))
            time.sleep(0.001)
        with Http2Connection(port) as other:
            assert other.get("/").status == 200


def window(stream: int, size: int) -> bytes:
    """A client's leave to send so much more."""
    return frame(WINDOW_UPDATE, struct.pack("!I", size), stream=stream)
