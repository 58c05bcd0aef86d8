"""asyncio's set of tasks, which is filled without Python code: it is the WeakSet that it was."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Running, respond, run
from hyperfastapi import _core


class Thing:
    """What can be referred to weakly, and is equal to things of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def by_python(things: weakref.WeakSet[Thing]) -> Callable[[Thing], None]:
    return things.add


def by_core(things: weakref.WeakSet[Thing]) -> Callable[[Thing], None]:
    add = _core.weak_set_adder(things)
    assert add is not None
    return add


@pytest.fixture(params=[by_python, by_core])
def adder(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_what_is_added_is_there_as_long_as_it_lives(adder: Any) -> None:
    things: weakref.WeakSet[Thing] = weakref.WeakSet()
    add = adder(things)
    one, other = Thing("one"), Thing("other")
    assert add(one) is None
    add(other)
    assert (one in things, len(things)) == (True, 2)
    del one
    gc.collect()
    assert [each.name for each in things] == ["other"]
    assert len(things.data) == 1  # type: ignore[attr-defined]


def test_what_is_equal_to_a_member_is_not_added(adder: Any) -> None:
    things: weakref.WeakSet[Thing] = weakref.WeakSet()
    add = adder(things)
    first, second = Thing("same"), Thing("same")
    add(first)
    add(second)
    assert [each is first for each in things] == [True]


def test_what_dies_while_somebody_iterates_is_taken_out_afterwards(adder: Any) -> None:
    inside: Any = weakref.WeakSet()
    add = adder(inside)
    kept = [Thing(str(number)) for number in range(3)]
    for each in kept:
        add(each)
    iterator = iter(inside)
    next(iterator)
    del each
    kept.clear()
    gc.collect()
    during = len(inside.data), len(inside._pending_removals)
    del iterator
    gc.collect()
    assert during[0] == 3
    assert during[1] >= 2
    assert (len(inside.data), len(inside._pending_removals)) == (0, 0)


def test_adding_takes_out_what_was_left_to_take_out(adder: Any) -> None:
    inside: Any = weakref.WeakSet()
    add = adder(inside)
    gone = [Thing("a"), Thing("b")]
    for each in gone:
        add(each)
    inside._pending_removals.extend(inside.data)
    kept = Thing("kept")
    add(kept)
    assert [each.name for each in inside] == ["kept"]
    assert inside._pending_removals == []


def test_what_cannot_be_referred_to_weakly_is_refused_alike() -> None:
    messages = []
    for adder in (by_python, by_core):
        with pytest.raises(TypeError) as raised:
            adder(weakref.WeakSet())(7)  # type: ignore[arg-type]
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_a_set_that_outlives_its_weak_set_is_no_danger() -> None:
    things: weakref.WeakSet[Thing] = weakref.WeakSet()
    add = by_core(things)
    thing = Thing("left")
    add(thing)
    del things
    gc.collect()
    del thing
    gc.collect()
    add(Thing("new"))


@pytest.mark.parametrize("attribute", ["data", "_pending_removals", "_iterating"])
def test_a_weak_set_of_other_parts_is_left_alone(attribute: str) -> None:
    things: weakref.WeakSet[Thing] = weakref.WeakSet()
    setattr(things, attribute, {})
    assert _core.weak_set_adder(things) is None
    delattr(things, attribute)
    assert _core.weak_set_adder(things) is None


def test_requests_that_waited_are_gone_from_asyncios_set_once_they_are_done() -> None:
    inside: Any = asyncio.tasks
    tasks = inside._scheduled_tasks if sys.version_info >= (3, 12) else inside._all_tasks
    fills_it = sys.version_info < (3, 14)  # asyncio keeps its tasks elsewhere from then on
    waiting: list[asyncio.Task[Any] | None] = []
    listed: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        waiting.append(asyncio.current_task())
        await asyncio.sleep(0)
        listed.append(waiting[-1] in asyncio.all_tasks() and (waiting[-1] in tasks) == fills_it)
        waiting.clear()
        await respond(send)

    async def scenario(running: Running) -> tuple[int, int]:
        async with running.connect() as client:
            await client.get()
            await running.idle()
            gc.collect()
            before = len(tasks.data)
            for _ in range(20):
                await client.get()
            await running.idle()
            gc.collect()
            return before, len(tasks.data)

    before, after = run(app, scenario)
    assert (type(vars(tasks).get("add")) is type(len)) == fills_it
    assert listed == [True] * 21
    assert after == before
