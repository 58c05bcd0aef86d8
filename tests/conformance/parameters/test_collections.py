"""Parameters that take several values."""

import pytest

from ..requests import get
from .places import declared

COLLECTIONS = {
    "list of str": list[str],
    "list of int": list[int],
    "list of float": list[float],
    "list of bool": list[bool],
    "list of any": list,
    "set of int": set[int],
    "set of one str": set[str],
    "frozenset of int": frozenset[int],
    "tuple": tuple[int, str],
    "tuple of any length": tuple[int, ...],
    "optional list": list[int] | None,
    "list or int": list[int] | int,
    "list of int or str": list[int | str],
}


def collecting(place, annotation, *default, **options):
    def make(side):
        app = side.FastAPI()
        function = {}
        for name in ("async", "sync"):

            async def endpoint(value):
                side.log(type(value).__name__, repr(value))
                return value

            def sync(value):
                side.log(type(value).__name__, repr(value))
                return value

            function[name] = endpoint if name == "async" else sync
            function[name].__annotations__["value"] = declared(place, annotation, **options)
            function[name].__defaults__ = default
            app.get(f"/{name}")(function[name])
        return app

    return make


def carrying(place, *values):
    if place == "query":
        query = "&".join(f"value={value}" for value in values)
        return [get(f"/async?{query}"), get(f"/sync?{query}")]
    lines = [f"value: {value}" for value in values]
    return [get("/async", *lines), get("/sync", *lines)]


VALUES = [("1",), ("1", "2"), ("2", "1", "2"), ("1", "x"), ("x", "y", "z"), ("",), ("1,2",), ()]


@pytest.mark.parametrize("place", ["query", "header"])
@pytest.mark.parametrize("kind", COLLECTIONS)
def test_repeated_values_of_a(conform, place, kind):
    """C42, C43: all in order; none at all is missing, not empty."""
    requests = [request for values in VALUES for request in carrying(place, *values)]
    conform(collecting(place, COLLECTIONS[kind]), *requests)


@pytest.mark.parametrize("place", ["query", "header"])
@pytest.mark.parametrize("default", [[], [5], None, "text"], ids=repr)
def test_no_value_gives_the_default_as_it_is(conform, place, default):
    """C43, C51: not validated, and a copy for each request."""
    conform(collecting(place, list[int], default), *carrying(place), *carrying(place))


@pytest.mark.parametrize("place", ["query", "header"])
def test_constraints_of_lists_and_their_items(conform, place):
    make = collecting(place, list[int], min_length=2, max_length=3)
    values = (("1",), ("1", "2"), ("1", "2", "3", "4"), ("x", "y"))
    conform(make, *[request for some in values for request in carrying(place, *some)])


@pytest.mark.parametrize("place", ["query", "header"])
def test_a_scalar_takes_one_of_several(conform, place):
    """C42: the last of a query, the first of a header."""
    conform(collecting(place, int), *carrying(place, "1", "2"), *carrying(place, "1", "x"))


def test_a_scalar_cookie_takes_the_last_of_several(conform):
    conform(collecting("cookie", int), get("/async", "cookie: value=1; value=2"))


@pytest.mark.parametrize("kind", ["list of str", "set of one str", "optional list"])
def test_a_cookie_that_is_declared_as_a_list_is_one_string(conform, kind):
    make = collecting("cookie", COLLECTIONS[kind])
    conform(make, get("/async", "cookie: value=1; value=2"), get("/async"), get("/sync"))
