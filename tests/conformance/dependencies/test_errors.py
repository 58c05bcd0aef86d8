"""Validation errors in graphs: who is skipped, who still runs, and what wins."""

from typing import Annotated

import pytest
from fastapi import Depends, Header, HTTPException, Query
from pydantic import BaseModel

from ..requests import get, post_json


class Item(BaseModel):
    name: str


def graph(side):
    """Two levels of dependencies, each with a parameter of its own."""
    app = side.FastAPI()

    async def inner(a: int):
        side.log("inner", a)
        return a

    def middle(b: int, a: Annotated[int, Depends(inner)]):
        side.log("middle", b)
        return b

    async def independent(c: Annotated[int, Header()] = 0):
        side.log("independent", c)
        return c

    @app.post("/{d}")
    async def endpoint(
        d: int,
        item: Item,
        b: Annotated[int, Depends(middle)],
        c: Annotated[int, Depends(independent)],
        e: Annotated[int, Query(gt=5)] = 10,
    ):
        side.log("endpoint")
        return [b, c, d, e, item]

    return app


TARGETS = ["/1?a=1&b=2", "/1?a=x&b=2", "/1?a=1&b=x", "/x?a=1&b=2&e=1", "/x?a=x&b=x&e=x", "/1"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("header", ["c: 1", "c: x"])
def test_errors_are_collected_depth_first_and_the_invalid_are_skipped(conform, target, header):
    """C47, C48: a dependency with invalid parameters does not run; its siblings do."""
    conform(
        graph,
        post_json(target, {"name": "a"}, header),
        post_json(target, {}, header),
        post_json(target, b"{", header),
    )


def guarded(side, *, guard_first):
    app = side.FastAPI()

    async def guard(token: Annotated[str | None, Header()] = None):
        side.log("guard")
        if token is None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})

    async def number(number: int):
        side.log("number")
        return number

    order = [Depends(guard), Depends(number)]

    @app.post("/{item_id}", dependencies=order if guard_first else order[::-1])
    async def endpoint(item_id: int, item: Item):
        side.log("endpoint")

    return app


@pytest.mark.parametrize("guard_first", [True, False])
def test_an_exception_beats_every_validation_error(conform, guard_first):
    """C48: 401 although the path, the query and the body are invalid."""
    conform(
        lambda side: guarded(side, guard_first=guard_first),
        post_json("/x?number=x", {}),
        post_json("/x?number=x", {}, "token: t"),
        post_json("/1?number=1", {"name": "a"}),
        post_json("/1?number=1", {"name": "a"}, "token: t"),
    )


def test_a_skipped_dependency_that_two_need_reports_once_for_each(conform):
    """C48: it was never cached."""

    def make(side):
        app = side.FastAPI()

        def shared(q: int):
            side.log("shared")
            return q

        def one(value: Annotated[int, Depends(shared)]):
            side.log("one")

        def two(value: Annotated[int, Depends(shared)]):
            side.log("two")

        @app.get("/", dependencies=[Depends(one), Depends(two), Depends(shared)])
        async def endpoint():
            side.log("endpoint")

        return app

    conform(make, get("/"), get("/?q=x"), get("/?q=1"))


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_background_tasks_and_headers_of_a_dependency_are_lost_with_an_error(conform, kind):
    """G91: also with a validation error."""
    from fastapi import BackgroundTasks, Response

    def make(side):
        app = side.FastAPI()

        async def dependency(tasks: BackgroundTasks, response: Response):
            tasks.add_task(side.log, "lost")
            response.headers["x-lost"] = "1"

        def sync(tasks: BackgroundTasks, response: Response):
            tasks.add_task(side.log, "lost")
            response.headers["x-lost"] = "1"

        @app.get("/", dependencies=[Depends(dependency if kind == "async" else sync)])
        async def endpoint(q: int, fail: bool = False):
            if fail:
                raise HTTPException(409)
            return q

        return app

    conform(make, get("/"), get("/?q=1&fail=1"), get("/?q=1"))
