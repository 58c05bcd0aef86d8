"""Validation of bodies: Pydantic's on what `json.loads` made."""

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic
import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    ValidationInfo,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from typing_extensions import NotRequired, TypedDict

from ..requests import post_json


def taking(annotation, **options):
    """An application whose one body parameter is of this type; it answers what it got."""

    def make(side):
        app = side.FastAPI()

        async def endpoint(item):
            side.log(repr(item))
            return item

        def sync(item):
            side.log(repr(item))
            return item

        for name, function in (("async", endpoint), ("sync", sync)):
            function.__annotations__["item"] = annotation
            app.post(f"/{name}", **options)(function)
        return app

    return make


def check(conform, annotation, documents):
    """Send each document to an `async def`, the first to a `def` as well."""
    asked = [post_json("/async", document) for document in documents]
    conform(taking(annotation), *asked, post_json("/sync", documents[0]))


class Colour(enum.Enum):
    RED = "red"
    SEVEN = 7


class Address(BaseModel):
    street: str
    number: int | None = None


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=10)
    address: Address
    others: list[Address] = []
    by_name: dict[str, Address] = {}
    parent: "Person | None" = None


FIELDS: dict[str, tuple[Any, list[Any]]] = {
    "int": (int, [1, "1", 1.0, 1.5, True, None, "x", [], 10**30, b'{"v": 1e3}', b'{"v": -0}']),
    "float": (float, [1, "1.5", True, None, "x", b'{"v": NaN}', b'{"v": 1e400}', "nan", 10**400]),
    "bool": (bool, [True, 1, 0, 2, "yes", "off", 1.0, 0.5, None, "", []]),
    "str": (str, ["a", 1, 1.5, True, None, [], {}, b'{"v": "\\ud800"}']),
    "bytes": (bytes, ["a", "é", 1, None]),
    "decimal": (decimal.Decimal, [1, 1.1, "1.10", "x", True, b'{"v": 1.10}', b'{"v": NaN}']),
    "date": (datetime.date, ["2024-02-29", 0, 1700000000, 1.5, "x", None, "2024-02-29T00:00:00"]),
    "datetime": (datetime.datetime, ["2024-02-29T01:02:03Z", 0, 1.5, "2024-02-29", "x", True]),
    "time": (datetime.time, ["01:02", 3600, 1.5, "x", None]),
    "timedelta": (datetime.timedelta, ["P1D", 5, 1.5, "01:00:00", "x", None]),
    "uuid": (uuid.UUID, ["12345678-1234-5678-1234-567812345678", "x", 1, None]),
    "enum": (Colour, ["red", 7, "7", 7.0, "blue", None]),
    "literal": (Literal["a", 1, None], ["a", 1, None, True, "1", 1.0]),
    "optional": (int | None, [1, None, "x"]),
    "union": (int | str | list[int], [1, "1", "x", [1], ["x"], None, 1.5]),
    "left to right": (
        Annotated[int | str, Field(union_mode="left_to_right")], [1, "1", "x", None],
    ),
    "list": (list[int], [[], [1, "2"], [1, "x", None], "12", {}, None]),
    "set": (set[int], [[], [1, 1, 2], [1, "x"], {}]),
    "frozenset": (frozenset[str], [["a", "a"], [1]]),
    "tuple": (tuple[int, str], [[1, "a"], [1], [1, "a", 2], ["x", 1], "ab"]),
    "dict": (dict[str, int], [{}, {"a": 1, "b": "2"}, {"a": "x"}, [], None]),
    "dict of int keys": (dict[int, int], [{"1": 1}, {"x": 1}, {"1": 1, "01": 2}]),
    "any": (Any, [1, "a", None, [1, {"a": None}]]),
    "strict int": (pydantic.StrictInt, [1, "1", 1.0, True]),
    "strict str": (pydantic.StrictStr, ["a", 1]),
    "strict float": (pydantic.StrictFloat, [1, 1.5, "1"]),
    "strict list": (Annotated[list[int], Field(strict=True)], [[1], ["1"], "1"]),
    "positive": (pydantic.PositiveInt, [1, 0, -1, "x"]),
    "constrained list": (Annotated[list[int], Field(min_length=1, max_length=2)], [[], [1, 2, 3]]),
    "email": (pydantic.EmailStr, ["a@example.com", "a", None]),
    "url": (pydantic.HttpUrl, ["http://example.com", "x", 1]),
    "json": (pydantic.Json[list[int]], ["[1]", "[x]", "{}", [1]]),
    "secret": (pydantic.SecretStr, ["a", 1]),
    "base64": (pydantic.Base64Bytes, ["aGk=", "?"]),
    "nested model": (Address, [{"street": "a"}, {}, {"street": 1, "number": "x"}, None, [], "x"]),
    "list of models": (list[Address], [[{"street": "a"}], [{}, {"street": "b"}, 1]]),
}  # fmt: skip


@pytest.mark.parametrize("kind", FIELDS)
def test_field(conform, kind):
    """D62: lax or strict as for Python objects, never as for JSON; the input is shown as it is."""
    annotation, values = FIELDS[kind]
    model = pydantic.create_model("Model", v=(annotation, ...))
    check(conform, model, [v if isinstance(v, bytes) else {"v": v} for v in values] + [{}])


def test_nesting_and_recursion(conform):
    person = {"name": "a", "address": {"street": "b", "number": 1}}
    deep: dict[str, Any] = person
    for _ in range(30):
        deep = {**person, "parent": deep}
    check(
        conform,
        Person,
        [
            person, {**person, "others": [{}, {"street": 1}], "by_name": {"x": {"number": "y"}}},
            {**person, "parent": {"name": "", "address": {}}}, deep, {**person, "name": "a" * 11},
            {"name": "", "address": None, "others": {}, "by_name": [], "parent": 5},
        ],
    )  # fmt: skip


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int = 0


class Allowing(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 0


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    a: int = 0
    when: datetime.date = datetime.date(2000, 1, 1)
    items: tuple[int, ...] = ()


class Aliased(BaseModel):
    a: int = Field(alias="theA")
    b: int = Field(0, validation_alias="theB")
    c: int = Field(0, serialization_alias="theC")
    d: int = Field(0, validation_alias=AliasChoices("d1", "d2"))
    e: int = Field(0, validation_alias=AliasPath("e", "inner", 0))


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    user_name: str = ""


class CamelByName(Camel):
    model_config = ConfigDict(populate_by_name=True)


class NoLocByAlias(Aliased):
    model_config = ConfigDict(loc_by_alias=False)


class Stripping(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, str_to_upper=True, str_max_length=3)
    a: str = ""


class Private(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    a: int = 0
    _hidden: int = 5


class Enumerated(BaseModel):
    model_config = ConfigDict(use_enum_values=True, validate_default=True)
    a: Colour = Colour.RED


class Coercing(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, ser_json_bytes="base64")
    a: str = ""
    b: bytes = b"\xff"


CONFIGURED = {
    Forbidding: [{}, {"a": 1, "b": 2}, {"c": 1, "b": "x", "a": "y"}],
    Allowing: [{}, {"a": 1, "b": {"c": [None]}}, {"a": "x", "b": 1}],
    Strict: [{}, {"a": "1"}, {"a": 1.0}, {"when": "2024-02-29"}, {"items": [1]}],
    Aliased: [
        {"theA": 1}, {"a": 1}, {"theA": "x", "theB": "y", "d2": "z", "e": {"inner": ["w"]}},
        {"theA": 1, "b": 2, "theB": 3, "c": 4, "d1": 5, "d2": 6, "e": {"inner": [7]}},
    ],
    Camel: [{"userName": "a"}, {"user_name": "a"}, {"userName": 1}],
    CamelByName: [{"userName": "a"}, {"user_name": "a"}, {"user_name": 1, "userName": 2}],
    NoLocByAlias: [{}, {"theA": "x"}],
    Stripping: [{"a": " a "}, {"a": " abcd "}],
    Private: [{}, {"a": "x"}, {"_hidden": 1}],
    Enumerated: [{}, {"a": 7}, {"a": 8}],
    Coercing: [{"a": 1}, {"a": 1.5}, {"a": True}],
}  # fmt: skip


@pytest.mark.parametrize("model", CONFIGURED, ids=lambda model: model.__name__)
def test_configured_model(conform, model):
    check(conform, model, CONFIGURED[model])


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "hound"]
    name: str


class Wolf(BaseModel):
    type_: Literal["wolf"] = Field(alias="type")


def tag_of(value):
    return value.get("t") if isinstance(value, dict) else getattr(value, "t", None)


class Left(BaseModel):
    t: str
    x: int


class Right(BaseModel):
    t: str
    y: int


T = TypeVar("T")


class Boxed(BaseModel, Generic[T]):
    content: T


UNIONS = {
    "of models": Cat | Dog,
    "by a field": Annotated[Cat | Dog, Field(discriminator="kind")],
    "by a function": Annotated[
        Annotated[Left, Tag("l")] | Annotated[Right, Tag("r")], Discriminator(tag_of)
    ],
    "in a list": list[Annotated[Cat | Dog, Field(discriminator="kind")]],
    "with scalars": Cat | int | str | None,
    "of lists": list[Cat] | list[int],
    "of dicts": dict[str, int] | dict[str, str],
    "of generic models": Boxed[int] | Boxed[list[str]],
    "of one generic model": Boxed[Cat | Dog],
}
UNION_DOCUMENTS: list[Any] = [
    {"kind": "cat"}, {"kind": "dog", "name": "a"}, {"kind": "hound"}, {"kind": "cow"}, {}, None, 5,
    {"kind": "cat", "lives": "x"}, {"t": "l", "x": 1}, {"t": "r", "x": 1}, {"t": "z"}, "text", [],
    [{"kind": "cat"}, {"kind": "dog"}], [1, "2"], {"a": 1}, {"a": "x"}, {"content": "1"},
    {"content": ["a"]}, {"content": {"kind": "dog", "name": "a"}}, {"content": {}},
]  # fmt: skip


@pytest.mark.parametrize("kind", UNIONS)
def test_union(conform, kind):
    check(conform, UNIONS[kind], UNION_DOCUMENTS)


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@pydantic.dataclasses.dataclass
class Checked:
    x: int
    points: list[Point] = dataclasses.field(default_factory=list)
    z: int = Field(5, gt=1)


class Typed(TypedDict):
    a: int
    b: NotRequired[list[Point]]


class Numbers(RootModel[list[int]]):
    pass


class Mapping(RootModel[dict[str, Address]]):
    pass


OTHERS = {
    "dataclass": (Point, [{"x": 1}, {"x": "1", "y": 2}, {}, {"x": "a"}, [1], {"x": 1, "z": 1}]),
    "pydantic dataclass": (
        Checked,
        [{"x": 1, "points": [{"x": 2}]}, {"x": 1, "z": 1}, {"points": [{}]}, [1]],
    ),
    "list of dataclasses": (list[Point], [[{"x": 1}], [{}, 1]]),
    "typed dict": (Typed, [{"a": 1}, {"a": "1", "b": [{"x": 1}]}, {}, {"a": 1, "c": 2}, []]),
    "root model": (Numbers, [[1, "2"], ["x"], {}, []]),
    "root model of a dict": (Mapping, [{"a": {"street": "b"}}, {"a": {}}, []]),
    "generic model": (Boxed[int], [{"content": 1}, {"content": "x"}]),
    "nested generic model": (Boxed[Boxed[list[int]]], [{"content": {"content": [1]}}, {}]),
    "new type of a model": (Annotated[Address, Field(description="an address")], [{"street": "a"}]),
    "dict of lists": (dict[str, list[int]], [{"a": [1]}, {"a": ["x", "y"], "b": 1}]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_structure(conform, kind):
    annotation, documents = OTHERS[kind]
    check(conform, annotation, documents)


def note(value):
    return [value]


def strict_even(value):
    if value % 2:
        raise ValueError("odd")
    return value


def wrapping(value, handler):
    try:
        return handler(value)
    except pydantic.ValidationError:
        return -1


class Validated(BaseModel):
    before: Annotated[Any, BeforeValidator(note)] = 0
    after: Annotated[int, AfterValidator(strict_even)] = 0
    wrapped: Annotated[int, WrapValidator(wrapping)] = 0
    seen: str = ""
    checked: int = 0

    @field_validator("checked", mode="after")
    @classmethod
    def check(cls, value: int, info: ValidationInfo) -> int:
        assert value < 10, "ten or more"
        if value == 9:
            raise pydantic_error()
        return value + info.data.get("after", 100)

    @field_validator("seen", mode="before")
    @classmethod
    def see(cls, value: Any, info: ValidationInfo) -> str:
        return f"{info.mode} {type(value).__name__} {info.field_name}"


def pydantic_error():
    from pydantic_core import PydanticCustomError

    return PydanticCustomError("nine", "no {thing} today", {"thing": "nines"})


class Whole(BaseModel):
    a: int = 0
    b: int = 0

    @model_validator(mode="before")
    @classmethod
    def rename(cls, values: Any) -> Any:
        return {"a": values["c"]} if isinstance(values, dict) and "c" in values else values

    @model_validator(mode="after")
    def ordered(self) -> "Whole":
        if self.a > self.b:
            raise ValueError("a is larger than b")
        return self


class Wrapped(BaseModel):
    a: int = 0

    @model_validator(mode="wrap")
    @classmethod
    def wrap(cls, value: Any, handler: Any) -> Any:
        made = handler(value if isinstance(value, dict) else {"a": value})
        made.a += 1
        return made


VALIDATED = {
    Validated: [
        {}, {"before": 1, "after": 2, "wrapped": "x", "seen": 5}, {"after": 3, "checked": 10},
        {"checked": 9}, {"after": 4, "checked": 1}, {"after": "x", "checked": 1},
    ],
    Whole: [{"a": 1}, {"c": 0}, {"c": 5}, {"a": "x"}, 5, {"a": 1, "b": 2}],
    Wrapped: [{"a": 1}, 5, "x", {}],
}  # fmt: skip


@pytest.mark.parametrize("model", VALIDATED, ids=lambda model: model.__name__)
def test_validators_of_pydantic(conform, model):
    """D62: they see Python objects (`info.mode` is "python"), each runs once."""
    check(conform, model, VALIDATED[model])


def test_a_validator_that_raises_something_else_is_a_500(conform):
    def boom(value):
        raise KeyError("not a validation error")

    conform(taking(Annotated[int, AfterValidator(boom)]), post_json("/async", b"1"))


def test_a_validator_runs_once_a_request(conform):
    """Nothing is run twice to find out what an error would say."""
    runs = []

    def count(value):
        runs.append(value)
        return value

    model = pydantic.create_model("Model", a=(Annotated[int, AfterValidator(count)], ...), b=int)
    conform(taking(model), post_json("/async", {"a": 1, "b": "x"}), post_json("/sync", {"a": 2}))
    # The response is validated by no model here: the parameter alone counts.
    assert sorted(runs) == [1, 1, 1, 2, 2, 2]


def test_an_error_shows_the_input_as_it_was_sent(conform):
    model = pydantic.create_model("Model", a=(int, ...), b=(Address, ...))
    inputs = [
        b'{"a": "x", "b": {"other": [1, NaN, "\\u00e9", null, 1e5, 12345678901234567890]}}',
        b'{"b": "long ' + b"x" * 500 + b'"}',
        b'{"a": {"\\ud83d\\ude00": 1}, "b": []}',
        b'{"a": Infinity, "b": {}}',
    ]
    conform(taking(model), *[post_json("/async", document) for document in inputs])
