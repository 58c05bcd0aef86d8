"""Streams, files, forms and WebSockets: what is not compiled must not suffer from what is."""

import asyncio
import contextvars
from collections.abc import AsyncIterable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import (
    BackgroundTasks,
    Depends,
    File,
    Form,
    HTTPException,
    Query,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

from .requests import get, post, post_form, socket


class Item(BaseModel):
    name: str
    price: float = 1e-7


def test_streaming_responses(conform):
    """G89: iterators of both kinds, of text and bytes, empty pieces, and failures."""

    def make(side):
        app = side.FastAPI()

        async def asynchronous(fail):
            for number in range(3):
                side.log("chunk", number, side.task())
                yield f"{number}é"
                await asyncio.sleep(0)
            if fail:
                raise ValueError("in the stream")

        def sync(fail):
            for number in range(3):
                side.log("chunk", number, side.thread())
                yield b"%d" % number
            if fail:
                raise ValueError("in the stream")

        @app.get("/{kind}")
        async def endpoint(kind: str, fail: bool = False):
            iterator = asynchronous(fail) if kind == "async" else sync(fail)
            return StreamingResponse(iterator, 201, {"x-a": "b"}, media_type="text/plain")

        @app.get("/pieces/empty")
        def pieces():
            return StreamingResponse(iter(["", "a", "", b"b", ""]))

        @app.get("/length/known")
        def length():
            return StreamingResponse(iter(["ab", "c"]), headers={"content-length": "3"})

        return app

    targets = ["/async", "/sync", "/async?fail=1", "/sync?fail=1", "/pieces/empty", "/length/known"]
    conform(make, *[get(target) for target in targets], get("/async", method="HEAD"))


def test_generators_as_endpoints(conform):
    """E72: with an item type by Pydantic, without one by json.dumps, spaces and all."""

    def make(side):
        app = side.FastAPI()

        @app.get("/async")
        async def asynchronous() -> AsyncIterable[Item]:
            for name in "ab":
                yield Item(name=name)

        @app.get("/sync")
        def sync() -> Iterable[dict[str, Any]]:
            yield {"a": 1}
            yield {"b": float("inf")}

        @app.get("/plain")
        def plain():
            yield {"a": [1, 1e-7]}
            yield None

        @app.get("/text", response_class=StreamingResponse)
        async def text():
            yield "a"
            yield b"b"

        return app

    conform(make, *[get(path) for path in ("/async", "/sync", "/plain", "/text")])


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    name: str = Field(alias="theName")
    note: str | None = None


class Text(str):
    __slots__ = ()


NO_JSON = object()


def values():
    """Of all kinds that an endpoint may yield."""
    yield from ("", 'a"\\/\b\f\n\r\t\x00\x1f\x7f', "é漢😀\u2028", "x" * 300 + "é" * 600, "\ud800")
    yield from (0, -1, 10**30, 2**53, True, False, None)
    yield from (0.0, -0.0, 1e-7, 1e16, 1e22, 1.5, float("inf"), float("-inf"), float("nan"))
    yield from ({}, [], (), {"a": []}, {"a": {"b": [1, (2.5, None)]}}, {"_sa_state": 1, "b": 2})
    yield from ({1: 1, 2.5: 2, None: 3}, {"nan": [float("nan")]}, [Text("text")], {Text("k"): 1})
    yield from (Item(name="a"), [Item(name="b")], Decimal("1.10"), date(2020, 1, 2), {3}, b"bytes")
    yield from (Aliased(theName="n"), UUID(int=5), Path("a/b"))
    deep = 1
    for _ in range(200):
        deep = [deep]
    yield deep


async def asynchronous_values():
    for value in values():
        yield value


def test_items_of_every_kind(conform):
    """E70, E72: json.dumps(), spaces and escapes and all, of what jsonable_encoder gives."""

    def make(side):
        app = side.FastAPI()

        @app.get("/async")
        async def asynchronous():
            async for value in asynchronous_values():
                side.log(repr(value)[:20])
                yield value
            yield NO_JSON

        @app.get("/sync")
        def sync():
            yield from values()
            yield NO_JSON

        @app.get("/typed")
        async def typed() -> AsyncIterable[Any]:
            async for value in asynchronous_values():
                yield value

        return app

    conform(make, get("/async"), get("/sync"), get("/typed"))


def test_items_of_a_declared_type(conform):
    """E74, E75: made what the type says; one that does not fit ends the stream."""

    def make(side):
        app = side.FastAPI()

        async def items() -> AsyncIterable[Aliased]:
            yield Aliased(theName="a")
            yield {"theName": "b", "note": "c", "more": 1}

        async def failing() -> AsyncIterable[Aliased]:
            yield Aliased(theName="a")
            side.log("the next one does not fit")
            yield {"name": 5}
            side.log("never")

        async def numbers() -> AsyncIterable[float | None]:
            for number in (1, 2.5, 1e300, 1e-9, None, float("nan"), "3"):
                yield number

        app.get("/items")(items)
        app.get("/failing")(failing)
        app.get("/few", response_model_exclude_none=True, response_model_by_alias=False)(items)
        app.get("/numbers")(numbers)
        app.get("/events/items", response_class=EventSourceResponse)(items)
        app.get("/events/numbers", response_class=EventSourceResponse)(numbers)
        return app

    conform(make, *[get(path) for path in ("/items", "/failing", "/few", "/numbers")])
    conform(make, get("/events/items"), get("/events/numbers"))


@pytest.mark.parametrize(
    "middleware",
    [
        [(CORSMiddleware, {"allow_origins": ["https://a.example"], "allow_credentials": True})],
        [(CORSMiddleware, {"allow_origins": ["*"], "expose_headers": ["x-a"]})],
        [(GZipMiddleware, {})],
        [(GZipMiddleware, {"minimum_size": 1}), (CORSMiddleware, {"allow_origins": ["*"]})],
    ],
    ids=["origins", "all origins", "compression", "both"],
)
def test_streams_and_files_behind_ready_made_middleware(conform, middleware, tmp_path):
    """H109, H110: the fields that CORS adds, and what compression leaves alone."""
    (tmp_path / "file.txt").write_text("text " * 1000)
    (tmp_path / "large.bin").write_bytes(bytes(100_000))

    def make(side):
        app = side.FastAPI()
        for kind, options in middleware:
            app.add_middleware(kind, **options)

        async def items():
            for number in range(3):
                yield {"number": number}

        def pieces(fail):
            yield "a" * 1000
            if fail:
                raise ValueError("in the stream")
            yield b"b"

        app.get("/lines")(items)
        if EventSourceResponse is not None:
            app.get("/events", response_class=EventSourceResponse)(items)

        @app.get("/stream")
        async def stream(fail: bool = False):
            return StreamingResponse(pieces(fail), headers={"x-a": "b", "vary": "x-a"})

        @app.get("/empty")
        async def empty():
            return StreamingResponse(iter(()))

        @app.get("/file")
        def file(name: str = "file.txt"):
            return FileResponse(tmp_path / name)

        @app.get("/refused")
        async def refused():
            raise HTTPException(418)
            yield

        app.mount("/static", StaticFiles(directory=tmp_path))
        return app

    paths = [
        "/lines",
        "/stream",
        "/stream?fail=1",
        "/empty",
        "/file",
        "/file?name=none",
        "/refused",
    ]
    paths += ["/static/file.txt", "/static/large.bin", "/static/none"]
    paths += ["/events"] if EventSourceResponse is not None else []
    origin = "origin: https://a.example"
    conform(
        make,
        *[get(path, origin, "accept-encoding: gzip") for path in paths],
        *[get(path, "origin: https://b.example", "cookie: a=b") for path in paths],
        *[get(path) for path in paths],
        get("/file", origin, "range: bytes=0-3"),
        get("/file", origin, "range: x"),
        get("/static/file.txt", origin, "range: bytes=0-3"),
        get("/static/file.txt", origin, "if-none-match: *"),
        get("/static/file.txt", origin, method="HEAD"),
    )


VARIABLE = contextvars.ContextVar("variable", default="unset")


class Counted:
    """An iterator that is no generator: `__anext__` itself says when it is over."""

    def __init__(self, count):
        self.left = count

    def __aiter__(self):
        return self

    def __anext__(self):
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.step()

    async def step(self):
        await asyncio.sleep(0)
        return f"<{self.left}>"


@pytest.mark.parametrize("count", [0, 3])
def test_an_iterator_that_ends_without_being_awaited(conform, count):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def stream():
            return StreamingResponse(Counted(count))

        return app

    conform(make, get("/"))


def test_def_generators_of_many_items(conform):
    """I113: each step has a copy of its own of the context, and order, errors and ends are kept."""

    def make(side):
        app = side.FastAPI()

        def many(size, count, fail):
            for number in range(count):
                side.log(number, side.thread(), VARIABLE.get())
                VARIABLE.set(number)
                yield str(number % 10) * size
            if fail:
                raise ValueError("in the stream")
            side.log("end")

        app.get("/lines")(many_as_endpoint(many))
        app.get("/stream")(lambda size, count, fail=False: streamed(many, size, count, fail))
        return app

    def many_as_endpoint(many):
        def endpoint(size: int, count: int, fail: bool = False) -> Iterable[str]:
            yield from many(size, count, fail)

        return endpoint

    def streamed(many, size, count, fail):
        VARIABLE.set("endpoint")
        return StreamingResponse(many(int(size), int(count), bool(fail)))

    queries = ["size=1&count=500", "size=5000&count=100", "size=0&count=3", "size=1&count=0"]
    queries += ["size=3&count=200&fail=1", "size=1&count=0&fail=1"]
    conform(make, *[get(f"/{path}?{query}") for path in ("lines", "stream") for query in queries])


def test_what_other_tasks_do_between_two_items(conform):
    """I114: they have a turn behind each item, as long as there are any."""

    def make(side):
        app = side.FastAPI()

        async def other():
            side.log("other")

        async def generator():
            for number in range(3):
                task = asyncio.create_task(other())
                side.log("item", number)
                yield number
                await task

        app.get("/lines")(generator)
        return app

    conform(make, get("/lines"))


def test_all_fields_of_server_sent_events(conform):
    """Comments and data of several lines, data of every kind, and events without any field."""

    class Own(ServerSentEvent):
        pass

    events = [
        {},
        {"comment": "one"},
        {"comment": "one\ntwo\r\nthree\rfour\n"},
        {"event": "é", "id": "", "retry": 0},
        {"id": "1", "retry": 10**30},
        {"raw_data": ""},
        {"raw_data": "a\n\nb\r\r\nc"},
        {"data": ""},
        {"data": "line\nline é"},
        {"data": {"a": [1, 2.5, float("nan")], "_sa": 1}, "event": "e"},
        {"data": Item(name="é")},
        {"data": [Item(name="a")]},
        {"data": Decimal("1.10")},
        {"data": False},
    ]

    def make(side):
        app = side.FastAPI()

        @app.get("/async", response_class=EventSourceResponse)
        async def asynchronous():
            for fields in events:
                yield ServerSentEvent(**fields)

        @app.get("/sync", response_class=EventSourceResponse)
        def sync() -> Iterable[Any]:
            for fields in events:
                yield Own(**fields)
                yield fields

        @app.get("/values", response_class=EventSourceResponse)
        async def kinds():
            async for value in asynchronous_values():
                yield value

        return app

    conform(make, get("/async"), get("/sync"), get("/values"))


def test_server_sent_events(conform):
    """E72."""

    def make(side):
        app = side.FastAPI()

        @app.get("/async", response_class=EventSourceResponse)
        async def asynchronous() -> AsyncIterable[Item]:
            yield Item(name="a")

        @app.get("/sync", response_class=EventSourceResponse)
        def sync():
            yield "text"
            yield ServerSentEvent(data={"a": 1}, event="e", id="1", retry=5, comment="c")

        return app

    conform(make, get("/async"), get("/sync"), get("/async", method="HEAD"))


def test_files(conform, tmp_path):
    file = tmp_path / "file.txt"
    file.write_bytes(bytes(range(256)) * 10)

    def make(side):
        app = side.FastAPI()

        @app.get("/file")
        async def whole():
            return FileResponse(file, filename="ä.txt")

        @app.get("/class", response_class=FileResponse)
        def by_class():
            return str(file)

        @app.get("/missing")
        def missing():
            return FileResponse(tmp_path / "none")

        app.mount("/static", StaticFiles(directory=tmp_path, html=True))
        return app

    ranges = ["bytes=0-3", "bytes=-3", "bytes=5-", "bytes=9999-", "x", "bytes=3-1"]
    conform(
        make,
        *[get(p) for p in ("/file", "/class", "/missing", "/static/file.txt", "/static/none")],
        *[get("/file", f"range: {value}") for value in ranges],
        get("/file", method="HEAD"),
        get("/static/file.txt", method="HEAD"),
        get("/static/file.txt", "if-none-match: *"),
        get("/static/../file.txt"),
        get("/static/%2e%2e/file.txt"),
        get("/static/file.txt", method="POST"),
    )


MULTIPART = "content-type: multipart/form-data; boundary=b"


def part(name, value, filename=None):
    disposition = f'content-disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"\r\ncontent-type: text/plain'
    return f"--b\r\n{disposition}\r\n\r\n".encode() + value + b"\r\n"


END = b"--b--\r\n"


class FormModel(BaseModel):
    a: str
    b: int = 5
    tags: list[str] = []


def forms(side):
    app = side.FastAPI()

    @app.post("/form")
    async def form(a: Annotated[str, Form()], b: Annotated[int, Form()] = 1):
        return [a, b]

    @app.post("/list")
    def several(a: Annotated[list[str], Form()] = ["default"]):  # noqa: B006
        return a

    @app.post("/model")
    async def model(data: Annotated[FormModel, Form()]):
        return data

    @app.post("/file")
    async def file(f: UploadFile, a: Annotated[str | None, Form()] = None):
        side.log(repr(await f.read()), f.filename, f.content_type, f.size, repr(f.headers.raw))
        return a

    @app.post("/bytes")
    def raw(f: Annotated[bytes, File()] = b"default"):
        return len(f)

    @app.post("/files")
    def files(f: list[UploadFile]):
        return [[file.filename, file.file.read().decode()] for file in f]

    return app


def test_urlencoded_forms(conform):
    """C43, D66: `+` and percent-decoding, empty is missing, another content type is nothing."""
    bodies = [
        b"a=1&b=2", b"a=1", b"a=", b"", b"a=1&a=2", b"b=x", b"a=%C3%A9+%2B", b"a=%FF", b"a",
        b"&&a=1", b"a=1;b=2", b"a=1&tags=x&tags=y&more=1", b"a=\xc3\xa9", b"a=1&b=",
    ]  # fmt: skip
    paths = ("/form", "/list", "/model")
    conform(forms, *[post_form(path, body) for path in paths for body in bodies])
    conform(
        forms,
        *[post(path, b"a=1", f"content-type: {kind}") for path in paths for kind in ("x/y", "")],
        post("/form", b"a=1"),
        post_form("/form", b"a=" + b"x" * 100_000),
    )


def test_multipart_forms(conform):
    """D63, D64, D65: limits, boundaries, a missing end, and files."""
    file = part("f", b"content", "name.txt")
    bodies = {
        "/form": [part("a", b"1") + part("b", b"2") + END, part("a", b"1"), END, b"", b"garbage"],
        "/list": [part("a", b"1") + part("a", "é".encode()) + END],
        "/file": [file + END, file + part("a", b"1") + END, part("f", b"text") + END],
        "/bytes": [file + END, part("f", b"", "") + END, END],
        "/files": [file + file + END, part("f", b"x" * 2_000_000, "big") + END],
    }
    steps = [post(path, body, MULTIPART) for path, every in bodies.items() for body in every]
    conform(
        forms,
        *steps,
        post("/form", part("a", b"1") + END, "content-type: multipart/form-data"),
        post("/form", part("a", b"x" * 1_100_000) + END, MULTIPART),
        post("/form", b"".join(part(f"x{n}", b"") for n in range(1001)) + END, MULTIPART),
    )


def websockets(side):
    app = side.FastAPI()

    async def user(token: Annotated[str | None, Query()] = None):
        side.log("dependency")
        if token == "bad":
            raise WebSocketException(1008, "bad token")
        if token == "http":
            raise HTTPException(401)
        yield token
        side.log("teardown")

    @app.websocket("/echo/{room}")
    async def echo(websocket: WebSocket, room: int, token: Annotated[str, Depends(user)]):
        await websocket.accept(subprotocol="b" if "b" in websocket.scope["subprotocols"] else None)
        side.log("accepted", side.task(), str(websocket.url), repr(websocket.path_params))
        try:
            while True:
                message = await websocket.receive()
                if "text" in message:
                    await websocket.send_text(f"{room} {message['text']}")
                elif "bytes" in message:
                    await websocket.send_bytes(message["bytes"])
                else:
                    raise WebSocketDisconnect(message["code"])
        except WebSocketDisconnect as error:
            side.log("disconnected", error.code)

    @app.websocket("/json")
    async def json(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_json({"é": await websocket.receive_json()})
        await websocket.close(3000, "done")

    @app.websocket("/fail")
    async def fail(websocket: WebSocket):
        await websocket.accept()
        raise ValueError("fail")

    @app.websocket("/refuse")
    async def refuse(websocket: WebSocket):
        await websocket.close(1008)

    return app


def test_websocket_connections(conform):
    """B40, G96: parameters, dependencies, messages, and all ways to end."""
    conform(
        websockets,
        socket("/echo/5?token=t", "text", b"bytes", "é"),
        socket("/echo/5", lines=("sec-websocket-protocol: a, b",)),
        socket("/echo/x"),
        socket("/echo/5?token=bad"),
        socket("/echo/5?token=http"),
        socket("/json", '{"a": [1]}', closes=False),
        socket("/refuse"),
    )


def test_a_websocket_override(conform):
    """G96."""

    def make(side):
        app = side.FastAPI()

        def dependency():
            return "original"

        @app.websocket("/")
        async def endpoint(websocket: WebSocket, value: Annotated[str, Depends(dependency)]):
            await websocket.accept()
            await websocket.send_text(value)
            await websocket.close()

        app.state.dependency = dependency
        return app

    def override(app):
        app.dependency_overrides[app.state.dependency] = lambda: "replaced"

    conform(make, socket("/", closes=False), override, socket("/", closes=False))


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_plain_routes_between_streams_files_and_websockets(conform, kind, tmp_path):
    """One connection, one application, all kinds of route in turn."""
    file = tmp_path / "file"
    file.write_text("file")

    def make(side):
        app = websockets(side)

        async def asynchronous(tasks: BackgroundTasks):
            tasks.add_task(side.log, "background")
            return {"plain": True}

        def sync():
            return {"plain": True}

        app.get("/plain")(asynchronous if kind == "async" else sync)
        app.get("/stream")(lambda: StreamingResponse(iter("abc")))
        app.get("/file")(lambda: FileResponse(file))
        return app

    paths = ["/plain", "/stream", "/plain", "/file", "/plain", "/none", "/plain"]
    conform(make, *[get(path) for path in paths], socket("/echo/1", "x"), get("/plain"))
