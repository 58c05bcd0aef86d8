"""Models made of bodies that fit them exactly: the same instances as pydantic's."""

from abc import ABC, abstractmethod
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ..requests import post_json


class Inner(BaseModel):
    n: int = 1


class Plain(BaseModel):
    name: str
    price: float = 1.5
    tags: list[str] = []
    seen: dict[str, int] = {}
    inner: Inner | None = None
    more: list[Inner] = []
    extra: Any = None


class Filled(BaseModel):
    tags: list[str] = ["a"]
    inner: Inner = Inner(n=7)


class Aliased(BaseModel):
    some_name: int = Field(alias="someName")


class Private(BaseModel):
    name: str
    _secret: int = PrivateAttr(5)


class Prepared(BaseModel):
    name: str

    def model_post_init(self, context: Any) -> None:
        self.name = self.name.upper()


class Made(BaseModel):
    name: str

    def __new__(cls, *args: Any, **kwargs: Any) -> "Made":
        made = super().__new__(cls)
        object.__setattr__(made, "__pydantic_private__", None)
        return made


class Abstract(BaseModel, ABC):
    name: str

    @abstractmethod
    def speak(self) -> str: ...


class Slotted(BaseModel):
    __slots__ = ("cached",)
    name: str


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str


MODELS: dict[str, tuple[type[BaseModel], list[Any]]] = {
    "plain": (
        Plain,
        [
            {"name": "a"},
            {
                "extra": {"x": [1]},
                "name": "é",
                "price": 2,
                "inner": {"n": 3},
                "more": [{}, {"n": 2}],
            },
            {"name": "a", "price": 2**53 + 1, "unknown": 1},
            {"name": "a", "inner": None, "seen": {"": 0}},
            {"name": None},
            {"name": "a", "price": "3", "tags": ["b"]},
            {"name": "a", "more": [{"n": "x"}]},
            [],
        ],
    ),
    "filled": (Filled, [{}, {"tags": []}]),
    "aliased": (Aliased, [{"someName": 1}, {"some_name": 1}]),
    "private": (Private, [{"name": "a"}]),
    "prepared": (Prepared, [{"name": "a"}]),
    "made": (Made, [{"name": "a"}]),
    "abstract": (Abstract, [{"name": "a"}]),
    "slotted": (Slotted, [{"name": "a"}]),
    "frozen": (Frozen, [{"name": "a"}]),
}


def describe(model: BaseModel) -> list[Any]:
    """What can be seen of an instance."""
    inner = [value for value in model.__dict__.values() if isinstance(value, BaseModel)]
    return [
        type(model).__name__,
        [(name, type(value).__name__) for name, value in model.__dict__.items()],
        sorted(model.model_fields_set),
        model.model_extra,
        model.__pydantic_private__,
        repr(model),
        model.model_dump(exclude_unset=True),
        *map(describe, inner),
    ]


@pytest.mark.parametrize("kind", MODELS)
def test_instance(conform, kind):
    """D62: attributes in the model's order, what was set, and defaults of its own."""
    model, bodies = MODELS[kind]

    def make(side):
        app = side.FastAPI()

        async def endpoint(item):
            side.log(describe(item))
            for value in item.__dict__.values():
                if isinstance(value, list):
                    value.append("mine")
            return {"known": item == type(item).model_validate(item.model_dump(by_alias=True))}

        def sync(item):
            side.log(describe(item))
            return item

        for name, function in (("async", endpoint), ("sync", sync)):
            function.__annotations__["item"] = model
            app.post(f"/{name}")(function)
        return app

    bodies = [*bodies, bodies[0]]
    conform(make, *[post_json(path, body) for path in ("/async", "/sync") for body in bodies])


def test_several_bodies(conform):
    """D61: each key of the object is a parameter."""

    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint(first: Plain, second: Inner, third: dict[str, float], fourth: int):
            side.log(describe(first), describe(second), third, fourth)
            return [first, second, third, fourth]

        return app

    body = {"first": {"name": "a"}, "second": {}, "third": {"x": 1}, "fourth": 4}
    conform(make, post_json("/", body), post_json("/", {**body, "fourth": "4", "third": []}))
