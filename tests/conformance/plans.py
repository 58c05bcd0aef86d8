"""Which path the requests of a test took, once routes are compiled."""

from __future__ import annotations

import collections
import importlib
from typing import Any


class Paths:
    """Counts of compiled and bridged requests, by area.

    Until the package can tell (`hyperfastapi.plans`), nothing is counted and no demand is made.
    """

    def __init__(self) -> None:
        self.compiled: collections.Counter[str] = collections.Counter()
        self.bridged: dict[str, collections.Counter[str]] = {}

    def take(self, app: Any, area: str, *, demanded: bool, side: str) -> None:
        """Count what one application's requests did.

        Args:
            app: the application, after its requests.
            area: the area of the test.
            demanded: the test says that its routes must be compiled.
            side: where the application ran, for the message.

        Raises:
            AssertionError: a demanded route was not compiled.
        """
        try:
            plans = importlib.import_module("hyperfastapi.plans")
        except ModuleNotFoundError:
            return
        counters = plans.counters(app)
        self.compiled[area] += counters.compiled
        self.bridged.setdefault(area, collections.Counter()).update(counters.bridged)
        if demanded:
            assert counters.compiled and not counters.bridged, (
                f"{side}: to be compiled, but {counters.compiled} requests were and these were "
                f"not: {dict(counters.bridged)}"
            )

    def report(self) -> list[str]:
        """A line for each area."""
        return [
            f"{area}: {self.compiled[area]} requests compiled, bridged: "
            + (", ".join(f"{n} {reason}" for reason, n in bridged.most_common()) or "none")
            for area, bridged in sorted(self.bridged.items())
        ]
