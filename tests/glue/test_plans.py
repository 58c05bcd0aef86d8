"""Compiled routes: what is compiled, what is not, and that changes are noticed.

That the bytes are FastAPI's is for tests/conformance to judge.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import fastapi
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Request
from fastapi.routing import APIRoute
from starlette.middleware.base import BaseHTTPMiddleware

from hyperfastapi import plans
from hyperfastapi.testing import ThreadServer

Get = Callable[..., tuple[int, Any]]


@contextmanager
def serving(app: fastapi.FastAPI) -> Iterator[Get]:
    """Serve an application; gives a function that asks it and returns status and JSON."""
    with ThreadServer(app) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)

        def get(path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Any:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None

        with closing(connection):
            yield get


@pytest.fixture
def app() -> fastapi.FastAPI:
    # Of FastAPI's own class: nothing native depends on ours.
    return fastapi.FastAPI()


def test_a_request_is_counted_as_compiled_or_with_the_reason_why_not(app: fastapi.FastAPI) -> None:
    @app.get("/compiled")
    async def compiled() -> int:
        return 1

    class OwnRoute(APIRoute):
        def get_route_handler(self) -> Callable[..., Any]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Any:
                return await handler(request)

            return handle

    router = APIRouter(route_class=OwnRoute)
    router.get("/bridged")(compiled)
    app.include_router(router)

    with serving(app) as get:
        assert get("/compiled") == (200, 1)
        assert get("/bridged") == (200, 1)
        assert get("/missing")[0] == 404
    counters = plans.counters(app)
    assert counters.compiled == 2
    assert counters.bridged == {"the route has a handler of its own": 1}


def test_explain_names_each_route_and_the_reason(app: fastapi.FastAPI) -> None:
    @app.get("/native/{item_id}")
    def native(item_id: int) -> int:
        return item_id

    def own_response(app: Any) -> Any:
        async def call(*arguments: Any) -> None:
            await app(*arguments)

        return call

    @app.get("/wrapped")
    async def wrapped() -> int:
        return 1

    route = app.routes[-1]
    assert isinstance(route, APIRoute)
    route.app = own_response(route.app)
    app.mount("/mounted", fastapi.FastAPI())
    parts = {part.path: part for part in plans.explain(app).routes}
    assert parts["/native/{item_id}"].is_native
    assert parts["/native/{item_id}"].methods == ("GET",)
    assert parts["/wrapped"].reason == "something wraps the application of the route"
    assert parts["/mounted"].kind == "mount"
    assert parts["/docs"].is_native
    assert "5 of 7 routes are compiled" in plans.describe(app)


def test_a_type_that_is_not_defined_leaves_its_route_alone_to_fastapi(app: fastapi.FastAPI) -> None:
    @app.get("/undefined")
    async def undefined(value: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
        return str(value)

    @app.get("/defined")
    async def defined() -> int:
        return 1

    reasons = {part.path: part.reason for part in plans.explain(app).routes}
    assert reasons["/undefined"] == "the type of 'value' is not fully defined"
    with serving(app) as get:
        assert get("/undefined")[0] == 422
        assert get("/defined") == (200, 1)
    assert plans.counters(app).compiled == 1


def test_explain_refuses_what_is_no_fastapi_application() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match="no FastAPI application"):
        plans.explain(application)


def test_consecutive_def_steps_share_one_hop_and_need_no_task(app: fastapi.FastAPI) -> None:
    seen: list[tuple[str, int]] = []
    tasks: list[str] = []

    def first() -> int:
        seen.append(("first", threading.get_ident()))
        return 1

    def names_of_tasks() -> list[str]:
        return [task.get_coro().__name__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]

    def second(value: int = Depends(first)) -> int:
        seen.append(("second", threading.get_ident()))
        return value + 1

    @app.get("/")
    def endpoint(value: int = Depends(second)) -> int:
        seen.append(("endpoint", threading.get_ident()))
        from anyio import from_thread

        tasks.extend(from_thread.run_sync(names_of_tasks))
        return value

    with serving(app) as get:
        before = len(seen)
        assert get("/") == (200, 2)
    assert before == 0
    assert [name for name, _ in seen] == ["first", "second", "endpoint"]
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()
    assert tasks and "run_asgi" not in tasks


def test_def_generators_are_entered_with_the_endpoints_hop_and_left_in_one_more(
    app: fastapi.FastAPI,
) -> None:
    seen: list[tuple[str, int]] = []
    tasks: list[str] = []
    left = threading.Event()

    def names_of_tasks() -> list[str]:
        return [task.get_coro().__name__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]

    def outer() -> Iterator[int]:
        seen.append(("outer", threading.get_ident()))
        yield 1
        seen.append(("outer left", threading.get_ident()))
        left.set()

    def inner(value: int = Depends(outer)) -> Iterator[int]:
        seen.append(("inner", threading.get_ident()))
        yield value + 1
        seen.append(("inner left", threading.get_ident()))
        from anyio import from_thread

        tasks.extend(from_thread.run_sync(names_of_tasks))

    @app.get("/")
    def endpoint(value: int = Depends(inner)) -> int:
        seen.append(("endpoint", threading.get_ident()))
        return value

    with serving(app) as get:
        assert get("/") == (200, 2)
        assert left.wait(10)
    names = [name for name, _ in seen]
    assert names == ["outer", "inner", "endpoint", "inner left", "outer left"]
    assert len({thread for _, thread in seen[:3]}) == 1
    assert len({thread for _, thread in seen[3:]}) == 1
    assert tasks and "run_asgi" not in tasks


def test_an_async_handler_is_a_real_task_of_its_own(app: fastapi.FastAPI) -> None:
    seen: list[Any] = []

    @app.get("/")
    async def endpoint() -> bool:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        seen.append(before)
        return before is asyncio.current_task() and before in asyncio.all_tasks()

    with serving(app) as get:
        assert get("/") == (200, True)
        assert get("/") == (200, True)
    assert isinstance(seen[0], asyncio.Task)
    assert seen[0] is not seen[1]


def test_routes_that_are_added_while_serving_are_found(app: fastapi.FastAPI) -> None:
    router = APIRouter()
    app.include_router(router, prefix="/api")

    async def endpoint() -> str:
        return "there"

    with serving(app) as get:
        assert get("/late")[0] == 404
        assert get("/api/late")[0] == 404
        app.add_api_route("/late", endpoint)
        router.add_api_route("/late", endpoint)
        assert get("/late") == (200, "there")
        assert get("/api/late") == (200, "there")
        app.router.routes.pop(app.router.routes.index(app.router.routes[-1]))
        assert get("/late")[0] == 404
    assert plans.counters(app).compiled == 5


def test_mounted_applications_of_fastapis_own_class_are_compiled_once_they_are_built(
    app: fastapi.FastAPI,
) -> None:
    inner, deepest = fastapi.FastAPI(), fastapi.FastAPI()

    @inner.get("/{value}")
    @deepest.get("/{value}")
    async def endpoint(value: int, request: Request) -> list[Any]:
        return [value, request.scope["root_path"]]

    inner.mount("/deep", deepest)
    app.mount("/inner", inner)
    with serving(app) as get:
        for value in range(3):
            assert get(f"/inner/{value}") == (200, [value, "/inner"])
            assert get(f"/inner/deep/{value}") == (200, [value, "/inner/deep"])
    assert plans.counters(inner).compiled == 2
    assert plans.counters(deepest).compiled == 2


def test_overrides_are_obeyed_as_they_are_at_each_request(app: fastapi.FastAPI) -> None:
    def original() -> str:
        return "original"

    async def instead(q: str = "none") -> str:
        return f"instead {q}"

    @app.get("/")
    async def endpoint(value: str = Depends(original)) -> str:
        return value

    with serving(app) as get:
        assert get("/") == (200, "original")
        app.dependency_overrides[original] = instead
        assert get("/?q=1") == (200, "instead 1")
        app.dependency_overrides = {}
        assert get("/?q=1") == (200, "original")
    assert plans.counters(app).compiled == 3


def test_a_call_that_is_replaced_after_registration_is_obeyed(app: fastapi.FastAPI) -> None:
    @app.get("/")
    async def endpoint() -> str:
        return "before"

    async def replacement() -> str:
        return "after"

    with serving(app) as get:
        assert get("/") == (200, "before")
        app.routes[-1].dependant.call = replacement  # type: ignore[attr-defined]
        assert get("/") == (200, "after")


def test_a_replaced_decoder_gets_the_body(
    app: fastapi.FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.post("/")
    async def endpoint(body: dict[str, int]) -> dict[str, int]:
        return body

    with serving(app) as get:
        assert get("/", "POST", b'{"a": 1}', **{"content-type": "application/json"})[0] == 200
        monkeypatch.setattr(json, "loads", lambda _: {"patched": 1})
        status, _ = get("/", "POST", b'{"a": 1}', **{"content-type": "application/json"})
        monkeypatch.undo()
    assert status == 200


def test_wrapped_functions_of_fastapi_leave_the_application_to_it(
    app: fastapi.FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fastapi.routing.run_endpoint_function
    calls: list[int] = []

    async def wrapped(**arguments: Any) -> Any:
        calls.append(1)
        return await original(**arguments)

    @app.get("/")
    async def endpoint() -> int:
        return 1

    monkeypatch.setattr(fastapi.routing, "run_endpoint_function", wrapped)
    with serving(app) as get:
        assert get("/") == (200, 1)
    assert calls == [1]
    assert plans.counters(app).compiled == 0


def test_middleware_of_the_users_runs_around_compiled_routes(app: fastapi.FastAPI) -> None:
    seen: list[str] = []

    async def dispatch(request: Request, call_next: Any) -> Any:
        seen.append(request.url.path)
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)

    @app.get("/")
    async def endpoint() -> int:
        return 1

    with serving(app) as get:
        assert get("/") == (200, 1)
    assert seen == ["/"]
    assert plans.counters(app).compiled == 1
    assert not plans.explain(app).is_whole


@pytest.mark.parametrize("path", ["/whole", "/pieces"])
@pytest.mark.parametrize("dispatched", ["handed on", "replaced"])
def test_a_request_through_middleware_is_no_cycle(
    app: fastapi.FastAPI, path: str, dispatched: str
) -> None:
    requests: list[weakref.ref[Request]] = []

    async def dispatch(request: Request, call_next: Any) -> Any:
        requests.append(weakref.ref(request))
        response = await call_next(request)
        return response if dispatched == "handed on" else fastapi.Response("2")

    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)

    @app.get("/whole")
    async def whole() -> int:
        return 1

    class Pieces(fastapi.Response):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    @app.get("/pieces")
    async def pieces() -> fastapi.Response:
        return Pieces()

    gc.collect()
    gc.disable()
    try:
        with serving(app) as get:
            for _ in range(5):
                get(path)
        assert [request() for request in requests] == [None] * 5
    finally:
        gc.enable()


def test_middleware_that_guards_its_attributes_serves(app: fastapi.FastAPI) -> None:
    class Frozen(BaseHTTPMiddleware):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "__class__":
                raise ValueError("frozen")
            super().__setattr__(name, value)

        async def dispatch(self, request: Request, call_next: Any) -> Any:
            return await call_next(request)

    app.add_middleware(Frozen)

    @app.get("/")
    async def endpoint() -> int:
        return 1

    with serving(app) as get:
        assert get("/") == (200, 1)


def test_exceptions_reach_the_handlers_of_the_user(app: fastapi.FastAPI) -> None:
    class Refused(Exception): ...

    @app.exception_handler(Refused)
    async def on_refused(request: Request, exc: Refused) -> Any:
        return fastapi.responses.JSONResponse([request.url.path, str(exc)], 409)

    @app.get("/refused")
    def refused() -> int:
        raise Refused("no")

    @app.get("/teapot")
    async def teapot() -> int:
        raise HTTPException(418, {"why": "tea"}, {"x-tea": "yes"})

    with serving(app) as get:
        assert get("/refused") == (409, ["/refused", "no"])
        assert get("/teapot") == (418, {"detail": {"why": "tea"}})
    assert plans.counters(app).compiled == 2


def test_background_tasks_run_after_the_response(app: fastapi.FastAPI) -> None:
    done = threading.Event()

    @app.get("/")
    def endpoint(tasks: BackgroundTasks) -> int:
        tasks.add_task(done.set)
        return 1

    with serving(app) as get:
        assert get("/") == (200, 1)
        assert done.wait(10)


def test_a_body_in_pieces_is_one_body(app: fastapi.FastAPI) -> None:
    @app.post("/")
    def endpoint(body: list[int]) -> int:
        return sum(body)

    with serving(app) as get:
        numbers = list(range(100_000))
        status, total = get(
            "/", "POST", json.dumps(numbers).encode(), **{"content-type": "application/json"}
        )
    assert (status, total) == (200, sum(numbers))


def test_a_websocket_route_is_compiled(app: fastapi.FastAPI) -> None:
    def number(q: int) -> int:
        return q

    @app.websocket("/ws")
    async def endpoint(websocket: fastapi.WebSocket, value: int = Depends(number)) -> None:
        await websocket.accept()
        direct.append("receive_text" in vars(websocket))
        await websocket.send_text(str(value))
        await websocket.close()

    @app.websocket("/sync")
    def sync(websocket: fastapi.WebSocket) -> None:
        """Its result cannot be awaited."""

    direct: list[bool] = []
    parts = {part.path: part for part in plans.explain(app).routes}
    assert (parts["/ws"].kind, parts["/ws"].reason) == ("websocket", None)
    assert parts["/sync"].reason == "its endpoint is no coroutine function"
    with ThreadServer(app) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        handshake = {
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        with closing(connection):
            connection.request("GET", "/ws")
            assert connection.getresponse().read() == b'{"detail":"Not Found"}'
            connection.request("GET", "/ws?q=5", headers=handshake)
            wire = connection.sock.makefile("rb")
            while wire.readline() != b"\r\n":
                pass
            assert wire.read(7) == b"\x81\x015\x88\x02\x03\xe8"
    assert plans.counters(app).compiled == 1
    assert direct == [True]


def test_http_middleware_is_native_unless_its_class_is_more_than_starlettes(
    app: fastapi.FastAPI,
) -> None:
    class Own(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            return await call_next(request)

    class Around(Own):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)

    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    for kind in (Own, Around):
        app.add_middleware(kind)
    app.middleware("http")(pass_on)
    verdicts = {part.name: part.reason for part in plans.explain(app).middleware}
    assert verdicts == {
        "BaseHTTPMiddleware": None,
        "Around": "its __call__ is not Starlette's",
        "Own": None,
    }
    stack: Any = app.middleware_stack
    while not isinstance(stack, Own) or isinstance(stack, Around):
        stack = stack.app
    assert isinstance(stack, Own)


def test_requests_in_parallel_share_nothing_of_a_http_middleware(app: fastapi.FastAPI) -> None:
    together = threading.Barrier(4, timeout=10)

    @app.get("/{number}")
    def wait(number: int) -> int:
        together.wait()
        return number

    @app.middleware("http")
    async def mark(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-path"] = request.url.path
        return response

    with ThreadServer(app) as server:

        def ask(number: int) -> None:
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            with closing(connection):
                connection.request("GET", f"/{number}")
                response = connection.getresponse()
                answers[number] = (response.read(), response.headers["x-path"])

        answers: dict[int, Any] = {}
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: (str(number).encode(), f"/{number}") for number in range(4)}
