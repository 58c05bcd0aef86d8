"""The attacks: what a connection sends again and again, and what the server counts of it."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable

from tests.protocols.http2_client import (
    CONTINUATION,
    DATA,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

MANY = 3000
PRIORITY_UPDATE, UNKNOWN = 0x10, 0xEE
INITIAL_WINDOW_SIZE = 4
ENDS, COMPLETE = 5, 4  # END_HEADERS with END_STREAM, and alone


def request(path: str = "/") -> bytes:
    """A head in HPACK: GET, http, authority "a", static table and literals alone."""
    return b"\x82\x86\x41\x01a" + b"\x04" + bytes([len(path)]) + path.encode()


@dataclasses.dataclass(frozen=True)
class Attack:
    """What one connection sends behind the preface and its SETTINGS.

    Attributes:
        name: what it is called by.
        data: the bytes.
        counter: the server's counter of connections that were ended for it.
        holds: stay connected without reading; otherwise begin again once the server has closed.
        settings: the payload of the client's SETTINGS.
    """

    name: str
    data: bytes
    counter: str
    holds: bool = False
    settings: bytes = b""

    @property
    def bytes(self) -> bytes:
        """All that is sent."""
        return PREFACE + frame(SETTINGS, self.settings) + self.data


def streams(make: Callable[[int], bytes], count: int = MANY) -> bytes:
    """What `make` gives for each of many streams that were not used before."""
    return b"".join(make(1 + 2 * number) for number in range(count))


def rapid_reset(stream: int) -> bytes:
    head = frame(HEADERS, request(), flags=ENDS, stream=stream)
    return head + frame(RST_STREAM, struct.pack("!I", 8), stream=stream)


def _made_you_reset(stream: int) -> bytes:
    head = frame(HEADERS, request("/sleep"), flags=ENDS, stream=stream)
    return head + frame(WINDOW_UPDATE, struct.pack("!I", 2**31 - 1), stream=stream)


def _flood(stream: int) -> bytes:
    return frame(HEADERS, request("/flood"), flags=ENDS, stream=stream)


# One entry of 4,000 bytes in the decoder's table, then named again and again.
_BOMB = request() + b"\x40\x01x\x7f\xa1\x1e" + b"a" * 4000 + b"\xbe" * 12_000

ATTACKS = (
    Attack("rapid-reset", streams(rapid_reset), "h2_reset_floods"),
    Attack("made-you-reset", streams(_made_you_reset), "h2_error_floods"),
    Attack(
        "continuations",
        frame(HEADERS, b"", flags=1, stream=1) + frame(CONTINUATION, b"", stream=1) * MANY,
        "h2_continuation_floods",
    ),
    Attack("settings", frame(SETTINGS) * MANY, "h2_settings_floods"),
    Attack("pings", frame(PING, bytes(8)) * MANY, "h2_ping_floods"),
    Attack(
        "priorities",
        frame(PRIORITY, struct.pack("!IB", 0, 1), stream=3) * MANY,
        "h2_priority_floods",
    ),
    Attack(
        "priority-updates",
        frame(PRIORITY_UPDATE, struct.pack("!I", 1) + b"u=0") * MANY,
        "h2_priority_floods",
    ),
    Attack("unknown-frames", frame(UNKNOWN, b"x", stream=1) * MANY, "h2_priority_floods"),
    Attack("windows", frame(WINDOW_UPDATE, struct.pack("!I", 1)) * MANY, "h2_window_floods"),
    Attack(
        "empty-data",
        frame(HEADERS, request("/sleep"), flags=COMPLETE, stream=1) + frame(DATA, stream=1) * MANY,
        "h2_empty_floods",
    ),
    Attack("hpack-bomb", frame(HEADERS, _BOMB, flags=ENDS, stream=1), "h2_head_floods"),
    Attack(
        "zero-window",
        streams(_flood, 100),
        "h2_stalled_streams",
        holds=True,
        settings=struct.pack("!HI", INITIAL_WINDOW_SIZE, 0),
    ),
    Attack(
        "never-reading",
        frame(WINDOW_UPDATE, struct.pack("!I", 2**30)) + streams(_flood, 100),
        "h2_stalled_streams",
        holds=True,
        settings=struct.pack("!HI", INITIAL_WINDOW_SIZE, 2**30),
    ),
)
