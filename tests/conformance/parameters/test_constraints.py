"""Constraints of `Path()`, `Query()`, `Header()` and `Cookie()`, and how they refuse."""

import decimal
from typing import Annotated

import annotated_types
import pytest
from pydantic import Field

from ..requests import get
from .places import PLACES, asking, declared, echo

CONSTRAINTS = {
    "gt": (int, {"gt": 3}, ["4", "3", "2", "x"]),
    "ge": (int, {"ge": 3}, ["4", "3", "2"]),
    "lt": (int, {"lt": 3}, ["4", "3", "2"]),
    "le": (int, {"le": 3}, ["4", "3", "2"]),
    "between": (int, {"gt": 1, "le": 3}, ["1", "2", "3", "4"]),
    "float gt": (float, {"gt": 0.5}, ["0.5", "0.51", "nan", "inf"]),
    "multiple of": (int, {"multiple_of": 3}, ["3", "4", "0"]),
    "float multiple of": (float, {"multiple_of": 0.1}, ["0.3", "0.35"]),
    "min length": (str, {"min_length": 2}, ["a", "ab", "abc"]),
    "max length": (str, {"max_length": 2}, ["a", "ab", "abc"]),
    "lengths": (str, {"min_length": 1, "max_length": 2}, ["a", "abc"]),
    "pattern": (str, {"pattern": "^a+$"}, ["a", "aa", "ab", "A"]),
    "no infinity": (float, {"allow_inf_nan": False}, ["1", "inf", "nan"]),
    "infinity": (float, {"allow_inf_nan": True}, ["1", "inf"]),
    "digits": (
        decimal.Decimal,
        {"max_digits": 4, "decimal_places": 2},
        ["12.34", "1.234", "12345"],
    ),
    "strict int": (int, {"strict": True}, ["1"]),
    "strict str": (str, {"strict": True}, ["1"]),
    "optional gt": (int | None, {"gt": 3}, ["4", "3"]),
    "several": (str, {"min_length": 3, "pattern": "^b"}, ["a", "abc", "b", "bcd"]),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_constraint(conform, place, kind):
    annotation, options, values = CONSTRAINTS[kind]
    conform(echo(place, annotation, **options), *asking(place, *values))


ANNOTATED = {
    "field": (Annotated[int, Field(gt=1)], ["1", "2"]),
    "interval": (Annotated[int, annotated_types.Interval(gt=1, lt=3)], ["1", "2", "3"]),
    "predicate": (Annotated[str, annotated_types.Predicate(str.islower)], ["a", "A"]),
    "length": (Annotated[str, annotated_types.Len(1, 2)], ["a", "abc"]),
    "unit": (Annotated[int, annotated_types.Unit("m")], ["1"]),
    "doubly annotated": (Annotated[Annotated[int, Field(gt=1)], Field(lt=4)], ["1", "3", "4"]),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ANNOTATED)
def test_constraint_in_the_annotation(conform, place, kind):
    annotation, values = ANNOTATED[kind]
    conform(echo(place, annotation), *asking(place, *values))


@pytest.mark.parametrize("place", PLACES)
def test_errors_of_several_parameters_come_in_the_order_of_declaration(conform, place):
    def make(side):
        app = side.FastAPI()
        parameter = declared(place, int, gt=10)

        async def endpoint(c, a, b):
            side.log("never called")

        endpoint.__annotations__.update(c=parameter, a=parameter, b=parameter)
        app.get("/{a}/{b}/{c}" if place == "path" else "/")(endpoint)
        return app

    request = {
        "path": get("/x/5/11"),
        "query": get("/?a=x&b=5&c=11"),
        "header": get("/", "b: 5", "a: x"),
        "cookie": get("/", "cookie: b=5; a=x"),
    }[place]
    conform(make, request)


def test_errors_of_all_places_come_in_the_order_of_the_places(conform):
    """C47: path, query, header, cookie, whatever the order of declaration."""

    def make(side):
        app = side.FastAPI()

        @app.get("/{path}")
        def endpoint(
            cookie: declared("cookie", int),
            header: declared("header", int),
            query: declared("query", int),
            path: declared("path", int),
        ):
            side.log("never called")

        return app

    conform(make, get("/x?query=x", "header: x", "cookie: cookie=x"), get("/x"))
