"""The share of a run's HTTP requests that compiled routes have answered, and why the rest was not.

Applications come and go with the tests, so each is asked when it dies, and those that are alive at
the end are asked then.
"""

from __future__ import annotations

import json
import os
import weakref
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_alive: weakref.WeakSet[Any] = weakref.WeakSet()
# Only appended to: a collection of garbage may end an application in the midst of anything.
_ended: list[tuple[int, Counter[str]]] = []


@dataclass(slots=True)
class Share:
    """HTTP requests that came to the routes of FastAPI applications in one run.

    Attributes:
        compiled: those that a plan has answered.
        left: those left to FastAPI's own code, by reason.
    """

    compiled: int = 0
    left: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """All of them."""
        return self.compiled + sum(self.left.values())

    @property
    def percent(self) -> float:
        """The compiled ones among all, in percent."""
        return 100 * self.compiled / self.requests if self.requests else 0.0

    def lines(self) -> list[str]:
        """The report, line by line; the most frequent reason first."""
        if not self.requests:
            return []
        first = f"{self.compiled} of {self.requests} requests compiled ({self.percent:.1f} %)"
        return [first, *(f"  {count} not: {reason}" for reason, count in self.left.most_common())]


def record() -> None:
    """Ask every application of this process in the end."""
    from hyperfastapi import _compiled

    made: Any = _compiled.CompiledApplication
    original_init = made.__init__

    def recorded_init(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        _alive.add(self)

    made.__init__ = recorded_init
    made.__del__ = lambda self: _ended.append(self.counts())


def write(report: str) -> None:
    """Write this process's share beside the report."""
    compiled, left = 0, Counter[str]()
    for count, reasons in [*_ended, *(each.counts() for each in list(_alive))]:
        compiled += count
        left.update(reasons)
    Path(f"{report}.{os.getpid()}.paths").write_text(json.dumps([compiled, left]))


def read(report: str) -> Share:
    """Sum the shares of every process of a run."""
    share = Share()
    path = Path(report)
    for file in path.parent.glob(f"{path.name}.*.paths"):
        compiled, left = json.loads(file.read_text())
        share.compiled += compiled
        share.left.update(left)
    return share
