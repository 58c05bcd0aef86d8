"""receive() and send() return coroutines in every respect that programs look at."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import inspect
import warnings
from typing import Any

import pytest

from conftest import Running, plain, respond, run


def in_request(body: Any, **settings: Any) -> Any:
    """Run `body(receive, send)` inside a request and return its result; then answer."""
    outcome: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            outcome.append(await body(receive, send))
        except BaseException as error:
            outcome.append(error)
        await respond(send)

    async def scenario(running: Running) -> None:
        assert (await running.get(method="POST", body=b"1234")).status == 200

    run(app, scenario, **settings)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def test_asyncio_takes_them_for_coroutines() -> None:
    async def body(receive: Any, send: Any) -> list[bool]:
        call = receive()
        answers = [
            asyncio.iscoroutine(call),
            isinstance(call, collections.abc.Coroutine),
            inspect.isawaitable(call),
        ]
        await call
        return answers

    assert in_request(body) == [True, True, True]


def test_nothing_happens_before_the_first_step() -> None:
    async def body(receive: Any, send: Any) -> tuple[bytes, bytes]:
        first, second = receive(), receive()
        late = (await second)["body"]
        first.close()
        return late, b""

    assert in_request(body) == (b"1234", b"")


def test_create_task_runs_them() -> None:
    async def body(receive: Any, send: Any) -> Any:
        return await asyncio.create_task(receive())

    assert in_request(body) == {"type": "http.request", "body": b"1234", "more_body": False}


def test_ensure_future_and_gather_run_them() -> None:
    async def body(receive: Any, send: Any) -> Any:
        return await asyncio.gather(asyncio.ensure_future(receive()), asyncio.sleep(0, "slept"))

    message, slept = in_request(body)
    assert (message["body"], slept) == (b"1234", "slept")


def test_wait_for_gives_up_on_one_that_waits() -> None:
    async def body(receive: Any, send: Any) -> str:
        await receive()
        try:
            await asyncio.wait_for(receive(), 0.01)
        except asyncio.TimeoutError:
            return "timed out"
        return "came back"

    assert in_request(body) == "timed out"


def test_wait_for_returns_what_is_there() -> None:
    async def body(receive: Any, send: Any) -> Any:
        return (await asyncio.wait_for(receive(), 10))["body"]

    assert in_request(body) == b"1234"


def test_one_that_has_finished_cannot_be_awaited_again() -> None:
    async def body(receive: Any, send: Any) -> None:
        call = receive()
        await call
        await call

    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        in_request(body)


def test_close_ends_one_that_was_not_started() -> None:
    async def body(receive: Any, send: Any) -> None:
        call = receive()
        call.close()
        call.close()
        await call

    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        in_request(body)


def test_the_first_step_takes_no_value() -> None:
    async def body(receive: Any, send: Any) -> None:
        call = receive()
        try:
            call.send(1)
        finally:
            call.close()

    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        in_request(body)


def test_an_exception_thrown_before_the_first_step_comes_back() -> None:
    async def body(receive: Any, send: Any) -> Any:
        call = receive()
        with pytest.raises(KeyError, match="mine"):
            call.throw(KeyError("mine"))
        return (await receive())["body"]

    assert in_request(body) == b"1234"


def test_an_exception_thrown_while_waiting_comes_back_and_ends_the_wait() -> None:
    async def body(receive: Any, send: Any) -> Any:
        await receive()
        call = receive()
        future = call.send(None)
        assert asyncio.isfuture(future) and call.cr_await is future
        with pytest.raises(KeyError, match="mine"):
            call.throw(KeyError("mine"))
        assert call.cr_await is None
        return "done"

    assert in_request(body) == "done"


def test_close_ends_a_wait() -> None:
    async def body(receive: Any, send: Any) -> str:
        await receive()
        call = receive()
        call.send(None)
        call.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            call.send(None)
        return "closed"

    assert in_request(body) == "closed"


def test_stepping_one_from_inside_itself_is_refused() -> None:
    async def body(receive: Any, send: Any) -> None:
        calls = []

        class Message(dict):  # type: ignore[type-arg]
            def __getitem__(self, key: str) -> Any:
                calls[0].send(None)

        calls.append(send(Message()))
        await calls[0]

    with pytest.raises(ValueError, match="coroutine already executing"):
        in_request(body)


def test_one_that_is_never_awaited_is_told_of() -> None:
    async def body(receive: Any, send: Any) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            receive()
            send({})
        return [str(warning.message) for warning in caught]

    assert in_request(body) == [
        "coroutine 'receive' was never awaited",
        "coroutine 'send' was never awaited",
    ]


def test_names_are_those_of_the_callables() -> None:
    async def body(receive: Any, send: Any) -> list[str]:
        call = receive()
        names = [receive.__name__, send.__name__, call.__name__, call.__qualname__]
        call.close()
        return names

    assert in_request(body) == ["receive", "send", "receive", "receive"]


def test_cancelling_one_of_several_waiting_receives_leaves_the_others() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = [asyncio.create_task(receive()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await respond(send)
        seen.extend(await asyncio.gather(*waiting, return_exceptions=True))

    async def scenario(running: Running) -> None:
        await running.get()
        await running.idle()

    run(app, scenario)
    assert [type(item) for item in seen] == [dict, asyncio.CancelledError, dict]
    assert seen[0] == seen[2] == {"type": "http.disconnect"}


def test_several_waiting_receives_are_served_in_their_order() -> None:
    order: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

        async def wait(number: int) -> None:
            await receive()
            order.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(4)]
        await asyncio.sleep(0)
        await respond(send)
        await asyncio.gather(*waiting)

    async def scenario(running: Running) -> None:
        await running.get()
        await running.idle()

    run(app, scenario)
    assert order == [0, 1, 2, 3]


def test_a_receive_that_is_left_waiting_is_collected() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        left = receive()
        left.send(None)
        scope["left"] = left  # a cycle through the call
        await respond(send)

    async def scenario(running: Running) -> int:
        await running.get()
        await running.idle()
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(100):
            await running.get()
        await running.idle()
        gc.collect()
        return len(gc.get_objects()) - before

    assert run(app, scenario) < 50


def test_another_thread_is_refused_with_advice() -> None:
    errors: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        def elsewhere() -> None:
            try:
                send({"type": "http.response.start", "status": 200}).send(None)
            except RuntimeError as error:
                errors.append(error)

        await asyncio.get_running_loop().run_in_executor(None, elsewhere)
        await plain(scope, receive, send)

    async def scenario(running: Running) -> int:
        return (await running.get()).status

    assert run(app, scenario) == 200
    assert "send() was awaited in another thread" in str(errors[0])
    assert "run_coroutine_threadsafe" in str(errors[0])
