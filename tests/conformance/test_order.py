"""Background tasks, context variables, threads, tasks and the order of side effects."""

import asyncio
import contextlib
import contextvars

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, field_validator
from starlette.background import BackgroundTask
from starlette.background import BackgroundTasks as StarletteBackgroundTasks

from .requests import get, post_json, together

KINDS = ["async", "sync"]
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def setting(side, kind, value):
    """A dependency that notes the variable and sets it."""

    async def asynchronous():
        side.log("dependency", VARIABLE.get(), side.thread())
        VARIABLE.set(value)

    def sync():
        side.log("dependency", VARIABLE.get(), side.thread())
        VARIABLE.set(value)

    return asynchronous if kind == "async" else sync


@pytest.mark.parametrize("endpoint", KINDS)
@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_context_variables_from_dependency_to_endpoint(conform, first, second, endpoint):
    """G93: what an `async def` sets all see; what a `def` sets is lost with its thread's copy."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous(tasks: BackgroundTasks):
            side.log("endpoint", VARIABLE.get())
            VARIABLE.set("by the endpoint")
            tasks.add_task(lambda: side.log("background", VARIABLE.get()))

        def sync(tasks: BackgroundTasks):
            side.log("endpoint", VARIABLE.get())
            VARIABLE.set("by the endpoint")
            tasks.add_task(lambda: side.log("background", VARIABLE.get()))

        dependencies = [Depends(setting(side, first, "first"))]
        dependencies.append(Depends(setting(side, second, "second")))
        chosen = asynchronous if endpoint == "async" else sync
        app.get("/", dependencies=dependencies)(chosen)
        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("endpoint", KINDS)
def test_context_variables_in_validators_of_the_response_model(conform, endpoint):
    """G93: validation in a thread sees what the dependencies set, not what the endpoint did."""

    def make(side):
        app = side.FastAPI()

        class Item(BaseModel):
            name: str

            @field_validator("name")
            @classmethod
            def check(cls, name):
                side.log("validator", VARIABLE.get(), side.thread())
                VARIABLE.set("by the validator")
                return name

        async def asynchronous():
            VARIABLE.set("by the endpoint")
            return {"name": "n"}

        def sync():
            VARIABLE.set("by the endpoint")
            return {"name": "n"}

        dependencies = [Depends(setting(side, "async", "by the dependency"))]
        chosen = asynchronous if endpoint == "async" else sync
        app.get("/", response_model=Item, dependencies=dependencies)(chosen)
        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_context_variables_do_not_cross_from_request_to_request(conform, kind):
    """G93: also not on a connection that is kept alive, nor in a thread that is used again."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            seen = VARIABLE.get()
            VARIABLE.set("left behind")
            return seen

        def sync():
            seen = VARIABLE.get()
            VARIABLE.set("left behind")
            return seen

        app.get("/")(asynchronous if kind == "async" else sync)
        return app

    conform(make, get("/"), get("/"), together(get("/"), get("/")), get("/"))


@pytest.mark.parametrize("kind", KINDS)
def test_context_variables_around_a_yield(conform, kind):
    """G88, G93: an `async` one can reset its token; a `def` one runs in two copies."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            token = VARIABLE.set("entered")
            yield
            side.log("leaving", VARIABLE.get())
            VARIABLE.reset(token)
            side.log("left", VARIABLE.get())

        def sync():
            VARIABLE.set("entered")
            yield
            side.log("leaving", VARIABLE.get())

        @app.get("/", dependencies=[Depends(asynchronous if kind == "async" else sync)])
        async def endpoint():
            side.log("endpoint", VARIABLE.get())
            VARIABLE.set("endpoint")

        return app

    conform(make, get("/"), get("/"))


def test_context_variables_of_the_lifespan_are_not_those_of_requests(conform):
    """H105."""

    def make(side):
        @contextlib.asynccontextmanager
        async def lifespan(app):
            VARIABLE.set("lifespan")
            yield
            side.log("end", VARIABLE.get())

        app = side.FastAPI(lifespan=lifespan)
        app.get("/async")(contextual)
        return app

    async def contextual():
        return VARIABLE.get()

    conform(make, get("/async"))


def test_one_task_is_a_request(conform):
    """H106: dependencies, endpoint, handlers and teardown share it; another has its own."""

    def make(side):
        app = side.FastAPI()
        tasks = []

        async def dependency():
            side.log("dependency", side.task())
            await asyncio.sleep(0)
            side.log("dependency later", side.task())
            yield
            side.log("teardown", side.task())

        @app.get("/{fail}", dependencies=[Depends(dependency)])
        async def endpoint(fail: bool, background: BackgroundTasks):
            current = asyncio.current_task()
            side.log("endpoint", side.task(), any(task is current for task in tasks))
            side.log(
                current in asyncio.all_tasks(),
                current.done(),
                getattr(current, "cancelling", int)(),
            )
            tasks.append(current)
            background.add_task(after)
            if fail:
                raise KeyError

        async def after():
            side.log("background", side.task())

        @app.exception_handler(KeyError)
        async def handler(request, error):
            side.log("handler", side.task())
            return JSONResponse({})

        return app

    conform(make, get("/0"), get("/1"), get("/0"))


def test_what_is_kept_by_task_is_kept_for_one_request(conform):
    """H106: libraries key weak dictionaries by the current task."""
    import weakref

    def make(side):
        app = side.FastAPI()
        known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

        def count():
            task = asyncio.current_task()
            known[task] = known.get(task, 0) + 1
            return known[task]

        async def dependency():
            return count()

        @app.get("/")
        async def endpoint(first: int = Depends(dependency)):
            return [first, count()]

        @app.get("/scope")
        async def scope():
            with anyio.CancelScope() as scope:
                scope.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await anyio.sleep(0)
            return [scope.cancel_called, getattr(asyncio.current_task(), "cancelling", int)()]

        return app

    conform(make, get("/"), get("/"), get("/scope"), get("/"), get("/scope"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_may_cancel_itself(conform, kind):
    """H106: what is cancelled inside stays inside."""

    def make(side):
        app = side.FastAPI()

        @app.get("/timeout")
        async def timeout():
            try:
                await asyncio.wait_for(asyncio.sleep(60), 0.001)
            except asyncio.TimeoutError:
                return "timed out"

        @app.get("/group")
        async def group():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep, 60)
                tasks.cancel_scope.cancel()
            return "cancelled"

        @app.get("/move-on")
        async def move_on():
            with anyio.move_on_after(0.001) as scope:
                await (anyio.sleep(60) if kind == "async" else anyio.to_thread.run_sync(int))
            return scope.cancelled_caught or kind

        return app

    conform(make, get("/timeout"), get("/group"), get("/move-on"), get("/timeout"))


def test_a_worker_can_call_back_into_the_loop(conform):
    """G93: `anyio.from_thread` works in every `def`."""

    def make(side):
        app = side.FastAPI()

        async def on_loop(value):
            side.log("on the loop", value, side.thread())
            return value

        def dependency():
            return anyio.from_thread.run(on_loop, "dependency")

        @app.get("/")
        def endpoint(background: BackgroundTasks, value=Depends(dependency)):
            side.log(anyio.from_thread.run_sync(side.thread))
            background.add_task(lambda: anyio.from_thread.run(on_loop, "background"))
            return [value, anyio.from_thread.run(on_loop, "endpoint")]

        @app.exception_handler(KeyError)
        def handler(request: Request, error: KeyError):
            return JSONResponse(anyio.from_thread.run(on_loop, "handler"))

        @app.get("/fail")
        def fail():
            raise KeyError

        return app

    conform(make, get("/"), get("/fail"))


def test_the_limiter_of_threads_is_anyios(conform):
    """G93: a `def` endpoint holds one of its tokens, a waiting one none."""

    def make(side):
        app = side.FastAPI()

        @app.get("/limit")
        async def limit():
            limiter = anyio.to_thread.current_default_thread_limiter()
            return [limiter.total_tokens, limiter.borrowed_tokens]

        @app.get("/held")
        def held():
            async def borrowed():
                return anyio.to_thread.current_default_thread_limiter().borrowed_tokens

            return anyio.from_thread.run(borrowed)

        @app.get("/one")
        async def one():
            anyio.to_thread.current_default_thread_limiter().total_tokens = 1

        return app

    conform(make, get("/limit"), get("/held"), get("/one"), get("/held"), get("/limit"))


def test_a_loop_is_an_ordinary_one(conform):
    """H106: futures, call_soon, run_in_executor, new tasks."""

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint():
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            loop.call_soon(future.set_result, "soon")
            side.log(await future)
            side.log(await loop.run_in_executor(None, side.thread))
            side.log(await asyncio.create_task(named()))
            side.log(*await asyncio.gather(named(), named()))
            return await asyncio.shield(named())

        async def named():
            VARIABLE.set("in a task")
            await asyncio.sleep(0)
            return VARIABLE.get()

        return app

    conform(make, get("/"))


class Failing(Exception):
    pass


@pytest.mark.parametrize("endpoint", KINDS)
@pytest.mark.parametrize("task", KINDS)
def test_background_tasks_run_after_the_response(conform, endpoint, task):
    """G92: one after the other, each where it belongs."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous(name, *, keyword="none"):
            side.log(name, keyword, side.thread(), side.task())

        def sync(name, *, keyword="none"):
            side.log(name, keyword, side.thread())

        run = asynchronous if task == "async" else sync

        async def endpoint_async(background: BackgroundTasks):
            background.add_task(run, "first")
            background.add_task(run, "second", keyword="given")
            side.log("endpoint", side.task())

        def endpoint_sync(background: BackgroundTasks):
            background.add_task(run, "first")
            background.add_task(run, "second", keyword="given")
            side.log("endpoint")

        app.get("/")(endpoint_async if endpoint == "async" else endpoint_sync)
        return app

    conform(make, get("/"), get("/"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handled", [True, False])
def test_a_background_task_that_fails_stops_the_rest(conform, kind, handled):
    """G92: the response is out; the exception escapes and the connection closes."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous():
            raise Failing("in the background")

        def sync():
            raise Failing("in the background")

        @app.get("/")
        async def endpoint(background: BackgroundTasks):
            background.add_task(side.log, "first")
            background.add_task(asynchronous if kind == "async" else sync)
            background.add_task(side.log, "never")
            return "sent"

        if handled:
            app.add_exception_handler(Failing, lambda request, error: JSONResponse({}))
        return app

    conform(make, get("/"), get("/"))


def test_tasks_of_dependencies_and_endpoint_are_one_list(conform):
    """G91, G92: in the order in which they were added; lost with an exception."""

    def make(side):
        app = side.FastAPI()

        def first(background: BackgroundTasks):
            background.add_task(side.log, "of the first")

        async def second(background: BackgroundTasks):
            background.add_task(side.log, "of the second")

        @app.get("/{fail}", dependencies=[Depends(first), Depends(second)])
        async def endpoint(fail: bool, background: BackgroundTasks, response: Response):
            background.add_task(side.log, "of the endpoint")
            response.headers["x-lost"] = "when it fails"
            if fail:
                raise HTTPException(409)

        return app

    conform(make, get("/0"), get("/1"), get("/x"))


def test_tasks_added_by_tasks_and_by_hand(conform):
    """G92: a list that grows while it runs; lists of Starlette; tasks of returned responses."""

    def make(side):
        app = side.FastAPI()

        @app.get("/grows")
        async def grows(background: BackgroundTasks):
            def more():
                side.log("first")
                background.add_task(side.log, "added")

            background.add_task(more)

        @app.get("/starlette")
        async def starlette(background: StarletteBackgroundTasks):
            background.tasks.append(BackgroundTask(side.log, "appended"))

        @app.get("/returned")
        def returned():
            return JSONResponse({}, background=BackgroundTask(side.log, "returned"))

        @app.get("/204", status_code=204)
        async def nothing(background: BackgroundTasks):
            background.add_task(side.log, "after nothing")

        @app.get("/stream")
        async def stream(background: BackgroundTasks):
            background.add_task(side.log, "after the stream")
            return StreamingResponse(iter(["a", "b"]))

        return app

    conform(make, *[get(f"/{p}") for p in ("grows", "starlette", "returned", "204", "stream")])


def test_everything_in_its_order(conform):
    """G88, G93: dependencies, body, endpoint, serialisation, response, background, teardown."""
    from typing import Annotated

    from pydantic import AfterValidator, BaseModel, PlainSerializer

    def make(side):
        app = side.FastAPI()

        def validate(value):
            side.log("validated", value, side.thread())
            return value

        def serialise(value):
            side.log("serialised", value, side.thread())
            return value

        Checked = Annotated[int, AfterValidator(validate), PlainSerializer(serialise)]

        class Item(BaseModel):
            number: Checked

        def of_function():
            side.log("function entered")
            yield 1
            side.log("function left")

        async def of_request(q: Checked = 0):
            side.log("request entered")
            yield 2
            side.log("request left")

        @app.post("/{path}", dependencies=[Depends(of_function, scope="function")])
        async def endpoint(
            path: Checked, item: Item, background: BackgroundTasks, _: int = Depends(of_request)
        ) -> Item:
            side.log("endpoint")
            background.add_task(side.log, "background")
            return item

        return app

    conform(
        make,
        post_json("/1?q=2", {"number": 3}),
        post_json("/x?q=2", {"number": 3}),
        post_json("/1?q=x", {"number": 3}),
        post_json("/1", {"number": "x"}),
        post_json("/1", b"{"),
    )


def test_startup_and_shutdown(conform):
    """H104: in their order, of the application and of included routers."""

    def make(side):
        @contextlib.asynccontextmanager
        async def lifespan(app):
            side.log("start of the application")
            yield {"number": 1, "shared": []}
            side.log("end of the application")

        @contextlib.asynccontextmanager
        async def inner(app):
            side.log("start of the router")
            yield {"number": 2, "router": "router"}
            side.log("end of the router")

        app = side.FastAPI(lifespan=lifespan)
        app.include_router(side.APIRouter(lifespan=inner))

        @app.get("/")
        async def endpoint(request: Request):
            request.state.number += 1
            request.state.shared.append(1)
            request.state.new = True
            app.state.count = getattr(app.state, "count", 0) + 1
            return [
                request.state.number,
                request.state.shared,
                request.state.router,
                app.state.count,
            ]

        @app.get("/new")
        def new(request: Request):
            return hasattr(request.state, "new")

        return app

    conform(make, get("/"), get("/"), get("/new"))
