"""Names of parameters on the wire: aliases, underscores and choices."""

from typing import Annotated

import pytest
from fastapi import Header, Path, Query
from pydantic import AliasChoices, AliasPath, Field

from ..requests import get
from .places import declared


def named(place, **options):
    def make(side):
        app = side.FastAPI()

        async def endpoint(some_value):
            side.log(some_value)

        endpoint.__annotations__["some_value"] = declared(place, str, **options)
        app.get("/")(endpoint)
        return app

    return make


SPELLINGS = ["some_value", "some-value", "Some-Value", "given", "Given", "given-name", "other", "x"]


def all_spellings(place):
    if place == "query":
        return [get(f"/?{name}=1") for name in SPELLINGS] + [get("/?given=1&other=2&some_value=3")]
    if place == "header":
        every = get("/", "given: 1", "other: 2", "some-value: 3", "some_value: 4")
        return [get("/", f"{name}: 1") for name in SPELLINGS] + [every]
    every = get("/", "cookie: given=1; other=2; some_value=3")
    return [get("/", f"cookie: {name}=1") for name in SPELLINGS] + [every]


OPTIONS = {
    "none": {},
    "alias": {"alias": "given"},
    "alias with a hyphen": {"alias": "given-name"},
    "alias with capitals": {"alias": "Given"},
    "validation alias": {"validation_alias": "given"},
    "serialization alias": {"serialization_alias": "given"},
    "both aliases": {"alias": "given", "validation_alias": "other"},
    "title and description": {"title": "A title", "description": "Text", "deprecated": True},
}
CHOICES = {
    "choices": AliasChoices("given", "other"),
    "choices with its own name": AliasChoices("some_value", "given"),
    "one choice": AliasChoices("given"),
    "path": AliasPath("given", 0),
    "choice of paths": AliasChoices(AliasPath("given", 0), "other"),
}


@pytest.mark.parametrize("place", ["query", "header", "cookie"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_one_name(conform, place, kind):
    """C44: in headers `_` reads `-`; errors name what the wire has to say."""
    conform(named(place, **OPTIONS[kind]), *all_spellings(place))


@pytest.mark.parametrize("place", ["query", "header", "cookie"])
@pytest.mark.parametrize("kind", CHOICES)
def test_names_to_choose_from(conform, place, kind):
    """C53: the first of the choices that is present."""
    conform(named(place, validation_alias=CHOICES[kind]), *all_spellings(place))


@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("alias", [None, "given_name"])
def test_underscores_of_headers(conform, convert, alias):
    """C44: kept with `convert_underscores=False`, and in an alias."""
    lines = ["some_value: 1", "some-value: 2", "given_name: 3", "given-name: 4"]
    make = named("header", convert_underscores=convert, alias=alias)
    conform(make, *[get("/", line) for line in lines], get("/", *lines), get("/"))


def test_a_path_parameter_is_found_by_its_alias(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/alias/{given}")
        async def alias(some_value: Annotated[int, Path(alias="given")]):
            return some_value

        @app.get("/choice/{other}")
        async def choice(
            some_value: Annotated[int, Path(validation_alias=AliasChoices("given", "other"))],
        ):
            return some_value

        return app

    conform(make, get("/alias/1"), get("/alias/x"), get("/choice/1"), get("/choice/x"))


def test_the_same_name_in_every_place_stays_apart(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/{name}")
        def endpoint(
            path: Annotated[str, Path(alias="name")],
            query: declared("query", str, alias="name"),
            header: declared("header", str, alias="name"),
            cookie: declared("cookie", str, alias="name"),
        ):
            return [path, query, header, cookie]

        return app

    conform(make, get("/a?name=b", "name: c", "cookie: name=d"), get("/a", "name: c"))


def test_keyword_only_parameters_and_names_of_python(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/{id}")
        async def endpoint(id: int, *, self: str, class_: Annotated[str, Query(alias="class")]):
            return [id, self, class_]

        @app.get("/positional/{a}")
        def positional(a: int, b: int = 2, /, c: int = 3):
            return [a, b, c]

        return app

    # Arguments are given by name: a positional-only one is a TypeError in FastAPI, so in ours.
    conform(make, get("/1?self=a&class=b"), get("/1"), get("/positional/1?b=5"))


def test_declarations_as_defaults_equal_those_in_annotations(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/default/{p}")
        async def default(
            p: int = Path(gt=1),
            q: int = Query(5, alias="qq", le=9),
            h: str | None = Header(None, min_length=2),
        ):
            return [p, q, h]

        @app.get("/annotated/{p}")
        async def annotated(
            p: Annotated[int, Path(gt=1)],
            q: Annotated[int, Query(alias="qq", le=9)] = 5,
            h: Annotated[str | None, Header(min_length=2)] = None,
        ):
            return [p, q, h]

        @app.get("/ellipsis")
        def ellipsis(q: int = Query(...), h: Annotated[str, Header()] = ...):
            return [q, h]

        return app

    steps = []
    for path in ("/default/2", "/annotated/2", "/default/1", "/annotated/x", "/ellipsis"):
        steps += [get(path), get(path + "?qq=10", "h: a"), get(path + "?qq=7&q=1", "h: ab")]
    conform(make, *steps)


def test_pydantic_fields_add_to_the_declaration(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        def endpoint(q: Annotated[int, Query(gt=1), Field(lt=5)], r: Annotated[int, Field(gt=1)]):
            return [q, r]

        return app

    conform(make, get("/?q=2&r=2"), get("/?q=1&r=1"), get("/?q=5&r=5"))
