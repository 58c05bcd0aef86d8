"""What values the settings take: how each is read from text, checked and kept."""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOG_LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": 5,
}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110 5.5: no control bytes but HTAB
_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_FALSE = frozenset({"0", "false", "no", "off", "f", "n", ""})


class Refused(Exception):
    """Why a value can't be used; the setting's name is added by who asked."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What values a setting takes.

    Attributes:
        parse: turns the text of a flag or a variable into a value for `check`.
        check: returns the value as `Config` keeps it; raises `Refused`.
        metavar: how `--help` shows the value.
        many: whether the flag may be repeated; `parse_flag` then takes one flag's text.
        parse_flag: as `parse`, for one occurrence of a repeatable flag.
    """

    parse: Callable[[str], Any]
    check: Callable[[Any], Any]
    metavar: str = ""
    many: bool = False
    parse_flag: Callable[[str], Any] | None = None


def _is_none(text: str) -> bool:
    return text.strip().lower() in ("none", "")


def _expected(what: str, optional: bool) -> Refused:
    return Refused(f"must be {what}{', or None' if optional else ''}")


def integer(low: int, high: int | None = None, *, optional: bool = False, unit: str = "") -> Kind:
    """A whole number from `low` to `high`; `optional` allows None."""
    if high is None:
        wanted = f"a whole number{f' of {unit}' if unit else ''}, {low} or more"
    else:
        wanted = f"a whole number from {low} to {high}"

    def parse(text: str) -> int | None:
        if optional and _is_none(text):
            return None
        try:
            return int(text)
        except ValueError:
            raise _expected(wanted, optional) from None

    def check(value: Any) -> int | None:
        if optional and value is None:
            return None
        if type(value) is not int or value < low or (high is not None and value > high):
            raise _expected(wanted, optional)
        return value

    return Kind(parse, check, unit.upper() if unit else "N")


def seconds(*, zero: bool = False, optional: bool = True) -> Kind:
    """A number of seconds, kept as a float; `zero` allows 0, `optional` None."""
    wanted = "a number of seconds, 0 or more" if zero else "a number of seconds above 0"

    def parse(text: str) -> float | None:
        if optional and _is_none(text):
            return None
        try:
            return float(text)
        except ValueError:
            raise _expected(wanted, optional) from None

    def check(value: Any) -> float | None:
        if optional and value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value):
            raise _expected(wanted, optional)
        if value < 0 or (value == 0 and not zero):
            raise _expected(wanted, optional)
        return float(value)

    return Kind(parse, check, "SECONDS")


def text(metavar: str, *, optional: bool = False) -> Kind:
    """A string, empty ones included."""

    def check(value: Any) -> str | None:
        if optional and value is None:
            return None
        if not isinstance(value, str):
            raise Refused("must be a string")
        return value

    return Kind(lambda text: text, check, metavar)


def path(metavar: str = "PATH") -> Kind:
    """A path, kept as a string, or None."""

    def check(value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise Refused("must be a path")
        return os.fsdecode(value)

    return Kind(lambda text: text, check, metavar)


def flag(*, optional: bool = False) -> Kind:
    """True or False; `optional` allows None."""

    def parse(text: str) -> bool | None:
        word = text.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        if optional and word == "none":
            return None
        raise Refused("must be 1 or 0 (or true, false, yes, no, on, off)")

    def check(value: Any) -> bool | None:
        if optional and value is None:
            return None
        if not isinstance(value, bool):
            raise Refused("must be True or False")
        return value

    return Kind(parse, check)


def choice(*choices: str) -> Kind:
    """One of some words, in any case."""
    wanted = f"must be one of {', '.join(choices)}"

    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in choices:
            raise Refused(wanted)
        return value.lower()

    return Kind(lambda text: text, check, "{" + ",".join(choices) + "}")


def choices(*allowed: str) -> Kind:
    """Any of some words, in any case, kept as a tuple."""
    wanted = f"must be some of {', '.join(allowed)}"

    def check(value: Any) -> tuple[str, ...]:
        words = split_commas(value) if isinstance(value, str) else value
        if not isinstance(words, (list, tuple, set, frozenset)) or not all(
            isinstance(word, str) and word.lower() in allowed for word in words
        ):
            raise Refused(wanted)
        return tuple(word.lower() for word in words)

    return Kind(split_commas, check, ",".join(allowed))


def split_commas(text: str) -> list[str]:
    """Split at commas; white space around the parts and empty parts go."""
    return [part.strip() for part in text.split(",") if part.strip()]


def mode() -> Kind:
    """A file mode; its text is octal."""
    wanted = "a file mode from 0 to 0777, in octal as chmod takes it"

    def parse(text: str) -> int:
        try:
            return int(text, 8)
        except ValueError:
            raise Refused(f"must be {wanted}") from None

    def check(value: Any) -> int:
        if type(value) is not int or not 0 <= value <= 0o777:
            raise Refused(f"must be {wanted} (in Python: 0o660)")
        return value

    return Kind(parse, check, "MODE")


def log_level() -> Kind:
    """The name or number of a logging level, or None."""
    wanted = f"must be one of {', '.join(LOG_LEVELS)}"

    def check(value: Any) -> str | int | None:
        if value is None or type(value) is int:
            return value
        if not isinstance(value, str) or value.lower() not in LOG_LEVELS:
            raise Refused(wanted)
        return value.lower()

    return Kind(lambda text: None if _is_none(text) else text, check, "LEVEL")


def log_config() -> Kind:
    """A file or dictionary for `logging.config`, or None."""

    def check(value: Any) -> str | dict[str, Any] | None:
        if value is None or isinstance(value, dict):
            return value
        if not isinstance(value, (str, os.PathLike)) or not Path(value).is_file():
            raise Refused("must be an existing .json, .yaml or .ini file, or a dictionary")
        return os.fsdecode(value)

    return Kind(lambda text: None if _is_none(text) else text, check, "FILE")


def strings(metavar: str, split: Callable[[str], list[str]]) -> Kind:
    """Strings, kept as a tuple; `split` takes the text of a variable apart."""

    def check(value: Any) -> tuple[str, ...]:
        if isinstance(value, (str, os.PathLike)):
            value = [value]
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise Refused("must be a list of strings")
        if not all(isinstance(item, (str, os.PathLike)) for item in value):
            raise Refused("must be a list of strings")
        return tuple(os.fsdecode(item) for item in value)

    return Kind(split, check, metavar, many=True, parse_flag=lambda text: [text])


def split_words(text: str) -> list[str]:
    """Split at white space, as uvicorn does with patterns."""
    return text.split()


def split_paths(text: str) -> list[str]:
    """Split at the separator of PATH, as uvicorn does with directories."""
    return [part for part in text.split(os.pathsep) if part]


def trusted_peers() -> Kind:
    """Addresses, networks and socket paths, kept as a tuple."""

    def check(value: Any) -> tuple[str, ...]:
        peers = split_commas(value) if isinstance(value, str) else value
        if not isinstance(peers, (list, tuple)) or not all(isinstance(p, str) for p in peers):
            raise Refused("must be addresses, networks or socket paths, separated by commas")
        for peer in peers:
            if "/" not in peer or peer.startswith("/"):
                continue
            try:
                ipaddress.ip_network(peer)
            except ValueError as error:
                # uvicorn would compare it as a literal, and never trust the proxy that it means.
                raise Refused(f"{error}; write the network as 10.0.0.0/8") from None
        return tuple(peers)

    return Kind(split_commas, check, "IPS")


def headers() -> Kind:
    """Header names and values, kept as a tuple of pairs."""
    wanted = "must be Name:Value"

    def parse_one(text: str) -> list[tuple[str, str]]:
        name, colon, value = text.partition(":")
        if not colon:
            raise Refused(wanted)
        return [(name, value)]

    def parse(text: str) -> list[tuple[str, str]]:
        lines = [line.strip() for line in text.splitlines()]
        return [header for line in lines if line for header in parse_one(line)]

    def check(value: Any) -> tuple[tuple[str, str], ...]:
        if isinstance(value, Mapping):
            value = value.items()
        try:
            headers = [(name, text) for name, text in value]
        except (TypeError, ValueError):
            raise Refused("must be a list of (name, value) pairs") from None
        for name, text in headers:
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise Refused(f"{name!r} is not a header name")
            if not isinstance(text, str) or not _FIELD_VALUE.fullmatch(text):
                raise Refused(f"the value of {name!r} must be text without control characters")
            if any(ord(char) > 255 for char in text):
                raise Refused(f"the value of {name!r} has characters outside Latin-1")
        return tuple((name, text.strip(" \t")) for name, text in headers)

    return Kind(parse, check, "NAME:VALUE", many=True, parse_flag=parse_one)
