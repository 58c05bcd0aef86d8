"""Types that applications declare, each with texts, JSON values and Python values for it."""

from __future__ import annotations

import dataclasses
import decimal
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, Optional, Union

import annotated_types
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel, ConfigDict, Field, create_model
from typing_extensions import TypedDict


class Color(Enum):
    """An enumeration of texts."""

    red = "red"
    green = "green"


class Level(IntEnum):
    """An enumeration of numbers."""

    low = 1
    high = 2


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int
    y: float = 0.5


class Shape(TypedDict):
    """A typed dict."""

    sides: int
    name: str


@dataclass(frozen=True)
class Kind:
    """A type annotation, and values for it.

    Attributes:
        annotation: the annotation.
        texts: texts that a path, query, header or cookie may hold for it.
        json: JSON values for it.
        python: Python values of it.
        flat: whether it can be a query parameter, a header or a cookie.
        many: whether a request may hold several values for it.
    """

    annotation: Any
    texts: SearchStrategy[str] = dataclasses.field(repr=False)
    json: SearchStrategy[Any] = dataclasses.field(repr=False)
    python: SearchStrategy[Any] = dataclasses.field(repr=False)
    flat: bool = True
    many: bool = False


numbers = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(10**400)]),
)
floats = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e16, 1e15, 1e-5, 1e-7, 1e22, 5e-324, 1.7976931348623157e308, 0.1]),
)
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "caf\u00e9", "\u2028", "\U0001f600", "\x00", "\x7f", '"\\', "</a>"]),
)
#: Texts that look like values of another type.
odd_texts = st.sampled_from(
    [
        *("1", "0", "-1", "+1", " 1 ", "1.0", "1.5", "1e3", "1_000", "\u0661", "0x1", "NaN", "inf"),
        *("true", "False", "on", "OFF", "yes", "t", "2", "null", "None", "[]", "{}", "a,b", "red"),
        *("2024-02-29", "2024-02-30", "1700000000", "12:30", "PT5S", "P1D", "3 days", "1.10"),
        *("12345678123456781234567812345678", "00000000-0000-0000-0000-000000000000"),
    ]
)

_ALIASES = ("alias", "camelCase", "x-y", "")

#: All that JSON can say, NaN and infinities included, as Python's json does.
any_json = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, floats, texts, odd_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def _kind(annotation: Any, texts: Any, json: Any, python: SearchStrategy[Any]) -> Kind:
    def strategy(values: Any) -> SearchStrategy[Any]:
        return st.sampled_from(values) if isinstance(values, list) else values

    return Kind(annotation, strategy(texts), strategy(json), python)


_integers = numbers.filter(lambda number: abs(number) < 10**30)
_zones = st.sampled_from([None, timezone.utc, timezone(timedelta(hours=-5, minutes=-30))])

SCALARS = st.sampled_from(
    [
        _kind(int, _integers.map(str), st.one_of(_integers, _integers.map(float)), _integers),
        _kind(float, floats.map(str), st.one_of(floats, _integers), floats),
        _kind(str, texts, texts, texts),
        _kind(
            bool,
            ["true", "FALSE", "1", "0", "yes", "no", "on", "Off", "t", "n"],
            [True, False, 1, 0, "on"],
            st.booleans(),
        ),
        _kind(bytes, texts, texts, st.binary(max_size=6)),
        _kind(uuid.UUID, st.uuids().map(str), st.uuids().map(str), st.uuids()),
        _kind(date, st.dates().map(str), st.dates().map(str), st.dates()),
        _kind(
            datetime,
            st.datetimes().map(str),
            st.datetimes().map(datetime.isoformat),
            st.datetimes(timezones=_zones),
        ),
        _kind(time, st.times().map(str), st.times().map(str), st.times()),
        _kind(
            timedelta,
            ["PT5S", "-P1DT1H", "90", "1 day, 2:03:04", "0.5"],
            ["PT5S", 90, 1.5, -1],
            st.timedeltas(timedelta(-1000), timedelta(1000)),
        ),
        _kind(
            decimal.Decimal,
            st.decimals(allow_nan=False, places=3).map(str),
            st.one_of(st.decimals(allow_nan=False, places=2).map(str), floats),
            st.one_of(st.decimals(allow_nan=False), st.decimals(places=2, allow_nan=False)),
        ),
        _kind(Color, ["red", "green"], ["red", "green"], st.sampled_from(Color)),
        _kind(Level, ["1", "2"], [1, 2, "2", 1.0], st.sampled_from(Level)),
        _kind(Literal["a", 1], ["a", "1"], ["a", 1, 1.0, True], st.sampled_from(["a", 1])),
        _kind(Annotated[int, annotated_types.Ge(3)], ["3", "2"], [3, 2], st.integers(0, 9)),
        _kind(
            Annotated[int, annotated_types.MultipleOf(2), annotated_types.Lt(9)],
            ["4", "5", "10"],
            [4, 5, 10],
            st.integers(0, 12),
        ),
        _kind(Annotated[float, annotated_types.Le(1)], ["1", "1.5"], [1, 1.5], floats),
        _kind(Annotated[str, Field(min_length=2, max_length=4)], texts, texts, texts),
        _kind(Annotated[str, Field(pattern="^a+$")], ["a", "aa", "b", "a\n"], ["a", "b"], texts),
        _kind(Annotated[str, Field(strict=True)], texts, any_json, texts),
        _kind(Annotated[int, Field(strict=True)], ["1"], [1, 1.0, "1", True], _integers),
    ]
)


def _optional(inner: Kind) -> Kind:
    return Kind(
        Optional[inner.annotation],  # noqa: UP045 - it is what is tested
        inner.texts,
        st.one_of(st.none(), inner.json),
        st.one_of(st.none(), inner.python),
        inner.flat,
        inner.many,
    )


def _union(pair: tuple[Kind, Kind]) -> Kind:
    one, other = pair
    return Kind(
        Union[one.annotation, other.annotation],  # noqa: UP007 - it is what is tested
        st.one_of(one.texts, other.texts),
        st.one_of(one.json, other.json),
        st.one_of(one.python, other.python),
        one.flat and other.flat,
        False,
    )


def _list(inner: Kind) -> Kind:
    return Kind(
        list[inner.annotation],  # type: ignore[name-defined]
        inner.texts,
        st.lists(inner.json, max_size=3),
        st.lists(inner.python, max_size=3),
        inner.flat,
        True,
    )


def _tuple(inner: Kind) -> Kind:
    return Kind(
        tuple[inner.annotation, ...],  # type: ignore[name-defined]
        inner.texts,
        st.lists(inner.json, max_size=3),
        st.lists(inner.python, max_size=3).map(tuple),
        inner.flat,
        True,
    )


def _set(inner: Kind) -> Kind:
    # At most one: the order of a larger one is chance.
    return Kind(
        set[inner.annotation],  # type: ignore[name-defined]
        inner.texts,
        st.lists(inner.json, max_size=1),
        st.lists(inner.python, max_size=1),
        inner.flat,
        True,
    )


def _dict(inner: Kind) -> Kind:
    return Kind(
        dict[str, inner.annotation],  # type: ignore[name-defined]
        inner.texts,
        st.dictionaries(texts, inner.json, max_size=3),
        st.dictionaries(texts, inner.python, max_size=3),
        False,
    )


_POINT = Kind(
    Point,
    texts,
    st.fixed_dictionaries({"x": numbers}, optional={"y": floats, "z": any_json}),
    st.builds(Point, numbers, floats),
    False,
)
_SHAPE = Kind(
    Shape,
    texts,
    st.fixed_dictionaries({"sides": numbers}, optional={"name": texts}),
    st.fixed_dictionaries({"sides": numbers}, optional={"name": texts, "more": texts}),
    False,
)
_ANY = Kind(Any, texts, any_json, any_json, False)


def flat_kinds() -> SearchStrategy[Kind]:
    """Kinds of what a query, header or cookie can hold."""
    plain = st.one_of(SCALARS, SCALARS, st.tuples(SCALARS, SCALARS).map(_union))
    several = st.one_of(SCALARS.map(_list), SCALARS.map(_set), SCALARS.map(_tuple))
    return st.one_of(plain, plain.map(_optional), several, several.map(_optional))


@st.composite
def model_kinds(draw: st.DrawFn, inner: SearchStrategy[Kind], flat: bool = False) -> Kind:
    """Kinds that are pydantic models with fields of other kinds.

    Args:
        draw: hypothesis's.
        inner: kinds of the fields.
        flat: whether the model is to stand for a group of parameters.
    """
    fields: dict[str, Any] = {}
    required: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    by_name: dict[str, SearchStrategy[Any]] = {}
    for number in range(draw(st.integers(1, 4))):
        kind = draw(inner)
        name = f"{draw(st.sampled_from(['a', 'long_name', 'B']))}{number}"
        options: dict[str, Any] = {}
        if draw(st.integers(0, 4)) == 0:
            options["alias"] = draw(st.sampled_from(["alias", "camelCase", "x-y", ""])) + str(
                number
            )
        if draw(st.integers(0, 7)) == 0:
            options["exclude"] = True
        has_default = draw(st.booleans())
        if has_default:
            options["default"] = draw(kind.python)
        fields[name] = (kind.annotation, Field(**options))
        (optional if has_default else required)[options.get("alias", name)] = kind.json
        by_name[name] = kind.python
    config = ConfigDict()
    if draw(st.integers(0, 3)) == 0:
        config["extra"] = draw(st.sampled_from(["allow", "forbid"]))
    if draw(st.integers(0, 5)) == 0:
        config["populate_by_name"] = True
    if draw(st.integers(0, 5)) == 0:
        config["str_strip_whitespace"] = True
    model = create_model("Model", __config__=config, **fields)
    json = st.fixed_dictionaries(required, optional={**optional, "extra": any_json})
    return Kind(model, texts, json, _instances(model, by_name, json), flat)


def _instances(
    model: type[BaseModel], by_name: dict[str, Any], json: SearchStrategy[Any]
) -> SearchStrategy[Any]:
    """Return instances of a model, of a subclass with more fields, and dicts in their place."""
    larger = create_model("Larger", __base__=model, more=(int, 1))
    values = st.fixed_dictionaries(by_name)
    return st.one_of(
        values.map(lambda given: _unchecked(model, given)),
        values.map(lambda given: _unchecked(larger, given)),
        st.fixed_dictionaries({}, optional=by_name).map(lambda given: _unchecked(model, given)),
        json,
    )


def _unchecked(model: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    return model.model_construct(**values)


def json_kinds() -> SearchStrategy[Kind]:
    """Kinds of what a JSON body can hold."""

    def larger(inner: SearchStrategy[Kind]) -> SearchStrategy[Kind]:
        return st.one_of(
            model_kinds(inner),
            model_kinds(inner),
            inner.map(_list),
            inner.map(_dict),
            inner.map(_optional),
            st.tuples(inner, inner).map(_union),
        )

    leaves = st.one_of(SCALARS, SCALARS, SCALARS, st.sampled_from([_POINT, _SHAPE, _ANY]))
    return st.recursive(leaves, larger, max_leaves=5)
