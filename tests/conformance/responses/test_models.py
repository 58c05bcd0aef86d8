"""Response models: validation, filtering and the `response_model_*` options."""

import dataclasses
import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic
import pytest
from fastapi import Request
from fastapi.exceptions import ResponseValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SerializeAsAny,
    computed_field,
    field_serializer,
    model_serializer,
)
from typing_extensions import TypedDict

from ..requests import get
from .test_json import ASK, returning


class Inner(BaseModel):
    x: int = 1
    y: int | None = None


class Outer(BaseModel):
    name: str
    price: float = 1.5
    tags: set[str] = set()
    inner: Inner = Inner()
    other: Inner | None = None


class Secretive(Outer):
    password: str = "hidden"


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    some_name: int = Field(1, alias="someName")
    other_name: int = Field(2, serialization_alias="otherName")
    third_name: int = Field(3, validation_alias="thirdName")


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Typed(TypedDict, total=False):
    a: int
    b: str


class Computed(BaseModel):
    a: int = 2

    @computed_field
    @property
    def double(self) -> int:
        return self.a * 2


class Serialising(BaseModel):
    when: datetime.date = datetime.date(2024, 1, 1)
    hidden: int = Field(5, exclude=True)
    shown: Annotated[int, PlainSerializer(lambda value: f"<{value}>")] = 6

    @field_serializer("when")
    def write(self, value: datetime.date) -> str:
        return value.strftime("%d.%m.%Y")


class Wrapping(BaseModel):
    a: int = 1

    @model_serializer(mode="wrap")
    def write(self, handler: Any) -> dict[str, Any]:
        return {"wrapped": handler(self)}


class AnyInner(BaseModel):
    inner: SerializeAsAny[Inner]


class Larger(Inner):
    z: int = 3


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: int = 0


class Row:
    """An object with attributes, as an ORM has them."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Unreadable:
    y = 1

    @property
    def x(self) -> int:
        raise ValueError("no x today")


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str = "a"


CASES: dict[str, tuple[Any, Any]] = {
    "dict": (Outer, lambda: {"name": "a", "more": 1, "inner": {"x": "5", "z": 1}}),
    "model": (Outer, lambda: Outer(name="a", tags={"t"})),
    "subclass": (Outer, lambda: Secretive(name="a")),
    "list of subclasses": (list[Outer], lambda: [Secretive(name="a"), Outer(name="b")]),
    "dict of subclasses": (dict[str, Outer], lambda: {"k": Secretive(name="a")}),
    "optional": (Outer | None, lambda: None),
    "optional subclass": (Outer | None, lambda: Secretive(name="a")),
    "object with attributes": (Outer, lambda: Row(name="a", price=2, inner=Row(x=7))),
    "another model": (Inner, lambda: Outer(name="a")),
    "inner subclass": (Outer, lambda: Outer(name="a", inner=Larger())),
    "serialised as any": (AnyInner, lambda: AnyInner(inner=Larger())),
    "model for a dict": (dict[str, Any], lambda: Outer(name="a")),
    "model for any": (Any, lambda: Secretive(name="a")),
    "model for an object": (object, lambda: Secretive(name="a")),
    "aliases": (Aliased, lambda: Aliased(some_name=5)),
    "aliases from a dict": (Aliased, lambda: {"some_name": 5, "thirdName": 7}),
    "dataclass": (Point, lambda: Point(1)),
    "dataclass from a dict": (Point, lambda: {"x": "1"}),
    "list of dataclasses": (list[Point], lambda: [Point(1), {"x": 2}]),
    "typed dict": (Typed, lambda: {"a": "1", "c": 5}),
    "computed field": (Computed, lambda: {"a": 3}),
    "serialisers": (Serialising, Serialising),
    "serialiser of the model": (Wrapping, Wrapping),
    "model from a dataclass": (Inner, lambda: Point(1)),
    "none": (None, lambda: 5),
    "generic": (Page[Inner], lambda: {"items": [{"x": 5}, Larger()], "total": 2}),
    "generic of another": (Page[int], lambda: Page[int](items=[1])),
    "root model": (RootModel[list[int]], lambda: ["1", 2]),
    "discriminated": (Annotated[Cat | Dog, Field(discriminator="kind")], Dog),
    "union of models": (Cat | Dog, lambda: {"name": "b"}),
    "scalar": (int, lambda: "5"),
    "text": (str, lambda: "é"),
    "bytes": (bytes, lambda: b"abc"),
    "float of an int": (float, lambda: 5),
    "float": (float, lambda: 1e16),
    "set": (set[int], lambda: [3, 3]),
    "tuple": (tuple[int, str], lambda: [1, "a"]),
    "list": (list[float], lambda: (1, 2.5)),
    "dict of dates": (dict[str, datetime.date], lambda: {"a": "2024-02-29"}),
    "dict of int keys": (dict[int, int], lambda: {"1": 1}),
    "generator": (list[int], lambda: (n for n in range(3))),
    "literal": (Literal["a", "b"], lambda: "a"),
    "strict": (pydantic.StrictInt, lambda: 5),
    "secret": (pydantic.SecretStr, lambda: "hidden"),
    "url": (pydantic.HttpUrl, lambda: "http://EXAMPLE.com"),
}


@pytest.mark.parametrize("kind", CASES)
def test_by_annotation(conform, kind):
    """E74: validated from attributes too, filtered to the declared type, by alias."""
    annotation, value = CASES[kind]
    conform(returning(value, annotation), *ASK)


@pytest.mark.parametrize("kind", CASES)
def test_by_response_model(conform, kind):
    """E74: `response_model` beats whatever the annotation says."""
    annotation, value = CASES[kind]
    conform(returning(value, int, response_model=annotation), *ASK)


@pytest.mark.parametrize("kind", CASES)
def test_with_a_response_class_of_its_own(conform, kind):
    """E73: serialised to Python, then rendered by the class."""
    annotation, value = CASES[kind]
    conform(returning(value, annotation, response_class=JSONResponse), *ASK)


OPTIONS: dict[str, dict[str, Any]] = {
    "exclude unset": {"response_model_exclude_unset": True},
    "exclude defaults": {"response_model_exclude_defaults": True},
    "exclude none": {"response_model_exclude_none": True},
    "all excludes": {
        "response_model_exclude_unset": True,
        "response_model_exclude_none": True,
        "response_model_exclude_defaults": True,
    },
    "include": {"response_model_include": {"name", "inner"}},
    "include a list": {"response_model_include": ["name", "tags"]},
    "include inner": {"response_model_include": {"inner": {"x"}}},
    "exclude": {"response_model_exclude": {"price", "missing"}},
    "exclude a list": {"response_model_exclude": ["price"]},
    "exclude inner": {"response_model_exclude": {"inner": {"x": True}, "name": True}},
    "include and exclude": {
        "response_model_include": {"name", "price"},
        "response_model_exclude": {"price"},
    },
    "not by alias": {"response_model_by_alias": False},
}


@pytest.mark.parametrize("value", ["model", "dict", "subclass"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_option(conform, kind, value):
    """E74."""
    annotation, make_value = CASES[value]
    conform(returning(make_value, annotation, **OPTIONS[kind]), *ASK)


@pytest.mark.parametrize("kind", OPTIONS)
def test_option_on_a_list(conform, kind):
    """E74."""
    values = CASES["list of subclasses"]
    conform(returning(values[1], values[0], **OPTIONS[kind]), *ASK)


@pytest.mark.parametrize("by_alias", [True, False])
@pytest.mark.parametrize("kind", ["aliases", "aliases from a dict"])
def test_by_alias(conform, kind, by_alias):
    """E74."""
    annotation, value = CASES[kind]
    conform(returning(value, annotation, response_model_by_alias=by_alias), *ASK)


@pytest.mark.parametrize("kind", OPTIONS)
def test_option_without_a_model_does_nothing(conform, kind):
    conform(returning(lambda: {"name": None, "price": 1}, **OPTIONS[kind]), *ASK)


@pytest.mark.parametrize("kind", OPTIONS)
def test_option_with_a_response_class(conform, kind):
    """E73, E74."""
    annotation, value = CASES["model"]
    conform(returning(value, annotation, response_class=JSONResponse, **OPTIONS[kind]), *ASK)


def test_no_response_model(conform):
    """E70: None takes the annotation's place, and json.dumps serialises."""
    conform(returning(lambda: Secretive(name="a"), Outer, response_model=None), *ASK)


INVALID: dict[str, tuple[Any, Any]] = {
    "missing field": (Outer, dict),
    "wrong type": (int, lambda: "x"),
    "wrong item": (list[int], lambda: [1, "x", None]),
    "wrong inner": (Outer, lambda: {"name": 1, "inner": {"x": "y"}}),
    "none": (Outer, lambda: None),
    "not a list": (list[int], lambda: 5),
    "strict": (pydantic.StrictInt, lambda: "5"),
    "not one of them": (Literal["a"], lambda: "b"),
    "a property that raises": (Inner, lambda: Unreadable()),
}


@pytest.mark.parametrize("kind", INVALID)
def test_an_invalid_value_is_a_500(conform, kind):
    """E75: ResponseValidationError escapes; no word of it to the client."""
    annotation, value = INVALID[kind]
    outcome, _ = conform(returning(value, annotation), *ASK)
    assert outcome.wire.startswith(b"HTTP/1.1 500 ") and outcome.escaped is not None


def test_an_invalid_value_reaches_handlers(conform):
    """E75: as a ResponseValidationError with errors and body."""

    def make(side):
        app = returning(lambda: {"inner": 5}, Outer)(side)

        @app.exception_handler(ResponseValidationError)
        async def handler(request: Request, error: ResponseValidationError):
            side.log(repr(error.errors()), repr(error.body))
            return PlainTextResponse("handled", status_code=503)

        return app

    conform(make, *ASK)


def test_where_a_response_is_validated(conform):
    """E76: of an `async def` in the loop, of a `def` in a worker; serialised in the loop."""

    def make(side):
        app = side.FastAPI()

        def validate(value):
            side.log("validated", side.thread())
            return value

        def serialise(value):
            side.log("serialised", side.thread())
            return value

        annotation = Annotated[int, pydantic.AfterValidator(validate), PlainSerializer(serialise)]

        async def endpoint() -> annotation:
            side.log("called", side.thread())
            return 1

        def sync() -> annotation:
            side.log("called", side.thread())
            return 1

        app.get("/async")(endpoint)
        app.get("/sync")(sync)
        return app

    outcomes = conform(make, *ASK)
    assert outcomes[1].notes == [
        ("called", "worker"), ("validated", "worker"), ("serialised", "loop"),
    ]  # fmt: skip


def test_a_model_is_validated_again_when_it_says_so(conform):
    def make(side):
        app = side.FastAPI()

        class Checked(BaseModel):
            model_config = ConfigDict(revalidate_instances="always")
            a: int

            @pydantic.field_validator("a")
            @classmethod
            def check(cls, value):
                side.log("validated", value)
                return value

        @app.get("/")
        async def endpoint() -> Checked:
            return Checked.model_construct(a="7")

        return app

    conform(make, get("/"))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_model_that_was_made_without_validation(conform):
    conform(returning(lambda: Inner.model_construct(x="text"), Inner), *ASK)
