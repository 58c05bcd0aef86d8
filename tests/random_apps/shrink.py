"""Makes a failing case smaller: leaves out part after part while it still fails."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from .spec import Case

#: Kinds of function that a simpler one may stand for.
_SIMPLER = {
    **dict.fromkeys(("def", "class", "method", "partial", "instance"), "async def"),
    **dict.fromkeys(
        ("generator", "instance generator", "async instance generator"), "async generator"
    ),
}

Change = Callable[[Case], None]

#: Attributes that a part is nothing without.
_NEEDED = frozenset(("methods", "prefixes", "arguments"))


def _parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Go through all parts of a case with the path that leads to each, outer ones first."""
    yield path, value
    if is_dataclass(value):
        for one in fields(value):
            yield from _parts(getattr(value, one.name), (*path, one.name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _parts(item, (*path, number))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = getattr(value, key) if isinstance(key, str) else value[key]
    return value


def _changes(case: Case) -> Iterator[Change]:
    """Return what could be left out of a case, large parts first."""
    for path, value in _parts(case):
        if isinstance(value, list) and not (value and isinstance(value[0], str)):
            # A server refuses a request without its first header, the host.
            first = 1 if path[-1] == "headers" else 0
            for number in reversed(range(first, len(value))):
                if len(value) > 1 or path[-1] not in _NEEDED:
                    yield _without(path, number)
    for path, value in _parts(case):
        if isinstance(value, dict):
            for key in value:
                yield _without(path, key)
        elif path and isinstance(value, list) and value and isinstance(value[0], str):
            if isinstance(path[-1], int):
                continue  # a pair: of a header, or of an override
            for number in reversed(range(len(value))):
                if len(value) > 1 or path[-1] not in _NEEDED:
                    yield _without(path, number)
    for path, value in _parts(case):
        name = path[-1] if path else None
        if name in ("returns", "refuses", "body") and value is not None:
            yield _set(path, None)
        elif name == "result" and value != "None":
            yield _set(path, "None")
        elif name == "kind" and value in _SIMPLER:
            yield _set(path, _SIMPLER[value])
        elif name == "pieces" and value != 1:
            yield _set(path, 1)
        elif name == "target" and "?" in value:
            yield from _shorter_queries(path, value)
        elif name == "prefixes" and value != [""]:
            yield _set(path, [""])


def _shorter_queries(path: tuple[Any, ...], target: str) -> Iterator[Change]:
    start, _, query = target.partition("?")
    yield _set(path, start)
    parts = query.split("&")
    for number in range(len(parts)):
        rest = "&".join(parts[:number] + parts[number + 1 :])
        yield _set(path, f"{start}?{rest}")


def _without(path: tuple[Any, ...], key: Any) -> Change:
    def change(case: Case) -> None:
        del _at(case, path)[key]

    return change


def _set(path: tuple[Any, ...], new: Any) -> Change:
    def change(case: Case) -> None:
        setattr(_at(case, path[:-1]), path[-1], new)

    return change


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float = 60.0) -> Case:
    """Return a smaller case that still fails.

    Args:
        case: a case that fails.
        fails: tells whether a case fails; is called for each that could be smaller.
        seconds: when to be content with what was reached.
    """
    end = time.monotonic() + seconds
    # What follows the first failing request has no part in it, so look from the back first.
    smaller = True
    while smaller:
        smaller = False
        for change in list(_changes(case)):
            if time.monotonic() > end:
                return case
            candidate = copy.deepcopy(case)
            try:
                change(candidate)
            except (AttributeError, IndexError, KeyError):
                continue  # its part has gone with another
            if candidate != case and fails(candidate):
                case = candidate
                smaller = True
    return case
