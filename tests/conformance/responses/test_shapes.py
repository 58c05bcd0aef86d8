"""Results that are already as the response model wants them, and results that are nearly so."""

import collections
import enum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from .test_json import ASK, returning


class Plain(BaseModel):
    name: str
    count: int = 3
    price: float | None = None
    tags: list[str] = []
    extra: dict[str, Any] = {}


class Nested(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    first: Plain
    second: Plain | None = None
    more: list[Plain] = []


class Node(BaseModel):
    value: int
    children: "list[Node]" = []


class Aliased(BaseModel):
    read: int = Field(1, alias="Read é\n")
    written: int = Field(2, serialization_alias="Written")


class ByName(BaseModel):
    model_config = ConfigDict(validate_by_name=True)
    plain: int = 1
    aliased: int = Field(2, alias="alias")


class Looking(BaseModel):
    value: int = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            return {"value": 99}
        return super().__getattribute__(name)


class Text(str):
    def __str__(self) -> str:
        return "never"


class Word(str, enum.Enum):
    A = "a"


def changed(**attributes: Any) -> Plain:
    model = Plain(name="a")
    model.__dict__.update(attributes)
    return model


def without(name: str) -> Plain:
    model = Plain(name="a")
    del model.__dict__[name]
    return model


def reordered() -> Plain:
    model = Plain(name="a")
    name = model.__dict__.pop("name")
    model.__dict__["name"] = name
    return model


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [{"a": value}]
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


FLOATS = [0.0, -0.0, 1.0, 1e-4, 9.99e-5, 1e15, 9999999999999998.0, 1e16, 123.456, -5e-324]
FLOATS += [0.1 + 0.2, 1e22, 1.7976931348623157e308, float("inf"), float("nan"), 5e-5, 100000.0]

CASES: dict[str, tuple[Any, Any]] = {
    "text": (dict[str, str], lambda: {"a": 'quo"te', "é": "\u2028 \x00 \x7f \U0001f600", "": ""}),
    "a surrogate": (dict[str, str], lambda: {"a": "\ud800"}),
    "a surrogate in a key": (dict[str, Any], lambda: {"\ud800": 1}),
    "an int for text": (dict[str, str], lambda: {"a": 1}),
    "an int for a key": (dict[str, Any], lambda: {1: "a"}),
    "a subclass of str": (dict[str, str], lambda: {"a": Text("shown")}),
    "a subclass of str for a key": (dict[str, Any], lambda: {Text("shown"): 1}),
    "an enumeration": (list[str], lambda: [Word.A]),
    "floats": (list[float], lambda: FLOATS),
    "floats of any type": (list[Any], lambda: FLOATS),
    "ints": (list[int], lambda: [0, -1, 2**63 - 1, 2**63, -(2**64), 10**300]),
    "a great int": (list[int], lambda: [10**5000]),
    "a bool for an int": (list[int], lambda: [True]),
    "an int for a bool": (list[bool], lambda: [1, 0]),
    "a float for an int": (list[int], lambda: [2.0]),
    "a part of an int": (list[int], lambda: [2.5]),
    "an int for a float": (list[float], lambda: [2]),
    "bools": (dict[str, bool], lambda: {"a": True, "b": False}),
    "none": (list[None], lambda: [None]),
    "optional": (list[int | None], lambda: [None, 1]),
    "optional, neither": (list[int | None], lambda: [None, "x"]),
    "any": (Any, lambda: {"a": [1, 1.5, "x", None, True, {"b": []}], "c": {}}),
    "any in a tuple": (Any, lambda: {"a": (1, (2,))}),
    "any with bytes": (dict[str, Any], lambda: {"a": b"x"}),
    "any with a model": (dict[str, Any], lambda: {"a": Plain(name="b")}),
    "keys of SQLAlchemy's": (dict[str, Any], lambda: {"_sa_instance_state": 1, "_s": 2}),
    "an ordered dict": (dict[str, int], lambda: collections.OrderedDict(a=1)),
    "a tuple for a list": (list[int], lambda: (1, 2)),
    "a deque for a list": (list[int], lambda: collections.deque([1])),
    "a text for a list": (list[str], lambda: "abc"),
    "a list of models": (list[Plain], lambda: [Plain(name="a"), {"name": "b", "more": 1}]),
    "a model": (Plain, lambda: Plain(name="é", price=1e-5, tags=["x"], extra={"a": [None]})),
    "a dict for a model": (Plain, lambda: {"count": 1, "name": "a"}),
    "a dict of too little": (Plain, lambda: {"count": 1}),
    "a dict of wrong values": (Plain, lambda: {"name": "a", "count": "4", "tags": ("x",)}),
    "a dict of bad values": (Plain, lambda: {"name": "a", "count": "x", "tags": 1}),
    "a dict with other keys": (Plain, lambda: {"name": "a", 1: 2, None: 3}),
    "a dict with keys by name": (Aliased, lambda: {"read": 5, "written": 6}),
    "a dict with keys by alias": (Aliased, lambda: {"Read é\n": 5, "Written": 6}),
    "by name or alias": (ByName, lambda: {"plain": 5, "aliased": 6}),
    "by alias or name": (ByName, lambda: {"plain": 5, "alias": 6}),
    "nested": (Nested, lambda: {"first": {"name": "a"}, "more": [Plain(name="b")]}),
    "nested models": (Nested, lambda: Nested(first=Plain(name="a"), second=Plain(name="b"))),
    "recursive": (Node, lambda: {"value": 1, "children": [{"value": 2}, Node(value=3)]}),
    "a changed model": (Plain, lambda: changed(name="b")),
    "a wrongly changed model": (Plain, lambda: changed(count="many")),
    "a model with an attribute more": (Plain, lambda: changed(unknown=1)),
    "a model with an attribute less": (Plain, lambda: without("count")),
    "a model in another order": (Plain, reordered),
    "a model that shows something else": (Looking, Looking),
    "a class for a model": (Plain, lambda: Plain),
    "deep": (Any, lambda: deep(30)),
    "deeper": (Any, lambda: deep(100)),
    "without end": (dict[str, Any], cyclic),
    "constrained": (dict[str, Annotated[int, Field(gt=0)]], lambda: {"a": 0}),
    "stripped": (list[Annotated[str, Field(pattern="^a")]], lambda: ["b"]),
}


@pytest.mark.parametrize("kind", CASES)
def test_shape(conform, kind):
    """E70, E74: what fits is written at once, what does not is as pydantic has it."""
    annotation, value = CASES[kind]
    conform(returning(value, annotation), *ASK)


@pytest.mark.parametrize("kind", ["a model", "a dict for a model", "by alias or name", "nested"])
def test_shape_not_by_alias(conform, kind):
    """E74."""
    annotation, value = CASES[kind]
    conform(returning(value, annotation, response_model_by_alias=False), *ASK)
    conform(returning(lambda: Aliased(), Aliased, response_model_by_alias=False), *ASK)
