"""What the soak test takes for a leak, and what its WebSocket client sends."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.soak.census import Bounds, Census, judge
from tests.soak.websocket_client import BINARY, TEXT, frame

BEFORE = Census(
    pids=(10, 11),
    resident=50_000_000,
    files=12,
    objects=50_000,
    blocks=200_000,
    tasks=3,
    threads=10,
    left_open={},
)


def failed(after: Census) -> list[str]:
    """Return the names of the checks that fail."""
    return [name for name, good, _ in judge(BEFORE, after, Bounds()) if not good]


def test_the_same_state_passes() -> None:
    assert failed(BEFORE) == []


def test_less_than_before_passes() -> None:
    fewer = replace(BEFORE, resident=1, files=1, objects=1, blocks=1, tasks=1, threads=1)
    assert failed(fewer) == []


def test_growth_up_to_the_bounds_passes() -> None:
    bounds = Bounds()
    after = replace(
        BEFORE,
        resident=BEFORE.resident + bounds.resident,
        files=BEFORE.files + bounds.files,
        objects=BEFORE.objects + bounds.objects,
        blocks=BEFORE.blocks + bounds.blocks,
        threads=BEFORE.threads + bounds.threads,
    )
    assert failed(after) == []


@pytest.mark.parametrize(
    ("after", "check"),
    [
        (replace(BEFORE, pids=(10, 12)), "the same processes serve"),
        (replace(BEFORE, pids=(10,)), "the same processes serve"),
        (replace(BEFORE, left_open={"streams": 1}), "all that requests opened is closed"),
        (replace(BEFORE, left_open={"streams": -1}), "all that requests opened is closed"),
        (replace(BEFORE, tasks=4), "no asyncio task is left over"),
        (replace(BEFORE, resident=70_000_000), "resident memory grew"),
        (replace(BEFORE, files=17), "open files grew"),
        (replace(BEFORE, objects=52_001), "live Python objects grew"),
        (replace(BEFORE, blocks=210_001), "allocated Python blocks grew"),
        (replace(BEFORE, threads=51), "threads grew"),
    ],
)
def test_what_is_left_over_fails_its_own_check(after: Census, check: str) -> None:
    (name,) = failed(after)
    assert name.startswith(check)


def test_masked_frame_is_that_of_rfc_6455() -> None:
    """The example of RFC 6455 5.7: a single-frame masked text message, "Hello"."""

    class Dice(random.Random):
        def randbytes(self, n: int) -> bytes:
            return bytes.fromhex("37fa213d")[:n]

    assert frame(TEXT, b"Hello", Dice()) == bytes.fromhex("818537fa213d7f9f4d5158")


@pytest.mark.parametrize(
    ("size", "head"),
    [(125, "82fd"), (126, "82fe007e"), (65535, "82feffff"), (65536, "82ff0000000000010000")],
)
def test_frame_lengths_take_the_shortest_form(size: int, head: str) -> None:
    made = frame(BINARY, bytes(size), random.Random(1))
    assert made[: len(head) // 2].hex() == head
    assert len(made) == len(head) // 2 + 4 + size
