"""Defaults: copied, made by factories, validated or not."""

from typing import Annotated

import pytest
from fastapi import Cookie, Header, Query

from ..requests import get
from .places import declared

PLACES = ("query", "header", "cookie")


def defaulting(annotation, *default):
    def make(side):
        app = side.FastAPI()

        async def endpoint(value):
            side.log(type(value).__name__, repr(value))
            return value

        def sync(value):
            side.log(type(value).__name__, repr(value))
            return value

        for name, function in (("async", endpoint), ("sync", sync)):
            function.__annotations__["value"] = annotation
            function.__defaults__ = default
            app.get(f"/{name}")(function)
        return app

    return make


ASK = [get("/async"), get("/sync")]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("default", [0, 1.5, "x", None, True, [1], {"a": 1}, (1, 2)], ids=repr)
def test_a_default_is_given_as_it_is(conform, place, default):
    """C51: not validated: a wrong type stays."""
    conform(defaulting(declared(place, int), default), *ASK)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("default", [0, "5", "x", None], ids=repr)
def test_a_default_is_validated_when_asked_for(conform, place, default):
    """C51: `validate_default`: converted, or refused like a value."""
    conform(defaulting(declared(place, int, validate_default=True), default), *ASK)


@pytest.mark.parametrize("declaration", [Query, Header, Cookie])
def test_a_factory_makes_the_default(conform, declaration):
    made = []

    def factory():
        made.append(1)
        return "made"

    conform(defaulting(Annotated[str, declaration(default_factory=factory)]), *ASK)
    assert len(made) % 3 == 0


@pytest.mark.parametrize("declaration", [Query, Header])
def test_a_factory_of_a_list(conform, declaration):
    conform(defaulting(Annotated[list[int], declaration(default_factory=lambda: [1])]), *ASK)


def test_a_mutable_default_is_a_copy_for_each_request(conform):
    """C51: what one request does to it the next does not see."""

    def make(side):
        app = side.FastAPI()
        shared = [1]

        @app.get("/async")
        async def endpoint(value: list[int] = Query(default=shared)):
            side.log(value is shared)
            value.append(2)
            return value

        @app.get("/sync")
        def sync(value: Annotated[list[int], Query()] = shared):
            side.log(value is shared)
            value.append(3)
            return value

        return app

    conform(make, *ASK, *ASK)


def test_an_immutable_default_is_the_same_object(conform):
    def make(side):
        app = side.FastAPI()
        shared = "a string that is not interned" * 2

        @app.get("/async")
        def endpoint(value: str = shared):
            return value is shared

        return app

    conform(make, get("/async"))


def test_a_default_that_cannot_be_copied_fails_the_request(conform):
    """C51: the copy is made for each request, and what it raises is the application's error."""

    class Uncopyable:
        def __deepcopy__(self, memo):
            raise RuntimeError("not to be copied")

    def make(side):
        app = side.FastAPI()

        @app.get("/async")
        async def endpoint(value: Annotated[str, Query()] = Uncopyable()):
            side.log("never called")

        return app

    conform(make, get("/async"), get("/async?value=a"))


def test_an_optional_without_default_is_required(conform):
    conform(defaulting(declared("query", int | None)), *ASK, get("/async?value=1"))


def test_a_value_that_is_present_but_empty_is_not_missing(conform):
    conform(
        defaulting(declared("query", str), "default"), get("/async?value="), get("/async?value")
    )
