"""Each request is an asyncio.Task of its own, in a context of its own."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Running, plain, respond, run
from hyperfastapi._loop import new_event_loop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_the_current_task_is_the_same_before_and_after_a_suspension(kind: str) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await asyncio.sleep(0.001)
        seen.append(asyncio.current_task())
        await respond(send)

    async def scenario(running: Running) -> None:
        await running.get()
        await running.idle()

    run(app, scenario, kind=kind)
    assert isinstance(seen[0], asyncio.Task)
    assert seen[0] is seen[1] is seen[2]


def test_two_requests_never_share_a_task() -> None:
    tasks: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.current_task())
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            for _ in range(5):
                await client.get()

    run(app, scenario)
    assert len({id(task) for task in tasks}) == 5


def test_what_is_kept_by_task_goes_with_it() -> None:
    kept: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        found.append(kept.get(task))
        kept[task] = scope["path"]
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            for _ in range(20):
                await client.get()

    run(app, scenario)
    assert found == [None] * 20


def test_all_tasks_shows_a_request_that_waits(kind: str) -> None:
    release: list[asyncio.Event] = []
    running_tasks: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        release.append(asyncio.Event())
        running_tasks.append(asyncio.current_task())
        await release[0].wait()
        await respond(send)

    async def scenario(running: Running) -> tuple[bool, bool]:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not release:
                await asyncio.sleep(0)
            during = running_tasks[0] in asyncio.all_tasks()
            release[0].set()
            await client.response()
        await running.idle()
        return during, running_tasks[0] in asyncio.all_tasks()

    assert run(app, scenario, kind=kind) == (True, False)


def test_cancelling_every_task_reaches_a_request(errors: Callable[[], list[str]]) -> None:
    seen: list[str] = []
    inside: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside.append(asyncio.current_task())
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def scenario(running: Running) -> tuple[int, bool]:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not inside:
                await asyncio.sleep(0)
            for task in asyncio.all_tasks():
                if task is inside[0]:
                    task.cancel()
            status = (await client.response()).status
            return status, inside[0].cancelled()

    # As in other servers, the call of the application deals with it: the task ends as usual.
    assert run(app, scenario) == (500, False)
    assert seen == ["cancelled"]
    assert errors() == ["Exception in ASGI application | CancelledError: "]


def test_a_task_that_swallows_its_cancellation_goes_on() -> None:
    inside: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside.append(asyncio.current_task())
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        await respond(send, b"anyway")

    async def scenario(running: Running) -> bytes:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not inside:
                await asyncio.sleep(0)
            inside[0].cancel()
            return (await client.response()).body

    assert run(app, scenario) == b"anyway"


def test_time_outs_of_asyncio_work_in_a_request(kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0.01)
        except asyncio.TimeoutError:
            await respond(send, b"timed out")

    async def scenario(running: Running) -> bytes:
        return (await running.get()).body

    assert run(app, scenario, kind=kind) == b"timed out"


def test_context_of_one_request_is_not_seen_by_the_next(kind: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(variable.get())
        variable.set(scope["path"])
        await asyncio.sleep(0)
        seen.append(variable.get())
        await respond(send)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            await client.get("/one")
            await client.get("/two")
        await asyncio.gather(running.get("/three"), running.get("/four"))

    run(app, scenario, kind=kind)
    assert seen[:4] == ["unset", "/one", "unset", "/two"]
    assert sorted(seen[4:]) == ["/four", "/three", "unset", "unset"]


def test_context_set_in_the_lifespan_is_not_seen_by_requests() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                variable.set("lifespan")
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        seen.append(variable.get())
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        await running.get()

    run(app, scenario, lifespan="on")
    assert seen == ["unset"]


def test_context_of_who_serves_is_seen_by_requests() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(variable.get())
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        await running.get()

    context = contextvars.copy_context()
    context.run(variable.set, "outside")
    context.run(run, app, scenario)
    assert seen == ["outside"]


def test_a_request_that_begins_while_another_ones_step_runs_the_loop_has_its_own_context() -> None:
    found: dict[str, list[str]] = {}
    tasks: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        tasks[path] = asyncio.current_task()
        found[path] = [variable.get()]
        variable.set(path)
        if path == "/outer":
            inside: Any = asyncio.tasks
            loop: Any = asyncio.get_running_loop()
            inside._leave_task(loop, tasks[path])
            while "/inner" not in tasks:
                loop._run_once()
            inside._enter_task(loop, tasks[path])
        await asyncio.sleep(0)
        found[path].append(variable.get())
        await respond(send)

    async def scenario(running: Running) -> None:
        async with running.connect() as outer, running.connect() as inner:
            outer.send(b"GET /outer HTTP/1.1\r\nhost: a\r\n\r\n")
            inner.send(b"GET /inner HTTP/1.1\r\nhost: a\r\n\r\n")
            await asyncio.gather(outer.response(), inner.response())
            await running.get("/next")

    run(app, scenario)
    assert found == {path: ["unset", path] for path in ("/outer", "/inner", "/next")}
    assert tasks["/outer"] is not tasks["/inner"]


def test_the_application_is_called_inside_the_task() -> None:
    """Not only what it returns is awaited there: a plain function may look for its task, too."""
    seen: list[Any] = []

    def app(scope: Any, receive: Any, send: Any) -> Any:
        seen.append(asyncio.current_task())
        variable.set("by the function")
        return answer(send)

    async def answer(send: Any) -> None:
        seen.append(asyncio.current_task())
        seen.append(variable.get())
        await respond(send)

    async def scenario(running: Running) -> None:
        await running.get()

    run(app, scenario)
    assert seen[0] is seen[1] is not None
    assert seen[2] == "by the function"


def test_any_awaitable_may_be_returned() -> None:
    class Answer:
        def __init__(self, send: Any) -> None:
            self.send = send

        def __await__(self) -> Any:
            return respond(self.send, b"awaited").__await__()

    def app(scope: Any, receive: Any, send: Any) -> Any:
        return Answer(send)

    async def scenario(running: Running) -> bytes:
        return (await running.get()).body

    assert run(app, scenario) == b"awaited"


def test_what_cannot_be_awaited_is_an_error(errors: Callable[[], list[str]]) -> None:
    def app(scope: Any, receive: Any, send: Any) -> Any:
        return 5

    async def scenario(running: Running) -> int:
        return (await running.get()).status

    assert run(app, scenario) == 500
    assert errors() == [
        "Exception in ASGI application | TypeError: object int can't be used in 'await' expression"
    ]


def test_a_task_factory_makes_the_tasks(kind: str) -> None:
    made: list[Any] = []

    class OurTask(asyncio.Task):  # type: ignore[type-arg]
        pass

    def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        task: Any = OurTask(coroutine, loop=loop, **options)
        made.append(task)
        return task

    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((type(asyncio.current_task()), variable.get()))
        variable.set("request")
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        await running.get()
        asyncio.get_running_loop().set_task_factory(factory)  # while it serves
        async with running.connect() as client:
            await client.get()
            await client.get()
        asyncio.get_running_loop().set_task_factory(None)
        await running.get()

    run(app, scenario, kind=kind)
    assert seen == [
        (asyncio.Task, "unset"),
        (OurTask, "unset"),
        (OurTask, "unset"),
        (asyncio.Task, "unset"),
    ]


def test_frames_of_a_waiting_request_can_be_listed() -> None:
    inside: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside.append(asyncio.current_task())
        await asyncio.sleep(0.05)
        await respond(send)

    async def scenario(running: Running) -> tuple[list[str], str]:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not inside:
                await asyncio.sleep(0)
            names = [frame.f_code.co_name for frame in inside[0].get_stack()]
            text = repr(inside[0])
            await client.response()
            return names, text

    names, text = run(app, scenario)
    assert names[:1] == ["app"]
    assert "run_asgi" in text


def test_a_request_that_nobody_refers_to_is_not_collected() -> None:
    """asyncio holds tasks weakly; what a request waits for may be known to the request alone."""
    import gc

    futures: list[weakref.ref[Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        futures.append(weakref.ref(future))
        await future
        await respond(send, b"released")

    async def scenario(running: Running) -> bytes:
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not futures:
                await asyncio.sleep(0)
            gc.collect()
            future = futures[0]()
            assert future is not None
            future.set_result(None)
            return (await client.response()).body

    assert run(app, scenario) == b"released"


def test_the_first_step_is_taken_at_once_on_asyncio() -> None:
    """Before callbacks that were scheduled after the request had come."""
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        order.append("request")
        asyncio.get_running_loop().call_soon(order.append, "callback")
        await respond(send)
        order.append("answered")
        await asyncio.sleep(0)
        order.append("resumed")

    async def scenario(running: Running) -> None:
        await running.get()
        await running.idle()

    run(app, scenario)
    assert order == ["request", "answered", "callback", "resumed"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_no_exception_of_an_application_ends_the_server(
    error: BaseException, errors: Callable[[], list[str]]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raise":
            raise error
        await plain(scope, receive, send)

    async def scenario(running: Running) -> tuple[int, int]:
        return (await running.get("/raise")).status, (await running.get("/")).status

    assert run(app, scenario) == (500, 200)
    assert errors()[0].startswith(f"Exception in ASGI application | {type(error).__name__}")


def test_an_error_in_dispatch_goes_to_the_loops_exception_handler() -> None:
    reported: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)

    def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        if getattr(coroutine, "__qualname__", "") == "run_asgi":
            coroutine.close()
            raise LookupError("no tasks today")
        return asyncio.Task(coroutine, loop=loop, **options)

    async def scenario(running: Running) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        loop.set_task_factory(factory)
        async with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            refused = await client.rest()
        loop.set_task_factory(None)
        return refused, (await running.get()).body

    assert run(app, scenario) == (b"", b"hello")
    assert str(reported[0]["exception"]) == "no tasks today"
    assert "task of a request" in reported[0]["message"]


@pytest.mark.parametrize("debug", [False, True])
def test_debug_mode_changes_nothing_for_the_application(debug: bool) -> None:
    loop = new_event_loop("asyncio")
    loop.set_debug(debug)
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(asyncio.current_task() is not None)
        seen.append((await receive())["body"])
        await respond(send, b"answer")

    async def scenario(running: Running) -> bytes:
        return (await running.get(method="POST", body=b"question")).body

    assert run(app, scenario, loop=loop) == b"answer"
    assert seen == [True, b"question"]
