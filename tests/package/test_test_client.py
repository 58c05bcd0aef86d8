"""Applications of our class under FastAPI's TestClient, which are those of FastAPI's there too.

https://fastapi.tiangolo.com/tutorial/testing/
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import BackgroundTasks, Body, Depends, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient

import hyperfastapi

CLASSES = [fastapi.FastAPI, hyperfastapi.FastAPI]


@pytest.fixture(params=CLASSES, ids=["FastAPI", "hyperfastapi"])
def kind(request: pytest.FixtureRequest) -> type[fastapi.FastAPI]:
    """The class of the application: whatever a test says holds for both."""
    found: type[fastapi.FastAPI] = request.param
    return found


def test_what_escapes_is_raised_in_the_test(kind: type[fastapi.FastAPI]) -> None:
    """I123."""
    app = kind()

    @app.get("/")
    async def endpoint() -> None:
        raise ValueError("escaped")

    with pytest.raises(ValueError, match="escaped"):
        TestClient(app).get("/")


def test_what_escapes_can_be_seen_as_a_client_sees_it(kind: type[fastapi.FastAPI]) -> None:
    app = kind()

    @app.get("/")
    def endpoint() -> None:
        raise ValueError("escaped")

    client = TestClient(app, raise_server_exceptions=False)
    assert (client.get("/").status_code, client.get("/").text) == (500, "Internal Server Error")

    @app.exception_handler(Exception)
    async def handler(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"handled {error}", 503)

    app.middleware_stack = None
    assert client.get("/").text == "handled escaped"


def test_background_tasks_and_teardown_are_over_when_the_call_returns(
    kind: type[fastapi.FastAPI],
) -> None:
    """I123."""
    app, seen = kind(), []

    def sync() -> Iterator[None]:
        yield
        seen.append("sync teardown")

    async def asynchronous() -> AsyncIterator[None]:
        yield
        seen.append("async teardown")

    @app.get("/", dependencies=[Depends(sync), Depends(asynchronous)])
    async def endpoint(tasks: BackgroundTasks) -> str:
        async def later() -> None:
            await asyncio.sleep(0.01)
            seen.append("async background")

        tasks.add_task(later)
        tasks.add_task(seen.append, "background")
        return "answer"

    assert TestClient(app).get("/").json() == "answer"
    assert seen == ["async background", "background", "async teardown", "sync teardown"]


def test_a_failing_background_task_is_raised_too(kind: type[fastapi.FastAPI]) -> None:
    app = kind()

    def fail() -> None:
        raise KeyError("late")

    @app.get("/")
    def endpoint(tasks: BackgroundTasks) -> str:
        tasks.add_task(fail)
        return "answer"

    with pytest.raises(KeyError, match="late"):
        TestClient(app).get("/")
    assert TestClient(app, raise_server_exceptions=False).get("/").json() == "answer"


def test_a_client_that_is_entered_has_a_lifespan_and_one_loop(kind: type[fastapi.FastAPI]) -> None:
    """I123."""
    loops: list[Any] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[dict[str, Any]]:
        loops.append(asyncio.get_running_loop())
        yield {"number": 1, "shared": []}
        loops.append("shut down")

    app = kind(lifespan=lifespan)

    @app.get("/")
    async def endpoint(request: Request) -> list[int]:
        loops.append(asyncio.get_running_loop())
        request.state.number += 1
        request.state.shared.append(1)
        return [request.state.number, len(request.state.shared)]

    with TestClient(app) as client:
        assert [client.get("/").json(), client.get("/").json()] == [[2, 1], [2, 2]]
    assert loops[0] is loops[1] is loops[2] and loops[3] == "shut down"


def test_a_client_that_is_not_entered_has_neither(kind: type[fastapi.FastAPI]) -> None:
    loops: list[Any] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
        loops.append("started")
        yield

    app = kind(lifespan=lifespan)

    @app.get("/")
    async def endpoint() -> None:
        loops.append(asyncio.get_running_loop())

    client = TestClient(app)
    client.get("/")
    client.get("/")
    assert len(loops) == 2 and loops[0] is not loops[1]


def test_what_the_client_says_of_itself(kind: type[fastapi.FastAPI]) -> None:
    app = kind()

    @app.get("/{path:path}")
    async def endpoint(request: Request) -> list[Any]:
        client = request.client
        return [str(request.url), client and list(client), request.scope["root_path"]]

    told = TestClient(app, base_url="https://a.example", root_path="/api").get("/x?y=1").json()
    assert told == ["https://a.example/x?y=1", ["testclient", 50000], "/api"]


def test_bodies_forms_files_and_streams(kind: type[fastapi.FastAPI]) -> None:
    app = kind()

    @app.post("/json")
    async def json(item: Annotated[dict[str, int], Body()]) -> dict[str, int]:
        return item

    @app.post("/form")
    def form(a: Annotated[str, fastapi.Form()], f: fastapi.UploadFile) -> list[Any]:
        return [a, f.filename, f.file.read().decode()]

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]))

    client = TestClient(app)
    assert client.post("/json", json={"a": 1}).json() == {"a": 1}
    assert client.post("/json", json={"a": "x"}).status_code == 422
    sent = client.post("/form", data={"a": "1"}, files={"f": ("name", b"content")})
    assert sent.json() == ["1", "name", "content"]
    with client.stream("GET", "/stream") as response:
        assert "".join(response.iter_text()) == "ab"


def test_websockets(kind: type[fastapi.FastAPI]) -> None:
    app, seen = kind(), []

    @app.websocket("/ws/{number}")
    async def endpoint(websocket: WebSocket, number: int) -> None:
        await websocket.accept(subprotocol="chat")
        try:
            while True:
                await websocket.send_json([number, await websocket.receive_text()])
        except WebSocketDisconnect as error:
            seen.append(error.code)

    client = TestClient(app)
    with client.websocket_connect("/ws/5", subprotocols=["chat"]) as session:
        session.send_text("a")
        assert (session.receive_json(), session.accepted_subprotocol) == ([5, "a"], "chat")
    assert seen == [1000]
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/ws/x"):
        raise AssertionError
    assert refused.value.code == 1008


def test_overrides_and_middleware(kind: type[fastapi.FastAPI]) -> None:
    app = kind()

    def value() -> str:
        return "real"

    @app.get("/")
    async def endpoint(found: Annotated[str, Depends(value)]) -> str:
        return found

    @app.middleware("http")
    async def middleware(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-passed"] = "yes"
        return response

    client = TestClient(app)
    app.dependency_overrides[value] = lambda: "test"
    replaced = client.get("/")
    app.dependency_overrides.clear()
    assert (replaced.json(), replaced.headers["x-passed"]) == ("test", "yes")
    assert client.get("/").json() == "real"
