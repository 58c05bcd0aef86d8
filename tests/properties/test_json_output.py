"""Random Python values as answers, in both of FastAPI's ways to write JSON."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import re
from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import fastapi
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from tests.differential import Request

from .both import check
from .kinds import Color, Level, Point, floats, numbers, texts

REQUEST = Request("GET", "/", [["host", "example.org"]])
PLACES = ("no annotation", "Any", "response", "response class")


class Text(str):
    """A str of its own."""


class Number(int):
    """An int of its own."""


class Real(float):
    """A float of its own."""


class Mapping(dict):  # type: ignore[type-arg]
    """A dict of its own."""


class Sequence(list):  # type: ignore[type-arg]
    """A list of its own."""


class Attributes:
    """An object with attributes and no more."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._hidden = 1
        self._sa_state = 2


class Wrapped(BaseModel):
    """A model of anything."""

    value: Any
    other: int = 1


Pair = namedtuple("Pair", "first second")

_surrogates = st.text(st.characters(codec=None), max_size=6)
_leaves = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    floats,
    texts,
    st.text(st.characters(), max_size=40),
    _surrogates,
    st.binary(max_size=6),
    st.decimals(),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, datetime.timezone.utc])),
    st.times(),
    st.timedeltas(),
    st.sampled_from([Color.red, Level.high, Text("t"), Number(7), Real(0.5), SecretStr("s")]),
    st.sampled_from([pathlib.PurePosixPath("a/b"), ipaddress.ip_address("::1"), re.compile("a+")]),
    st.builds(Point, numbers, floats),
)
#: What hardly any JSON encoder takes.
_unwritable = st.sampled_from([object(), 1j, print, Color, memoryview(b"m"), range(3)])
_keys = st.one_of(
    texts, texts, texts, numbers, floats, st.booleans(), st.none(), st.dates(), st.uuids(),
    st.sampled_from([Color.red, Level.low, Text("k"), (1, 2), b"bytes", "_sa_x"]),
)  # fmt: skip


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=4)
    mapping = st.dictionaries(_keys, inner, max_size=4)
    return st.one_of(
        several,
        mapping,
        mapping,
        several.map(tuple),
        several.map(deque),
        several.map(Sequence),
        mapping.map(Mapping),
        mapping.map(OrderedDict),
        mapping.map(lambda given: defaultdict(list, given)),
        st.lists(inner.filter(_hashable), max_size=1).map(frozenset),
        st.builds(Pair, inner, inner),
        st.builds(Attributes, inner),
        inner.map(lambda value: Wrapped(value=value)),
        inner.map(_nested),
    )


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _nested(value: Any) -> Any:
    for _ in range(40):
        value = [value]
    return value


_writable = st.recursive(_leaves, _containers, max_leaves=12)
values = st.one_of(
    _writable,
    _writable,
    _writable,
    st.recursive(st.one_of(_leaves, _unwritable), _containers, max_leaves=4),
)


def make_app(value: Any, place: str, is_async: bool, kind: type[fastapi.FastAPI]) -> Any:
    """An application that answers with a value, in one of `PLACES`."""

    def handle() -> Any:
        return JSONResponse(value) if place == "response" else value

    async def handle_async() -> Any:
        return handle()

    handler: Any = handle_async if is_async else handle
    handler.__annotations__ = {"return": Any} if place == "Any" else {}
    app = kind()
    options: dict[str, Any] = {"response_class": JSONResponse} if place == "response class" else {}
    app.get("/", **options)(handler)
    return app


@given(values, st.sampled_from(PLACES), st.booleans())
def test_values_are_written_as_fastapi_writes_them(value: Any, place: str, is_async: bool) -> None:
    check(lambda kind: make_app(value, place, is_async, kind), REQUEST)
