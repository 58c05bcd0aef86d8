"""Counts what is alive in the server's processes, and judges whether it has grown."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass

from benchmarks import process_tree
from tests.soak.http_client import Connection, Unanswered, request

SETTLE_SECONDS = 40.0


@dataclass(frozen=True)
class Census:
    """What is alive at one time.

    Attributes:
        pids: the server's processes.
        resident: their memory in bytes.
        files: their open file descriptors.
        objects: objects that Python's garbage collector knows.
        blocks: memory blocks that Python has allocated.
        tasks: asyncio tasks.
        threads: Python threads.
        left_open: what requests have opened and not closed, by kind.
    """

    pids: tuple[int, ...]
    resident: int
    files: int
    objects: int
    blocks: int
    tasks: int
    threads: int
    left_open: dict[str, int]


@dataclass(frozen=True)
class Bounds:
    """How much more may be alive in the end than in the beginning.

    What a request opens must all be closed, and no task may be left. The rest is not exact in any
    Python process: caches fill, the allocator keeps and splits pages, a thread pool grows to its
    limit when its first burst comes. A leak of one object for a thousand requests is far above
    these bounds after half an hour.

    Attributes:
        resident: bytes.
        files, objects, blocks, threads: counts.
    """

    resident: int = 16 * 1024 * 1024
    files: int = 4
    objects: int = 2_000
    blocks: int = 10_000
    threads: int = 40


async def _ask(port: int) -> dict[str, object]:
    connection = await Connection(port, random.Random(0)).open()
    try:
        await connection.send(request("GET", "/census", port, {"connection": "close"}))
        answer = await connection.answer()
    finally:
        connection.leave()
    if answer.status != 200:
        raise Unanswered(f"/census got {answer.status}")
    found: dict[str, object] = json.loads(answer.body)
    return found


async def _take(root: int, port: int) -> Census:
    found = await _ask(port)
    pids = process_tree.tree(root)
    opened = found["open"]
    assert isinstance(opened, dict)
    return Census(
        pids=tuple(pids),
        resident=process_tree.memory(pids).resident,
        files=process_tree.open_files(pids),
        objects=int(str(found["objects"])),
        blocks=int(str(found["blocks"])),
        tasks=int(str(found["tasks"])),
        threads=int(str(found["threads"])),
        left_open={kind: count for kind, count in opened.items() if count},
    )


async def take(root: int, port: int, target: Census | None = None) -> Census:
    """Wait until the server has settled, and return what is alive then.

    It has settled when nothing that requests opened is left and tasks and files are back at, or
    below, those of ``target``, or, without one, have been the same for three seconds; at the latest
    after 40 seconds.

    Args:
        root: process number of the server.
        port: its port.
        target: an earlier census.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    same_since = time.monotonic()
    previous = await _take(root, port)
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        current = await _take(root, port)
        if (current.tasks, current.files) != (previous.tasks, previous.files):
            same_since = time.monotonic()
        previous = current
        calm = time.monotonic() - same_since >= 3.0 and not current.left_open
        if calm and (
            target is None or (current.tasks <= target.tasks and current.files <= target.files)
        ):
            break
    return previous


def judge(before: Census, after: Census, bounds: Bounds) -> list[tuple[str, bool, str]]:
    """Compare two settled states.

    Args:
        before: the state after the warm-up.
        after: the state in the end.
        bounds: what may have grown, and how much.

    Returns:
        For each thing compared: its name, whether it is as it should be, and the figures.
    """
    mebibyte = 1024 * 1024
    checks = [
        (
            "the same processes serve as in the beginning",
            before.pids == after.pids,
            f"{list(before.pids)}, then {list(after.pids)}",
        ),
        (
            "all that requests opened is closed",
            not after.left_open,
            str(after.left_open or "nothing is left open"),
        ),
        (
            "no asyncio task is left over",
            after.tasks <= before.tasks,
            f"{before.tasks}, then {after.tasks}",
        ),
        (
            f"resident memory grew by at most {bounds.resident / mebibyte:.0f} MiB",
            after.resident - before.resident <= bounds.resident,
            f"{before.resident / mebibyte:.1f} MiB, then {after.resident / mebibyte:.1f} MiB",
        ),
    ]
    for name, plural in (
        ("files", "open files"),
        ("objects", "live Python objects"),
        ("blocks", "allocated Python blocks"),
        ("threads", "threads"),
    ):
        first, last, bound = (getattr(entry, name) for entry in (before, after, bounds))
        checks.append(
            (
                f"{plural} grew by at most {bound:,}",
                last - first <= bound,
                f"{first:,}, then {last:,}",
            )
        )
    return checks
