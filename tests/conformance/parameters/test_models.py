"""Parameter models: one Pydantic model for a whole query, all headers or all cookies."""

from typing import Annotated, Literal

import pytest
from fastapi import Cookie, Header, Query
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    field_validator,
    model_validator,
)

from ..requests import get

DECLARATIONS = {"query": Query, "header": Header, "cookie": Cookie}


def modelled(place, model, **options):
    def make(side):
        app = side.FastAPI()

        async def endpoint(value):
            side.log(repr(value), sorted(getattr(value, "model_fields_set", ())))
            return value

        endpoint.__annotations__["value"] = Annotated[model, DECLARATIONS[place](**options)]
        app.get("/")(endpoint)
        return app

    return make


def asking(place):
    """Nothing, all, too much, repeated, wrong and otherwise spelt."""
    names = [
        [],
        [("size", "1")],
        [("size", "1"), ("user_name", "a")],
        [("size", "1"), ("user-name", "a"), ("userName", "b")],
        [("size", "x"), ("tags", "1")],
        [("size", "1"), ("tags", "a"), ("tags", "b")],
        [("size", "1"), ("size", "2"), ("more", "1"), ("more", "2"), ("single", "3")],
        [("size", ""), ("other", "%C3%A9")],
    ]
    if place == "query":
        return [get("/?" + "&".join(f"{n}={v}" for n, v in pairs)) for pairs in names]
    if place == "header":
        return [get("/", *[f"{n}: {v}" for n, v in pairs]) for pairs in names]
    return [get("/", "cookie: " + "; ".join(f"{n}={v}" for n, v in pairs)) for pairs in names]


class Plain(BaseModel):
    size: int
    user_name: str = "nobody"
    tags: list[str] = []


class Forbidding(Plain):
    model_config = ConfigDict(extra="forbid")


class Allowing(Plain):
    model_config = ConfigDict(extra="allow")


class Ignoring(Plain):
    model_config = ConfigDict(extra="ignore")


class Aliased(BaseModel):
    size: int = Field(alias="other")
    user_name: str = Field("nobody", alias="userName")


class ByName(Aliased):
    model_config = ConfigDict(populate_by_name=True)


class ByNameOnly(Aliased):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)


class ByAliasAndName(Aliased):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, extra="forbid")


class Choosing(BaseModel):
    size: int = Field(validation_alias=AliasChoices("other", "size"))
    user_name: str = Field("nobody", validation_alias=AliasChoices("userName", "user-name"))


class Constrained(BaseModel):
    size: int = Field(gt=1, lt=100)
    user_name: str = Field("", max_length=3)
    kind: Literal["a", "b"] = "a"


class Validating(BaseModel):
    size: int
    tags: list[str] = Field(default_factory=lambda: ["made"])

    @field_validator("size", mode="before")
    @classmethod
    def blank_is_zero(cls, value):
        return value or 0

    @model_validator(mode="after")
    def small(self):
        if self.size > 1:
            raise ValueError("too large")
        return self


class Seeing(BaseModel):
    """What the validator is given is the whole dict, as it was collected."""

    model_config = ConfigDict(extra="allow")
    seen: str = ""

    @model_validator(mode="before")
    @classmethod
    def look(cls, values):
        hidden = {"host", "connection", "accept"}
        return {"seen": repr({k: v for k, v in values.items() if k not in hidden})}


class Computed(BaseModel):
    size: int = 0

    @computed_field
    @property
    def double(self) -> int:
        return self.size * 2


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, strict=True)
    user_name: str = "nobody"
    size: str = ""


MODELS = {
    model.__name__: model
    for model in (
        Plain, Forbidding, Allowing, Ignoring, Aliased, ByName, ByNameOnly, ByAliasAndName,
        Choosing, Constrained, Validating, Seeing, Computed, Frozen,
    )
}  # fmt: skip


@pytest.mark.parametrize("place", DECLARATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_model(conform, place, name):
    """C52: extras grouped, forbidden or allowed; aliases; underscores of headers."""
    conform(modelled(place, MODELS[name]), *asking(place))


@pytest.mark.parametrize("place", DECLARATIONS)
@pytest.mark.parametrize("model", [Plain, Computed], ids=lambda model: model.__name__)
def test_optional_model(conform, place, model):
    """C52: None when none of its names is there."""

    def make(side):
        app = side.FastAPI()

        async def endpoint(value=None):
            side.log(repr(value))

        endpoint.__annotations__["value"] = Annotated[model | None, DECLARATIONS[place]()]
        app.get("/")(endpoint)
        return app

    conform(make, *asking(place))


def test_header_model_that_keeps_underscores(conform):
    """C44, C52: `convert_underscores=False` holds for every field of the model."""
    make = modelled("header", Plain, convert_underscores=False)
    conform(make, *asking("header"), get("/", "size: 1", "user_name: a", "user-name: b"))


def test_two_models_and_a_parameter_share_the_query(conform):
    """C52: each sees all of it."""

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        def endpoint(
            first: Annotated[Plain, Query()],
            second: Annotated[Constrained, Query()],
            size: int,
            header: Annotated[Computed, Header()],
        ):
            return [first, second, size, header]

        return app

    conform(make, *asking("query"), get("/?size=5", "size: 7"))


def test_a_model_in_a_dependency(conform):
    from fastapi import Depends

    def make(side):
        app = side.FastAPI()

        async def dependency(value: Annotated[Forbidding, Query()]):
            return value.size

        @app.get("/")
        async def endpoint(size: Annotated[int, Depends(dependency)], other: str = "default"):
            return [size, other]

        return app

    conform(make, *asking("query"))
