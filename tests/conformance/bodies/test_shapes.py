"""How one body is divided among parameters."""

from typing import Annotated, Any

import pytest
from fastapi import Body, Depends
from pydantic import BaseModel, Field

from ..requests import get, post, post_json


class Item(BaseModel):
    name: str
    size: int = 0


class User(BaseModel):
    name: str


DOCUMENTS: list[Any] = [
    {}, {"name": "a"}, {"name": "a", "size": "x"}, {"name": "a", "size": "5", "more": 1},
    {"item": {"name": "a"}}, {"item": {"name": "a"}, "user": {"name": "b"}},
    {"item": {"size": "x"}, "user": {}}, {"item": None, "user": 5}, {"item": [], "number": 1},
    {"item": {"name": "a"}, "user": {"name": "b"}, "number": "5", "text": "t"},
    {"item": {"name": "a"}, "number": True, "text": None}, {"number": 1.5, "text": 1},
    [], [{"name": "a"}], [1], "text", 5, True, None,
]  # fmt: skip
ASK = [post_json("/", document) for document in DOCUMENTS]
ASK += [post("/", b""), post("/", b"raw", "content-type: text/plain")]


def noting(**parameters):
    """An application with these body parameters; a tuple is an annotation with a default."""

    def make(side):
        app = side.FastAPI()

        async def endpoint(**values):
            side.log(repr(values))
            return values

        def annotated(name):
            given = parameters[name]
            return given if isinstance(given, tuple) else (given,)

        import inspect

        empty = inspect.Parameter.empty
        endpoint.__signature__ = inspect.Signature(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotated(name)[0],
                default=annotated(name)[1] if len(annotated(name)) > 1 else empty,
            )
            for name in parameters
        )
        app.post("/")(endpoint)
        return app

    return make


SHAPES = {
    "one model": {"item": Item},
    "one embedded model": {"item": Annotated[Item, Body(embed=True)]},
    "two models": {"item": Item, "user": User},
    "a model and a scalar": {"item": Item, "number": Annotated[int, Body()]},
    "two scalars": {"number": Annotated[int, Body()], "text": Annotated[str, Body()]},
    "one scalar": {"number": Annotated[int, Body()]},
    "one embedded scalar": {"number": Annotated[int, Body(embed=True)]},
    "an optional model": {"item": (Item | None, None)},
    "an optional embedded model": {"item": (Annotated[Item | None, Body(embed=True)], None)},
    "two optional models": {"item": (Item | None, None), "user": (User | None, None)},
    "a required and an optional": {"item": Item, "user": (User | None, None)},
    "a default model": {"item": (Item, Item(name="default"))},
    "a constrained scalar": {"number": Annotated[int, Body(gt=1, le=5)]},
    "a constrained embedded one": {"number": Annotated[int, Body(gt=1, embed=True)]},
    "an alias": {"item": Annotated[Item, Body(alias="user")]},
    "an embedded alias": {"item": Annotated[Item, Body(alias="user", embed=True)]},
    "aliases of two": {
        "a": Annotated[Item, Body(alias="item")],
        "b": Annotated[int, Body(alias="number")],
    },
    "a validation alias": {"a": Annotated[User, Body(validation_alias="user", embed=True)]},
    "a list of models": {"items": list[Item]},
    "a list of scalars": {"items": list[int]},
    "a set": {"items": set[int]},
    "a tuple": {"items": tuple[int, str]},
    "a dict": {"items": dict[str, Any]},
    "a dict of integers": {"items": dict[int, float]},
    "a dict of models": {"items": dict[str, Item]},
    "an embedded list": {"item": Annotated[list[int], Body(embed=True)]},
    "a union of models": {"item": Item | User},
    "a union of a model and a list": {"item": Item | list[Item]},
    "anything": {"item": Annotated[Any, Body()]},
    "anything embedded": {"item": Annotated[Any, Body(embed=True)]},
    "text": {"text": Annotated[str, Body()]},
    "optional text": {"text": (Annotated[str | None, Body()], None)},
    "bytes": {"text": Annotated[bytes, Body()]},
    "a validated default": {"number": (Annotated[int, Body(validate_default=True)], "x")},
    "a default that is not validated": {"number": (Annotated[int, Body()], "x")},
    "a strict scalar": {"number": Annotated[int, Body(strict=True)]},
    "a field": {"number": Annotated[int, Body(embed=True), Field(gt=1)]},
    "an object without fields": {"item": dict},
    "a list without items": {"item": list},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_of(conform, shape):
    """D61, C46: one parameter takes the body whole, several take a key each; errors say where."""
    conform(noting(**SHAPES[shape]), *ASK)


def test_the_default_is_a_copy_for_each_request(conform):
    """C51."""

    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint(item: Annotated[dict, Body()] = {"a": 1}):  # noqa: B006
            item["b"] = len(item)
            return item

        return app

    conform(make, post("/", b""), post("/", b""))


def test_a_factory_makes_the_default(conform):
    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint(item: Annotated[list[int], Body(default_factory=lambda: [1])]):
            item.append(2)
            return item

        return app

    conform(make, post("/", b""), post("/", b""), post_json("/", [5]))


def test_bodies_of_dependencies_are_keys_of_one_body(conform):
    """D61: what a dependency takes from the body makes it a body of several parameters."""

    def make(side):
        app = side.FastAPI()

        async def user_name(user: User):
            side.log("dependency")
            return user.name

        def number(number: Annotated[int, Body()] = 7):
            return number

        @app.post("/")
        async def endpoint(
            item: Item,
            name: Annotated[str, Depends(user_name)],
            number: Annotated[int, Depends(number)],
        ):
            return [item, name, number]

        @app.post("/only")
        async def only(name: Annotated[str, Depends(user_name)]):
            return name

        @app.post("/same")
        async def same(user: User, name: Annotated[str, Depends(user_name)]):
            return [user, name]

        return app

    only = [post_json(path, d) for path in ("/only", "/same") for d in DOCUMENTS]
    conform(make, *ASK, *only)


def test_a_body_beside_parameters_of_every_kind(conform):
    """C47: errors of the body come last."""

    def make(side):
        app = side.FastAPI()

        @app.put("/{item_id}")
        async def endpoint(item: Item, item_id: int, q: int = 0, size: Annotated[int, Body()] = 3):
            return [item, item_id, q, size]

        return app

    conform(
        make,
        post_json("/5?q=1", {"item": {"name": "a"}}, method="PUT"),
        post_json("/x?q=x", {"item": {}, "size": "x"}, method="PUT"),
        post_json("/x?q=x", b"{", method="PUT"),
        get("/5", method="PUT"),
    )


def test_a_body_of_a_get_request(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(item: Item):
            return item

        return app

    conform(make, post_json("/", {"name": "a"}, method="GET"), get("/"))
