"""What is called, in which order, in which thread and how often."""

import functools
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel

from ..requests import get, post_json


def noted(side, name, kind, result=None):
    """A dependency without parameters that notes its call."""

    async def dependency():
        side.log(name, side.thread(), side.task())
        return result or name

    def sync():
        side.log(name, side.thread())
        return result or name

    return dependency if kind == "async" else sync


KINDS = ["async", "sync"]


@pytest.mark.parametrize("endpoint", KINDS)
@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_a_chain_of_two_before_an_endpoint(conform, first, second, endpoint):
    """G93: `def` in workers, `async def` in the request's task, in the order of declaration."""

    def make(side):
        app = side.FastAPI()
        inner = noted(side, "inner", first)

        if second == "async":

            async def outer(value: str = Depends(inner)):
                side.log("outer", side.thread(), side.task())
                return value + "-outer"
        else:

            def outer(value: str = Depends(inner)):
                side.log("outer", side.thread())
                return value + "-outer"

        if endpoint == "async":

            async def answer(value: str = Depends(outer)):
                side.log("endpoint", side.thread(), side.task())
                return value
        else:

            def answer(value: str = Depends(outer)):
                side.log("endpoint", side.thread())
                return value

        app.get("/")(answer)
        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("endpoint", KINDS)
@pytest.mark.parametrize("kinds", ["aaa", "sss", "asa", "sas", "ssa", "aas"])
def test_three_side_by_side(conform, kinds, endpoint):
    def make(side):
        app = side.FastAPI()
        full = {"a": "async", "s": "sync"}
        one, two, three = (
            noted(side, name, full[k])
            for name, k in zip(("one", "two", "three"), kinds, strict=True)
        )

        async def answer(a=Depends(one), b=Depends(two), c=Depends(three)):
            side.log("endpoint", a, b, c)

        def answer_sync(a=Depends(one), b=Depends(two), c=Depends(three)):
            side.log("endpoint", a, b, c)

        app.get("/")(answer if endpoint == "async" else answer_sync)
        return app

    conform(make, get("/"))


def diamond(side, *, use_cache=True, endpoint_cache=True):
    app = side.FastAPI()
    calls = []

    async def root(request: Request):
        calls.append(1)
        side.log("root", len(calls))
        return len(calls)

    def left(value: Annotated[int, Depends(root, use_cache=use_cache)]):
        side.log("left", value)
        return value

    async def right(value: Annotated[int, Depends(root, use_cache=use_cache)]):
        side.log("right", value)
        return value

    @app.get("/")
    async def endpoint(
        a: Annotated[int, Depends(left)],
        b: Annotated[int, Depends(right)],
        c: Annotated[int, Depends(root, use_cache=endpoint_cache)],
    ):
        return [a, b, c]

    return app


@pytest.mark.parametrize("endpoint_cache", [True, False])
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_diamond(conform, use_cache, endpoint_cache):
    """C50: called once a request; without its cache for each that asks."""
    conform(
        lambda side: diamond(side, use_cache=use_cache, endpoint_cache=endpoint_cache),
        get("/"),
        get("/"),
    )


def test_a_dependency_of_the_app_the_router_the_include_and_the_route_runs_once(conform):
    """C50: whoever declares it; the first place decides when."""

    def make(side):
        shared = noted(side, "shared", "async")

        def note(name):
            return Depends(noted(side, name, "sync"))

        app = side.FastAPI(dependencies=[note("app"), Depends(shared)])
        inner = side.APIRouter(dependencies=[note("inner router")])
        outer = side.APIRouter(prefix="/outer", dependencies=[note("outer router")])

        @inner.get("/path", dependencies=[note("route"), Depends(shared)])
        async def endpoint(value=Depends(shared), other=note("parameter")):
            side.log("endpoint", value)

        @app.get("/direct", dependencies=[note("route")])
        def direct(value=Depends(shared)):
            side.log("endpoint", value)

        outer.include_router(inner, prefix="/inner", dependencies=[note("include inner")])
        app.include_router(outer, prefix="/v1", dependencies=[note("include outer")])
        app.include_router(inner, prefix="/again", dependencies=[note("include again")])
        return app

    conform(make, get("/v1/outer/inner/path"), get("/again/path"), get("/direct"), get("/none"))


def test_results_without_a_name_are_dropped_but_cached(conform):
    def make(side):
        app = side.FastAPI()
        dependency = noted(side, "dependency", "sync", result="made")

        @app.get("/", dependencies=[Depends(dependency)] * 3)
        async def endpoint(value=Depends(dependency)):
            return value

        return app

    conform(make, get("/"))


class Callable:
    """An instance that is called."""

    def __init__(self, side, factor=2):
        self.side = side
        self.factor = factor

    def __call__(self, number: int = 1):
        self.side.log("instance", self.side.thread())
        return number * self.factor

    async def method(self, number: int = 1):
        self.side.log("method", self.side.thread())
        return number * self.factor

    @classmethod
    def of_class(cls, number: int = 1):
        return [cls.__name__, number]

    @staticmethod
    def of_nothing(number: int = 1):
        return number


class AsyncCallable(Callable):
    async def __call__(self, number: int = 1):
        self.side.log("async instance", self.side.thread())
        return number


class Pagination:
    """A class that is made for each request."""

    def __init__(self, skip: int = 0, limit: Annotated[int, Query(le=100)] = 10):
        self.skip, self.limit = skip, limit


class Modelled(BaseModel):
    skip: int = 0
    name: str = "x"


def wrapped(function):
    """A decorator that leaves an `async def` one for FastAPI, which looks through it."""

    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def plain(number: int = 1):
    return number


async def asynchronous(number: int = 1):
    return number


CALLABLES = {
    "instance": lambda side: Callable(side),
    "async instance": lambda side: AsyncCallable(side),
    "method": lambda side: Callable(side).method,
    "class method": lambda side: Callable.of_class,
    "static method": lambda side: Callable.of_nothing,
    "class": lambda side: Pagination,
    "model": lambda side: Modelled,
    "partial": lambda side: functools.partial(plain, number=7),
    "partial of an async def": lambda side: functools.partial(asynchronous, number=7),
    "partial of an instance": lambda side: functools.partial(Callable(side), 7),
    "wrapped": lambda side: wrapped(plain),
    "wrapped async def": lambda side: wrapped(asynchronous),
    "lambda": lambda side: lambda number=1: number,
}


@pytest.mark.parametrize("kind", CALLABLES)
def test_callable(conform, kind):
    """What is called, and where, whatever kind of callable it is."""

    def make(side):
        app = side.FastAPI()
        dependency = CALLABLES[kind](side)

        def shown(value):
            return vars(value) if isinstance(value, Pagination) else repr(value)

        @app.get("/async")
        async def endpoint(value: Annotated[Any, Depends(dependency)]):
            side.log(repr(shown(value)))
            return shown(value)

        @app.get("/sync")
        def sync(value: Annotated[Any, Depends(dependency)]):
            return shown(value)

        return app

    conform(make, get("/async?number=5&skip=3"), get("/sync?number=x&limit=500"), get("/async"))


def test_a_class_that_names_itself(conform):
    """`Depends()` without a callable takes the annotation's."""

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        def endpoint(page: Pagination = Depends(), other: Annotated[Pagination, Depends()] = None):
            return [page.skip, page.limit, page is other]

        return app

    conform(make, get("/"), get("/?skip=1&limit=2"), get("/?limit=1000"))


def test_an_endpoint_of_every_kind(conform):
    def make(side):
        app = side.FastAPI()
        for index, kind in enumerate(CALLABLES):
            if kind in ("class", "model", "lambda"):
                continue
            app.get(f"/{index}")(CALLABLES[kind](side))
        return app

    conform(make, *[get(f"/{index}?number=5") for index in range(len(CALLABLES))])


def test_parameters_of_dependencies_and_endpoint_are_shared(conform):
    def make(side):
        app = side.FastAPI()

        async def inner(item_id: int, q: str = "inner", x_token: str = Header("none")):
            return [item_id, q, x_token]

        def outer(item_id: str, values=Depends(inner), q: int = 5):
            return [item_id, values, q]

        @app.get("/{item_id}")
        async def endpoint(item_id: float, q: bool | None = None, values=Depends(outer)):
            return [item_id, q, values]

        return app

    conform(make, get("/1"), get("/1?q=1", "x-token: t"), get("/x?q=x"), get("/1.0?q=2"))


def test_what_is_injected_is_the_same_everywhere(conform):
    """One Response and one BackgroundTasks a request; a Request that is equal in state."""

    def make(side):
        app = side.FastAPI()
        seen = []

        async def inner(request: Request, response: Response, tasks: BackgroundTasks):
            request.state.seen = "inner"
            response.headers["x-inner"] = "1"
            tasks.add_task(side.log, "task of inner")
            seen[:] = [request, response, tasks]

        @app.get("/")
        async def endpoint(
            tasks: BackgroundTasks, request: Request, response: Response, _=Depends(inner)
        ):
            tasks.add_task(side.log, "task of endpoint")
            side.log(request is seen[0], response is seen[1], tasks is seen[2])
            return [request.state.seen, dict(response.headers), response.status_code]

        return app

    conform(make, get("/"))


def test_an_injected_request_is_of_the_class_that_is_asked_for(conform):
    def make(side):
        app = side.FastAPI()
        from starlette.requests import HTTPConnection

        async def connection(conn: HTTPConnection):
            return type(conn).__name__

        @app.get("/")
        def endpoint(conn: HTTPConnection, request: Request, name=Depends(connection)):
            return [conn is request, name, conn.url.path]

        return app

    conform(make, get("/?a=b"))


def test_a_chain_of_thirty(conform):
    """C50: each also asks for the first, which was called once."""

    def make(side):
        app = side.FastAPI()
        calls: list[Any] = []

        def first():
            calls.append("first")
            return 1

        def node(index, above):
            async def dependency(a=Depends(above), b=Depends(first)):
                calls.append(index)
                return a + b

            def sync(a=Depends(above), b=Depends(first)):
                calls.append(index)
                return a + b

            return dependency if index % 3 else sync

        last: Any = first
        for index in range(30):
            last = node(index, last)

        @app.get("/")
        async def endpoint(value=Depends(last)):
            side.log(*calls)
            calls.clear()
            return value

        return app

    conform(make, get("/"), get("/"))


def test_a_body_in_a_dependency_and_in_the_endpoint(conform):
    def make(side):
        app = side.FastAPI()

        def first(body: dict[str, int]):
            return sum(body.values())

        @app.post("/")
        async def endpoint(body: dict[str, int], total: Annotated[int, Depends(first)]):
            return [body, total]

        return app

    conform(make, post_json("/", {"a": 1, "b": 2}), post_json("/", {"a": "x"}), post_json("/", []))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dependency_that_returns_a_response_object_gives_it_to_the_endpoint(conform, kind):
    def make(side):
        app = side.FastAPI()
        dependency = noted(side, "dependency", kind, result=Response("not sent"))

        @app.get("/")
        def endpoint(value=Depends(dependency)):
            return type(value).__name__

        return app

    conform(make, get("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_stop_iteration_in_a_dependency(conform, kind):
    """G93: what a thread hop makes of StopIteration."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            raise StopIteration("from async def")

        def sync():
            raise StopIteration("from def")

        @app.get("/dependency", dependencies=[Depends(asynchronous if kind == "async" else sync)])
        def dependent():
            side.log("never called")

        app.get("/endpoint")(asynchronous if kind == "async" else sync)
        return app

    conform(make, get("/dependency"), get("/endpoint"))


def test_arguments_are_given_by_name(conform):
    def make(side):
        app = side.FastAPI()

        def dependency(*args, b: int = 2, **kwargs):
            return [list(args), b, kwargs]

        @app.get("/")
        def endpoint(value=Depends(dependency)):
            return value

        return app

    conform(make, get("/?args=1&b=3&kwargs=2"), get("/?b=x"))


def test_an_exception_in_a_dependency_stops_all_that_follows(conform):
    def make(side):
        app = side.FastAPI()

        def refuse():
            side.log("refused")
            raise HTTPException(403, headers={"x-why": "no"})

        @app.get("/", dependencies=[Depends(noted(side, "before", "async")), Depends(refuse)])
        def endpoint(value=Depends(noted(side, "after", "async"))):
            side.log("never called")

        return app

    conform(make, get("/"))
