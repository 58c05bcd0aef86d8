"""WebSocket endpoints: each method of the object in each state, dependencies, and ways to end."""

import asyncio
import functools
import inspect
import sys
from contextvars import ContextVar
from typing import Annotated, Any

import anyio
import pytest
from fastapi import (
    APIRouter,
    Cookie,
    Depends,
    Header,
    HTTPException,
    Query,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette._utils import is_async_callable
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from .requests import get, socket


def states(websocket: WebSocket) -> tuple[str, str]:
    return websocket.client_state.name, websocket.application_state.name


async def tried(side: Any, websocket: WebSocket, name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a method and log what comes of it, with the states before and after."""
    before = states(websocket)
    try:
        outcome: Any = await getattr(websocket, name)(*args, **kwargs)
    except Exception as error:
        context = type(error.__context__).__mro__[-4:] if error.__context__ else None
        code = getattr(error, "code", None), getattr(error, "reason", None)
        side.log(name, before, type(error).__name__, str(error), code, context)
        outcome = error
    else:
        side.log(name, before, repr(outcome))
    side.log("states", states(websocket))
    return outcome


def test_iterators(conform):
    """iter_text(), iter_bytes() and iter_json() end with the client's close."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/{kind}")
        async def endpoint(websocket: WebSocket, kind: str) -> None:
            await websocket.accept()
            async for each in getattr(websocket, f"iter_{kind}")():
                side.log(repr(each), states(websocket))
                await websocket.send_json(repr(each))
            side.log("end", states(websocket))

        return app

    conform(
        make,
        socket("/text", "a", "é", ""),
        socket("/bytes", b"a", b""),
        socket("/json", "1", '{"a": null}'),
    )


METHODS = (
    "accept", "close", "receive_text", "receive_bytes", "receive_json", "send_text", "send_bytes",
    "send_json",
)  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_shown_as_coroutine_functions(conform, name):
    """Who is handed one, as a background task is, asks whether it has to be awaited."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/")
        async def endpoint(websocket: WebSocket) -> None:
            method = getattr(websocket, name)
            side.log(inspect.iscoroutinefunction(method), is_async_callable(method))
            side.log(is_async_callable(functools.partial(method, "text")), callable(method))
            side.log(str(inspect.signature(method)), method.__name__, method.__qualname__)
            side.log(method.__doc__, method.__module__, method.__self__ is websocket)
            side.log(method.__func__ is getattr(WebSocket, name), repr(method).split(" object")[0])
            side.log(hasattr(method, "no_such_attribute"), getattr(websocket, name) == method)
            await websocket.accept()
            await BackgroundTasks([BackgroundTask(websocket.send_text, "text")])()

        return app

    conform(make, socket("/"))


class Text(str):
    """A text, but none that is known to be nothing else."""


WAYS_TO_ACCEPT: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "plain": ((), {}),
    "subprotocol": (("chat",), {}),
    "none": ((None, None), {}),
    "empty": ((None, []), {}),
    "headers": ((), {"headers": [(b"X-One", b"1"), (b"x-one", b"2")]}),
    "tuple": ((), {"headers": ((b"x-one", b"1"),), "subprotocol": "chat"}),
    "iterable": ((), {"headers": {(b"x-one", b"1"): None}}),
    "subclass": ((Text("chat"),), {}),
    "many": (("chat", [], 1), {}),
    "unknown": ((), {"protocol": "chat"}),
    "twice": (("chat",), {"subprotocol": "chat"}),
}


@pytest.mark.parametrize("first", ["nothing", "receive", "accept", "close"])
def test_accept_in_each_state(conform, first):
    """With all kinds of arguments; the coroutine does nothing before it is awaited."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/{way}")
        async def endpoint(websocket: WebSocket, way: str) -> None:
            args, kwargs = WAYS_TO_ACCEPT[way]
            match first:
                case "receive":
                    side.log(await websocket.receive())
                case "accept":
                    await tried(side, websocket, "accept")
                case "close":
                    await tried(side, websocket, "close", 1001)
            try:
                coroutine = websocket.accept(*args, **kwargs)
            except TypeError as error:
                side.log(str(error), states(websocket))
            else:
                side.log(states(websocket), asyncio.iscoroutine(coroutine))
                coroutine.close()
            await tried(side, websocket, "accept", *args, **kwargs)
            await tried(side, websocket, "accept")
            await tried(side, websocket, "send_text", "hello")
            await tried(side, websocket, "close")

        return app

    refused = ("many", "unknown", "twice")
    ways = WAYS_TO_ACCEPT if first in ("nothing", "receive") else ("plain", "headers", *refused)
    offer = ("sec-websocket-protocol: chat",)
    conform(make, *(socket(f"/{way}", closes=False, lines=offer) for way in ways))


WAYS_TO_CLOSE: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "plain": ((), {}),
    "code": ((4000,), {}),
    "reason": ((4001, "d\u00e9j\u00e0 vu"), {}),
    "named": ((), {"reason": "why", "code": 3000}),
    "none": ((1000, None), {}),
    "empty": ((1000, ""), {}),
    "bool": ((True,), {}),
    "text": (("1000",), {}),
    "bytes": ((1000, b"why"), {}),
    "reserved": ((1005,), {}),
    "large": ((1 << 70,), {}),
    "long": ((1000, "x" * 124), {}),
    "many": ((1000, "why", 1), {}),
    "unknown": ((), {"status": 1000}),
}
OUR_ERRORS = ("bool", "text", "bytes", "reserved", "large", "long")


@pytest.mark.parametrize("first", ["nothing", "receive", "accept", "close"])
def test_close_in_each_state(conform, first):
    """With all kinds of arguments; what comes after it sees the same states."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/{way}")
        async def endpoint(websocket: WebSocket, way: str) -> None:
            args, kwargs = WAYS_TO_CLOSE[way]
            if first == "receive":
                side.log(await websocket.receive())
            elif first != "nothing":
                await websocket.accept()
            if first == "close":
                await websocket.close()
            await tried(side, websocket, "close", *args, **kwargs)
            for name in ("close", "accept", "receive_text"):
                await tried(side, websocket, name)
            await tried(side, websocket, "send_text", "x")

        return app

    ways = [way for way in WAYS_TO_CLOSE if way not in OUR_ERRORS]
    conform(make, *(socket(f"/{way}", closes=False) for way in ways))


def test_what_replaces_accept_and_close_is_called(conform):
    """On the object, in a subclass, and on the class once connections have been served."""

    class Own(WebSocket):
        async def close(self, code: int = 1000, reason: str | None = None) -> None:
            await super().close(code + 3000, reason)

    def make(side):
        app = side.FastAPI()
        original = WebSocket.accept

        async def logged_accept(self: WebSocket, *args: Any, **kwargs: Any) -> None:
            side.log("accept", states(self))
            await original(self, *args, **kwargs)

        @app.websocket("/{kind}")
        async def endpoint(websocket: WebSocket, kind: str) -> None:
            if kind == "send":
                send = websocket.send

                async def logged_send(message: Any) -> None:
                    side.log(message)
                    await send(message)

                websocket.send = logged_send  # type: ignore[method-assign]
            elif kind == "inner":
                inner = websocket._receive

                async def logged_receive() -> Any:
                    message = await inner()
                    side.log(message)
                    return message

                websocket._receive = logged_receive
            await websocket.accept()
            if kind == "subclass":
                session = Own(websocket.scope, websocket._receive, websocket._send)
                session.application_state = websocket.application_state
                websocket = session
            await websocket.send_text(kind)
            await websocket.close(1001, kind)

        @app.get("/patch")
        def patch() -> None:
            WebSocket.accept = logged_accept  # type: ignore[method-assign]

        @app.get("/restore")
        def restore() -> None:
            WebSocket.accept = original  # type: ignore[method-assign]

        return app

    conform(
        make,
        *(socket(f"/{kind}", closes=False) for kind in ("none", "send", "inner", "subclass")),
        get("/patch"),
        socket("/patched", closes=False),
        get("/restore"),
        socket("/none", closes=False),
    )


def test_denial_responses(conform):
    """Before the accept, and in the states in which there is none any more."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/{when}")
        async def endpoint(websocket: WebSocket, when: str) -> None:
            response = JSONResponse({"no": when}, 418, {"x-why": "because"})
            if when == "accepted":
                await websocket.accept()
            elif when == "closed":
                await websocket.close()
            await tried(side, websocket, "send_denial_response", response)
            for name in ("accept", "close"):
                await tried(side, websocket, name)

        return app

    conform(make, *(socket(f"/{when}", closes=False) for when in ("first", "accepted", "closed")))


def test_what_replaces_receive_and_send_is_called(conform):
    """On the object itself, on the functions that it was made with, and in a subclass."""

    class Upper(WebSocket):
        async def send_text(self, data: str) -> None:
            await super().send_text(data.upper())

    def make(side):
        app = side.FastAPI()

        @app.websocket("/{kind}")
        async def endpoint(websocket: WebSocket, kind: str) -> None:
            receive, send = websocket.receive, websocket.send
            inner_receive, inner_send = websocket._receive, websocket._send

            async def logged_receive():
                message = await receive()
                side.log("receive", message)
                return message

            async def logged_send(message):
                side.log("send", message)
                await send(message)

            async def inner_logged_receive():
                message = await inner_receive()
                side.log("inner receive", message)
                return message

            async def inner_logged_send(message):
                side.log("inner send", message)
                await inner_send(message)

            await websocket.accept()
            if kind == "object":
                websocket.receive, websocket.send = logged_receive, logged_send
            elif kind == "inner":
                websocket._receive, websocket._send = inner_logged_receive, inner_logged_send
            elif kind == "method":
                websocket.receive_text = lambda: asyncio.sleep(0, "mine")
            elif kind == "subclass":
                session = Upper(websocket.scope, websocket._receive, websocket._send)
                session.client_state = websocket.client_state
                session.application_state = websocket.application_state
                websocket = session
            await websocket.send_text(await websocket.receive_text())
            await websocket.send_json(1)
            await websocket.send_bytes(b"x")
            await websocket.close()

        return app

    kinds = ("object", "inner", "method", "subclass", "none")
    conform(make, *(socket(f"/{kind}", "text", closes=False) for kind in kinds))


def test_concurrent_and_cancelled_receives(conform):
    """Each gets a message of its own; a cancelled one loses none."""

    def make(side):
        app = side.FastAPI()

        @app.websocket("/")
        async def endpoint(websocket: WebSocket) -> None:
            waiting = asyncio.create_task(websocket.receive_text())
            await asyncio.sleep(0)
            side.log(
                "before the accept", repr(await asyncio.gather(waiting, return_exceptions=True))
            )
            await websocket.accept()
            texts = await asyncio.gather(*(websocket.receive_text() for _ in range(3)))
            side.log(sorted(texts))
            waiting = asyncio.create_task(websocket.receive_text())
            await asyncio.sleep(0.02)
            side.log("cancelled", waiting.cancel())
            side.log(repr(await asyncio.gather(waiting, return_exceptions=True)))
            await websocket.close()

        return app

    conform(make, socket("/", "a", "b", "c", closes=False))


def test_what_a_task_does_after_it_has_waited_for_several_messages(conform):
    """It is the same task in the same context; its next wait, and its cancellation, are as ever."""

    async def wait(websocket: WebSocket, kind: str) -> Any:
        task = asyncio.current_task()
        assert task is not None
        if kind.startswith("cancel"):
            task.cancel("why")
        match kind.removeprefix("cancel-"):
            case "yield":
                return await asyncio.sleep(0, "slept")
            case "sleep":
                return await asyncio.sleep(0.01, "slept")
            case "task":
                return await asyncio.create_task(asyncio.sleep(0.01, "slept"))
            case "thread":
                return await asyncio.to_thread(str, 1)
            case "several":
                return await asyncio.gather(websocket.receive_text(), asyncio.sleep(0.01))
            case "timeout":
                return await asyncio.wait_for(websocket.receive_text(), 0.02)
            case "scope":
                with anyio.move_on_after(0.02) as scope:
                    await websocket.receive_text()
                return scope.cancelled_caught
            case "cancelled":
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await websocket.receive_text()
                return scope.cancelled_caught
            case "return":
                return "nothing"
            case "error":
                raise ValueError("wrong")
        return await websocket.receive_text()

    def make(side):
        app = side.FastAPI()
        variable: ContextVar[int] = ContextVar("variable")

        @app.websocket("/{kind}")
        async def endpoint(websocket: WebSocket, kind: str) -> None:
            task = asyncio.current_task()
            variable.set(0)
            await websocket.accept()
            for _ in range(3):
                side.log(await websocket.receive_text())
                side.log(asyncio.current_task() is task, task in asyncio.all_tasks())
                side.log(variable.get())
                variable.set(variable.get() + 1)
            try:
                side.log(repr(await wait(websocket, kind)))
            except (asyncio.CancelledError, asyncio.TimeoutError) as error:
                side.log(kind, type(error).__name__, error.args)
                if kind.startswith("cancel-") and sys.version_info >= (3, 11):
                    side.log(task.cancelling(), task.uncancel())
            side.log(asyncio.current_task() is task, variable.get())
            await websocket.send_text("end")
            await websocket.close()

        return app

    waits = ("yield", "sleep", "task", "thread", "timeout", "scope", "cancelled", "error", "return")
    cancelled = ("yield", "sleep", "task", "thread", "several", "receive", "timeout", "scope")
    conform(
        make,
        *(socket(f"/{kind}", "a", "b", "c", closes=False) for kind in waits),
        *(socket(f"/cancel-{kind}", "a", "b", "c", closes=False) for kind in cancelled),
    )


def test_the_object_outlives_its_endpoint_and_stays_starlettes(conform):
    """Its class, and what it says when nobody is connected any more."""

    def make(side):
        app = side.FastAPI()
        kept = []

        @app.websocket("/")
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("x")
            side.log(type(websocket) is WebSocket, websocket.url.path, dict(websocket.path_params))
            kept.append(websocket)
            await websocket.close()

        @app.get("/later")
        async def later():
            websocket = kept.pop()
            await tried(side, websocket, "send_text", "x")
            await tried(side, websocket, "send_json", "x")
            return sorted(name for name in vars(websocket) if not name.startswith("_"))

        return app

    conform(make, socket("/", closes=False), get("/later"))


# What nothing handles: before the accept, each server refuses the handshake in its own way.
LOST = ("value", "disconnect")


class Filters(BaseModel):
    limit: int = 10
    tags: list[str] = []


def test_parameters_and_dependencies(conform):
    """C46, C48, C50, G88: path, query, header, cookie, models, caches, yields, in order."""

    def make(side):
        app = side.FastAPI()

        def sync(x_token: Annotated[str, Header()] = "none"):
            side.log("sync", x_token, side.thread())
            return x_token

        async def conn(connection: HTTPConnection, websocket: WebSocket):
            side.log("connection", connection is websocket, states(websocket))
            return connection

        async def once(
            token: Annotated[str, Depends(sync)], session: Annotated[str, Cookie()] = ""
        ):
            side.log("enter", token, session)
            try:
                yield f"{token}:{session}"
            except Exception as error:
                side.log("thrown", type(error).__name__)
                raise
            finally:
                side.log("leave")

        def twice(value: Annotated[str, Depends(once)]):
            yield value * 2
            side.log("leave sync", side.thread())

        router = APIRouter(prefix="/in", dependencies=[Depends(conn)])

        @router.websocket("/{number}/{rest:path}")
        async def endpoint(
            websocket: WebSocket,
            number: int,
            rest: str,
            filters: Annotated[Filters, Query()],
            value: Annotated[str, Depends(twice, scope="function")],
            token: Annotated[str, Depends(sync)],
        ) -> None:
            side.log(websocket.scope["route"].path, sorted(websocket.scope))
            await websocket.accept()
            await websocket.send_json([number, rest, filters.model_dump(), value, token])
            side.log("end", await websocket.receive_text())
            if number == 13:
                raise ValueError("unlucky")

        app.include_router(router, prefix="/out")
        return app

    conform(
        make,
        socket("/out/in/1/a/b?limit=3&tags=x&tags=y", "t", closes=False,
               lines=("x-token: T", "cookie: session=S")),
        socket("/out/in/1/a?limit=x", "t"),
        socket("/out/in/x/a", "t"),
        socket("/out/in/13/a", "t", closes=False),
        socket("/out/in/1/%C3%A9", "t", closes=False),
        socket("/out/in/1", "t"),
        get("/out/in/1/a"),
    )  # fmt: skip


def test_exceptions_and_handlers(conform):
    """H100: what handlers get, before and after the accept."""

    class Own(Exception):
        pass

    def make(side):
        app = side.FastAPI()

        @app.exception_handler(Own)
        async def own(websocket: WebSocket, exc: Exception) -> None:
            side.log("handler", states(websocket), type(websocket) is WebSocket)
            if websocket.application_state.name == "CONNECTED":
                await websocket.send_json({"error": str(exc)})
            await websocket.close(4000)

        @app.exception_handler(418)
        def teapot(websocket: WebSocket, exc: HTTPException) -> JSONResponse:
            side.log("teapot", states(websocket), side.thread())
            return JSONResponse({"tea": exc.detail}, 418)

        @app.websocket("/{when}/{kind}")
        async def endpoint(websocket: WebSocket, when: str, kind: str) -> None:
            if when == "after":
                await websocket.accept()
            raise {
                "own": Own("mine"),
                "socket": WebSocketException(4001, "no"),
                "teapot": HTTPException(418, "pot"),
                "http": HTTPException(403, "no", {"x-why": "because"}),
                "value": ValueError("value"),
                "disconnect": WebSocketDisconnect(1001),
            }[kind]

        return app

    kinds = ("own", "socket", "value", "disconnect", "teapot", "http")
    conform(
        make,
        *(socket(f"/before/{kind}", closes=False) for kind in kinds if kind not in LOST),
        *(socket(f"/after/{kind}", closes=False) for kind in kinds[:4]),
    )


def test_endpoints_of_other_kinds(conform):
    """Classes with __call__, without the object, that return something, and two of one path."""

    class Endpoint:
        async def __call__(self, websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("callable")
            await websocket.close()

    def make(side):
        app = side.FastAPI()
        app.websocket("/callable")(Endpoint())

        @app.websocket("/nothing")
        async def nothing(websocket: HTTPConnection, value: int) -> int:
            side.log("called", value, type(websocket))
            await websocket.close()  # type: ignore[attr-defined]
            return value

        @app.websocket("/two")
        async def first(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("first")
            await websocket.close()

        @app.websocket("/two")
        async def second(websocket: WebSocket) -> None:
            await websocket.accept()

        @app.get("/two")
        def both() -> str:
            return "http"

        return app

    conform(
        make,
        socket("/callable", closes=False),
        socket("/nothing?value=1"),
        socket("/nothing?value=x"),
        socket("/two", closes=False),
        get("/two"),
        get("/callable"),
    )


class Passing:
    """A pure ASGI middleware that hands on what it gets."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Counting(Passing):
    """Sees every message of both directions; one more header with the accept."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        side = scope["app"].state.side

        async def seen_receive() -> Any:
            message = await receive()
            side.log("received", message)
            return message

        async def seen_send(message: Any) -> None:
            side.log("sent", message)
            if message["type"] == "websocket.accept":
                message["headers"] = [*message["headers"], (b"x-seen", b"yes")]
            await send(message)

        await self.app(scope, seen_receive, seen_send)


@pytest.mark.parametrize(
    "kind", ["passing", "decorated", "cors", "session", "counting", "two", "mounted"]
)
def test_middleware_around_websockets(conform, kind):
    """It passes them through, or sees each message; dependencies and handlers are as without."""

    def make(side):
        app = side.FastAPI()
        app.state.side = side
        outer = app

        async def dependency(websocket: WebSocket, token: Annotated[str, Header()] = "none"):
            side.log("enter", states(websocket))
            try:
                yield token
            except Exception as error:
                side.log("thrown", type(error).__name__)
                raise
            finally:
                side.log("leave", states(websocket))

        @app.exception_handler(KeyError)
        async def own(websocket: WebSocket, exc: Exception) -> None:
            side.log("handler", states(websocket), type(websocket) is WebSocket)
            await websocket.close(4000)

        @app.websocket("/echo/{number}")
        async def echo(
            websocket: WebSocket, number: int, token: Annotated[str, Depends(dependency)]
        ) -> None:
            side.log(sorted(websocket.scope), websocket.url.path, websocket.path_params)
            side.log(websocket.scope["route"].path, websocket.scope["endpoint"] is echo)
            await websocket.accept()
            await websocket.send_json([number, token, await websocket.receive_text()])
            for _ in range(2):
                await websocket.send_text(await websocket.receive_text())
            if number == 13:
                raise KeyError(number)
            await websocket.send_bytes(await websocket.receive_bytes())
            await tried(side, websocket, "receive_text")
            if number == 14:
                raise ValueError("unlucky")

        @app.websocket("/denied")
        async def denied(websocket: WebSocket) -> None:
            raise WebSocketException(1008, "no")

        match kind:
            case "passing" | "counting":
                app.add_middleware({"passing": Passing, "counting": Counting}[kind])
            case "cors":
                app.add_middleware(CORSMiddleware, allow_origins=["*"])
                app.add_middleware(Passing)
            case "session":
                app.add_middleware(SessionMiddleware, secret_key="secret")
            case "decorated" | "two":

                @app.middleware("http")
                async def decorated(request: Any, call_next: Any) -> Any:
                    side.log("never called")
                    return await call_next(request)

        if kind == "two":
            app.add_middleware(Counting)
        if kind == "mounted":
            outer = side.FastAPI()
            outer.state.side = side
            outer.mount("/sub", app)
        return outer

    prefix = "/sub" if kind == "mounted" else ""
    messages = ("a", "\N{SNOWMAN}", "c", b"d")
    conform(
        make,
        *(
            socket(f"{prefix}/echo/{number}", *messages, lines=("token: T",), closes=number != 13)
            for number in (1, 2, 13, 14)
        ),
        socket(f"{prefix}/echo/x", *messages),
        socket(f"{prefix}/denied"),
        compiled=kind != "mounted",
    )
