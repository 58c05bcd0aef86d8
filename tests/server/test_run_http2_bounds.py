"""The bounds of what costs an HTTP/2 client nothing are settings; tests/attacks runs into them."""

from __future__ import annotations

import struct

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
