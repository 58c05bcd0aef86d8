"""What the kernel knows of a process and all its descendants, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """User memory of a process tree, in bytes.

    Attributes:
        resident: pages in memory (RSS), shared ones counted in each process.
        proportional: pages in memory, shared ones divided among their processes (PSS).
        private_dirty: pages that belong to one process alone and were written to.
    """

    resident: int
    proportional: int
    private_dirty: int


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = fields[0], int(fields[1])
    return None if state in (b"Z", b"X") else parent


def tree(root: int) -> list[int]:
    """Return the process numbers of ``root`` and its live descendants, in ascending order.

    A process that has ended, reaped or not, is not part of it.
    """
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent(int(name))
            if parent is not None:
                parents[int(name)] = parent
    found = {root} if root in parents else set()
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in found} - found
        found |= children
        grown = bool(children)
    return sorted(found)


def memory(pids: list[int]) -> Memory:
    """Return the memory of these processes together.

    Raises:
        FileNotFoundError: one of them has ended.
    """
    totals = {b"Rss": 0, b"Pss": 0, b"Private_Dirty": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                name, _, rest = line.partition(b":")
                if name in totals:
                    totals[name] += int(rest.split()[0]) * 1024
    return Memory(totals[b"Rss"], totals[b"Pss"], totals[b"Private_Dirty"])


def open_files(pids: list[int]) -> int:
    """Return how many file descriptors these processes have open.

    Raises:
        FileNotFoundError: one of them has ended.
    """
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
