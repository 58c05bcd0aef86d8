"""Compares the two sides, and reports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .examples import Example

_ASPECTS = ("status", "headers", "body", "error")
_SHOWN_MAX = 300

Observation = dict[str, Any]


class CheckError(Exception):
    """The application could not be checked; the text says why."""


@dataclass(frozen=True)
class Settings:
    """What to check.

    Attributes:
        target: the application, as the command was given it.
        app_dir: where import strings are looked up.
        factory: the target makes the application.
        base_url: scheme, host and root path that requests are sent to.
        timeout: seconds that an answer may take.
    """

    target: str | None
    app_dir: str = ""
    factory: bool = False
    base_url: str = "http://localhost"
    timeout: float = 10.0


def _run_side(settings: Settings, examples: list[Example], *, is_compiled: bool) -> Any:
    told = {
        "target": settings.target,
        "app_dir": settings.app_dir,
        "factory": settings.factory,
        "base_url": settings.base_url,
        "timeout": settings.timeout,
        "is_compiled": is_compiled,
        "examples": [each.as_json() for each in examples],
    }
    done = subprocess.run(
        [sys.executable, "-m", "hyperfastapi._check.side"],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        side = "compiled routes" if is_compiled else "FastAPI's own code"
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CheckError(f"the application failed on {side}: {last}")
    return json.loads(done.stdout)


def differing(expected: Observation, actual: Observation) -> tuple[str, ...]:
    """Return what differs between two observations of one request."""
    return tuple(name for name in _ASPECTS if expected[name] != actual[name])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}... ({len(text)} characters)"


def _details(
    example: Example, expected: Observation, actual: Observation, aspects: tuple[str, ...]
) -> list[str]:
    lines = [f"    sent headers {_short(example.headers)}"]
    if example.body is not None:
        lines.append(f"    sent body {_short(example.body)}")
    for name in aspects:
        lines.append(f"    {name}:")
        lines.append(f"      FastAPI   {_short(expected[name])}")
        lines.append(f"      compiled  {_short(actual[name])}")
    return lines


def check(
    settings: Settings, examples: list[Example], write: Callable[[str], object] = print
) -> bool:
    """Drive both sides with the same requests, and report.

    FastAPI's own code is driven twice: what differs between its two runs (times, random names) is
    no difference of ours.

    Args:
        settings: what to check.
        examples: the requests.
        write: takes the lines of the report.

    Returns:
        Whether all answers are alike.

    Raises:
        CheckError: the application cannot be imported or does not start.
    """
    first = _run_side(settings, examples, is_compiled=False)
    again = _run_side(settings, examples, is_compiled=False)
    ours = _run_side(settings, examples, is_compiled=True)
    counts = {"same": 0, "varies": 0, "DIFFERS": 0}
    compiled = 0
    for example, one, other, our in zip(examples, first, again, ours, strict=True):
        varying = set(differing(one, other))
        aspects = tuple(each for each in differing(one, our) if each not in varying)
        verdict = "DIFFERS" if aspects else "varies" if varying else "same"
        counts[verdict] += 1
        is_compiled = our["way"] == "compiled"
        compiled += is_compiled
        way = "compiled" if is_compiled else f"FastAPI: {our['way']}"
        status = one["status"] if one["status"] is not None else one["error"]
        notes = [f"its {', '.join(sorted(varying))} varies by itself"] if varying else []
        notes += [f"cut after {settings.timeout:g} s"] if one["is_cut"] else []
        tail = f" ({'; '.join(notes)})" if notes else ""
        write(f"{verdict:8} {example.method} {example.target} -> {status}  {way}{tail}")
        if aspects:
            for line in _details(example, one, our, aspects):
                write(line)
    write(
        f"{len(examples)} requests: {counts['same']} alike, {counts['varies']} vary by themselves,"
        f" {counts['DIFFERS']} differ; {compiled} compiled."
    )
    return counts["DIFFERS"] == 0
