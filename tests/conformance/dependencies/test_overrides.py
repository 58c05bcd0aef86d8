"""`dependency_overrides`, set, changed and removed while the application runs."""

from typing import Annotated

import pytest
from fastapi import Depends, HTTPException, Query, Request, Security
from fastapi.security import APIKeyHeader, SecurityScopes

from ..requests import get


def original(q: str = "original"):
    return f"original {q}"


def parent(value: Annotated[str, Depends(original)]):
    return f"parent of {value}"


def application(side):
    app = side.FastAPI()

    @app.get("/")
    async def endpoint(value: Annotated[str, Depends(original)]):
        side.log(value)
        return value

    @app.get("/parent")
    def through_parent(value: Annotated[str, Depends(parent)]):
        side.log(value)
        return value

    @app.get("/both", dependencies=[Depends(original)])
    async def both(a: Annotated[str, Depends(parent)], b: Annotated[str, Depends(original)]):
        return [a, b]

    return app


PATHS = [get(path) for path in ("/", "/parent", "/both", "/?q=5", "/?number=7", "/?number=x")]


def constant():
    return "constant"


async def asynchronous():
    return "asynchronous"


def other_parameters(number: Annotated[int, Query(gt=1)], request: Request):
    return f"number {number} of {request.url.path}"


def with_dependencies(value: Annotated[str, Depends(constant)]):
    return f"built on {value}"


def raising():
    raise HTTPException(402)


def generator():
    yield "generated"


async def async_generator():
    yield "generated asynchronously"


class Instance:
    def __repr__(self):
        return "an instance"

    def __call__(self, q: str = "instance"):
        return q


REPLACEMENTS = {
    "a constant": constant,
    "an async def": asynchronous,
    "other parameters": other_parameters,
    "its own dependencies": with_dependencies,
    "an exception": raising,
    "a generator": generator,
    "an async generator": async_generator,
    "a class": Instance,
    "an instance": Instance(),
    "a lambda": lambda: "lambda",
    "itself": original,
}


@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_replaced_from_the_start(conform, kind):
    """C50, G96: called in its place, with parameters of its own."""

    def make(side):
        app = application(side)
        app.dependency_overrides[original] = REPLACEMENTS[kind]
        return app

    conform(make, *PATHS)


@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_set_changed_and_removed_between_requests(conform, kind):
    """G96: looked up for each request."""
    replacement = REPLACEMENTS[kind]
    conform(
        application,
        *PATHS[:3],
        lambda app: app.dependency_overrides.__setitem__(original, replacement),
        *PATHS[:3],
        lambda app: app.dependency_overrides.__setitem__(original, lambda: "changed"),
        *PATHS[:3],
        lambda app: app.dependency_overrides.clear(),
        *PATHS[:3],
    )


def test_the_dict_is_replaced_by_another(conform):
    """G96: the attribute is read, not the dict that it was."""
    conform(
        application,
        get("/"),
        lambda app: setattr(app, "dependency_overrides", {original: constant}),
        get("/"),
        lambda app: setattr(app, "dependency_overrides", {}),
        get("/"),
    )


def test_a_parent_is_replaced_and_its_own_dependency_does_not_run(conform):
    """G96."""

    def make(side):
        app = side.FastAPI()

        def leaf():
            side.log("leaf")
            return "leaf"

        def branch(value: Annotated[str, Depends(leaf)]):
            side.log("branch")
            return value

        def other():
            side.log("other")
            return "other"

        @app.get("/")
        async def endpoint(value: Annotated[str, Depends(branch)]):
            return value

        app.state.branch, app.state.leaf, app.state.other = branch, leaf, other
        return app

    def replace(which):
        return lambda app: app.dependency_overrides.__setitem__(
            getattr(app.state, which), app.state.other
        )

    conform(make, get("/"), replace("leaf"), get("/"), replace("branch"), get("/"))


def test_an_override_is_not_overridden_in_its_turn(conform):
    """G96: one step only."""

    def make(side):
        app = application(side)
        app.dependency_overrides[original] = constant
        app.dependency_overrides[constant] = asynchronous
        return app

    conform(make, get("/"), get("/parent"))


def test_two_dependencies_replaced_by_the_same_are_called_once_each(conform):
    """C50: the cache knows them by what they were."""

    def make(side):
        app = side.FastAPI()

        def one():
            return "one"

        def two():
            return "two"

        def replacement():
            side.log("called")
            return "replacement"

        @app.get("/")
        def endpoint(a=Depends(one), b=Depends(two), c=Depends(one), d=Depends(replacement)):
            return [a, b, c, d]

        app.dependency_overrides.update({one: replacement, two: replacement})
        return app

    conform(make, get("/"))


def test_use_cache_of_what_is_replaced(conform):
    """C50."""

    def make(side):
        app = side.FastAPI()

        def one():
            return "one"

        def replacement():
            side.log("called")
            return "replacement"

        @app.get("/")
        def endpoint(a=Depends(one, use_cache=False), b=Depends(one), c=Depends(one)):
            return [a, b, c]

        app.dependency_overrides[one] = replacement
        return app

    conform(make, get("/"))


def test_dependencies_of_included_routers_and_the_app_are_replaced_too(conform):
    """G96."""

    def make(side):
        def guard():
            raise HTTPException(401)

        app = side.FastAPI(dependencies=[Depends(guard)])
        router = side.APIRouter(prefix="/r", dependencies=[Depends(original)])

        @router.get("/a")
        async def endpoint(value: Annotated[str, Depends(original)]):
            return value

        app.include_router(router, dependencies=[Depends(guard)])
        app.state.guard = guard
        return app

    conform(
        make,
        get("/r/a"),
        lambda app: app.dependency_overrides.update({app.state.guard: constant}),
        get("/r/a"),
        lambda app: app.dependency_overrides.update({original: constant}),
        get("/r/a"),
    )


def test_a_mounted_application_has_overrides_of_its_own(conform):
    """G96."""

    def make(side):
        app, inner = application(side), application(side)
        app.mount("/inner", inner)
        app.dependency_overrides[original] = constant
        inner.dependency_overrides[original] = asynchronous
        return app

    conform(make, get("/"), get("/inner/"), get("/inner/parent"))


def test_a_replaced_security_dependency_still_has_its_scopes(conform):
    """C50, G96."""

    def make(side):
        app = side.FastAPI()
        key = APIKeyHeader(name="x-key")

        def user(scopes: SecurityScopes, key: Annotated[str, Security(key, scopes=["k"])]):
            return ["original", scopes.scopes, key]

        def replacement(scopes: SecurityScopes):
            return ["replaced", scopes.scopes]

        @app.get("/")
        def endpoint(user: Annotated[list, Security(user, scopes=["a", "b"])]):
            return user

        app.state.user, app.state.replacement = user, replacement
        return app

    conform(
        make,
        get("/"),
        get("/", "x-key: k"),
        lambda app: app.dependency_overrides.__setitem__(app.state.user, app.state.replacement),
        get("/"),
    )


def test_a_handler_changes_the_overrides_of_the_requests_that_follow(conform):
    """G96."""

    def make(side):
        app = application(side)

        @app.get("/replace")
        async def replace():
            app.dependency_overrides[original] = constant

        def replace_and_ask():
            app.dependency_overrides[original] = asynchronous

        @app.get("/now", dependencies=[Depends(replace_and_ask)])
        async def now(value: Annotated[str, Depends(original)]):
            return value

        return app

    conform(make, get("/"), get("/replace"), get("/"), get("/now"), get("/"))


def test_an_override_that_is_no_callable_fails_the_request(conform):
    def make(side):
        app = application(side)
        app.dependency_overrides[original] = "a string"
        return app

    conform(make, get("/"))
