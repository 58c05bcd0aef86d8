"""Requests side by side: isolation, limits and what a slow one may hold up."""

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest
from fastapi import Depends

from ..requests import get, together

KINDS = ["async", "sync"]


@pytest.mark.parametrize("kind", KINDS)
def test_requests_in_flight_do_not_share_a_cache(conform, kind):
    """C50: each has its own, whatever the others wait for."""

    def make(side):
        app = side.FastAPI()
        met = threading.Barrier(2, timeout=10)
        arrived = []

        async def asynchronous(name: str):
            arrived.append(name)
            while len(arrived) < 2:
                await asyncio.sleep(0.001)
            return name

        def sync(name: str):
            met.wait()
            return name

        dependency = asynchronous if kind == "async" else sync

        def second(value=Depends(dependency)):
            return value * 2

        @app.get("/{name}")
        async def endpoint(name: str, value=Depends(dependency), twice=Depends(second)):
            return [name, value, twice]

        return app

    conform(make, together(get("/a"), get("/b")))


def test_forty_blocked_handlers_let_the_loop_go_on(conform):
    """G93: AnyIO's forty threads block; an `async def` answers meanwhile and lets them go."""

    def make(side):
        app = side.FastAPI()
        release = threading.Event()

        @app.get("/blocked")
        def blocked():
            return release.wait(10)

        @app.get("/release")
        async def let_go():
            release.set()

        return app

    conform(make, together(*[get("/blocked")] * 20, get("/release"), *[get("/blocked")] * 20))


def test_leaving_a_dependency_waits_for_no_thread(conform):
    """G94: the only thread of the limit is taken, and what frees it is the dependency's end."""

    def make(side):
        app = side.FastAPI()
        release = threading.Event()
        waiting = []

        def dependency():
            yield
            release.set()
            side.log("left")

        @app.get("/", dependencies=[Depends(dependency)])
        async def endpoint():
            limiter = anyio.to_thread.current_default_thread_limiter()
            limiter.total_tokens = 1
            waiting.append(asyncio.create_task(anyio.to_thread.run_sync(release.wait, 10)))
            while not limiter.borrowed_tokens:
                await asyncio.sleep(0)

        @app.get("/released")
        async def released():
            return await waiting.pop()

        return app

    conform(make, get("/"), get("/released"))


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("kind", ["async", "sync", "async yield", "sync yield"])
def test_a_limit_of_concurrent_calls(conform, kind, limit):
    """G95: no more than so many at a time; with `yield`, until the dependency ends."""

    def make(side):
        app = side.FastAPI()
        running, most = [], []

        def enter():
            running.append(1)
            most.append(len(running))

        async def asynchronous():
            enter()
            await asyncio.sleep(0.002)
            running.pop()

        def sync():
            enter()
            running.pop()

        async def async_yield():
            enter()
            yield
            running.pop()

        def sync_yield():
            enter()
            yield
            running.pop()

        functions = [asynchronous, sync, async_yield, sync_yield]
        kinds = ["async", "sync", "async yield", "sync yield"]
        dependency = Depends(dict(zip(kinds, functions, strict=True))[kind], max_concurrency=limit)

        @app.get("/work", dependencies=[dependency])
        async def work():
            await asyncio.sleep(0.002)

        @app.get("/most")
        async def within():
            return [max(most) <= limit, len(most), len(running)]

        return app

    conform(make, together(*[get("/work")] * 6), get("/most"))


@pytest.mark.parametrize("value", [0, -1, 1.5, "2"], ids=repr)
def test_a_limit_that_is_none(value):
    """G95: refused by FastAPI itself, when the dependency is declared."""
    with pytest.raises(ValueError, match="max_concurrency"):
        Depends(print, max_concurrency=value)
