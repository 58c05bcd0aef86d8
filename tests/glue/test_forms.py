"""Compiled routes that take forms: where files are written, who leaves, and what changes."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Form, UploadFile
from starlette.formparsers import FormParser, MultiPartParser

from hyperfastapi import plans
from hyperfastapi.testing import ThreadServer

HEAD = (
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=B\r\n"
    b"content-length: %d\r\n\r\n"
)
FILE = b'--B\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
END = b"\r\n--B--\r\n"


@pytest.fixture
def app() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.post("/")
    async def endpoint(f: UploadFile) -> int | None:
        return f.size

    @app.post("/fields")
    async def fields(a: Annotated[list[str], Form()]) -> int:
        return len(a)

    return app


@pytest.fixture
def rollovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the threads in which files went to disk."""
    threads: list[str] = []
    rollover = tempfile.SpooledTemporaryFile.rollover

    def noting(self: Any) -> None:
        threads.append(threading.current_thread().name)
        rollover(self)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", noting)
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 1000)
    yield threads


def ask(port: int, *pieces: bytes) -> bytes:
    """Send pieces of a request and return all of the response."""
    with closing(socket.create_connection(("127.0.0.1", port), 10)) as client:
        for piece in pieces:
            client.sendall(piece)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536) or b"\r\n\r\nclosed"
        return head


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_files_go_to_disk_in_worker_threads(app: fastapi.FastAPI, rollovers: list[str]) -> None:
    body = FILE + b"x" * 300_000 + END
    with ThreadServer(app) as server:
        assert ask(server.port, HEAD % len(body), body).endswith(b"300000")
        assert ask(server.port, HEAD % len(body), body[:900], body[900:]).endswith(b"300000")
    assert len(rollovers) == 2
    assert all("AnyIO" in name for name in rollovers)
    assert plans.counters(app).compiled == 2


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_a_client_that_leaves_while_it_sends_a_file_leaves_nothing(
    app: fastapi.FastAPI, rollovers: list[str]
) -> None:
    with ThreadServer(app) as server:
        assert ask(server.port, HEAD % len(FILE + END), FILE + END).endswith(b"0")
        before = descriptors()
        for _ in range(5):
            with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as client:
                client.sendall(HEAD % 1_000_000 + FILE + b"x" * 100_000)
                until(lambda: bool(rollovers))
            rollovers.clear()
            until(lambda: server.pending() == 0)
        until(lambda: descriptors() <= before)


def test_a_form_that_is_refused_leaves_nothing(app: fastapi.FastAPI, rollovers: list[str]) -> None:
    body = FILE + b"x" * 100_000 + b"\r\n--B x"
    with ThreadServer(app) as server:
        before = descriptors()
        assert b"400 Bad Request" in ask(server.port, HEAD % len(body), body[:-1], body[-1:])
        until(lambda: descriptors() <= before)
    assert rollovers


def test_a_spool_size_that_is_set_later_counts(
    app: fastapi.FastAPI, rollovers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = FILE + b"x" * 2000 + END
    with ThreadServer(app) as server:
        ask(server.port, HEAD % len(body), body)
        monkeypatch.setattr(MultiPartParser, "spool_max_size", 5000)
        ask(server.port, HEAD % len(body), body)
        monkeypatch.setattr(MultiPartParser, "spool_max_size", 0)
        ask(server.port, HEAD % len(body), body)
    assert len(rollovers) == 1
    assert plans.counters(app).compiled == 3


def test_limits_that_are_changed_later_count(app: fastapi.FastAPI) -> None:
    limits: Any = app.router.form_limits
    head = (
        b"POST /fields HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n"
        b"content-type: application/x-www-form-urlencoded\r\n\r\n"
    )
    with ThreadServer(app) as server:
        assert ask(server.port, head, b"a=1&a=2").endswith(b"2")
        limits["max_fields"] = 1
        assert b"Maximum number of fields is 1." in ask(server.port, head, b"a=1&a=2")
        app.router.form_limits = {"max_fields": 2}
        assert ask(server.port, head, b"a=1&a=2").endswith(b"2")
    assert plans.counters(app).compiled == 3


def test_forms_are_fastapis_where_something_has_replaced_its_parser(
    app: fastapi.FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def parse(self: FormParser) -> Any: ...

    monkeypatch.setattr(FormParser, "parse", parse)
    reasons = {part.path: part.reason for part in plans.explain(app).routes}
    assert reasons["/fields"] == "it takes a form, and something has replaced parse()"


@pytest.mark.parametrize("name", ["write", "seek"])
def test_forms_are_fastapis_where_something_has_replaced_what_files_are_written_with(
    app: fastapi.FastAPI, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    original = getattr(tempfile.SpooledTemporaryFile, name)
    calls: list[Any] = []

    def noting(self: Any, *args: Any) -> Any:
        calls.append(args)
        return original(self, *args)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, name, noting)
    body = FILE + b"content" + END
    with ThreadServer(app) as server:
        assert ask(server.port, HEAD % len(body), body).endswith(b"7")
    assert calls == [(b"content",) if name == "write" else (0,)]
    reasons = {part.path: part.reason for part in plans.explain(app).routes}
    assert reasons["/"] == f"it takes a form, and something has replaced {name}()"


def test_forms_are_fastapis_where_starlette_refuses_malformed_ones_otherwise(
    app: fastapi.FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from starlette import formparsers

    monkeypatch.delattr(formparsers, "FormParserError")
    reasons = {part.path: part.reason or "" for part in plans.explain(app).routes}
    assert "before Starlette 1.7" in reasons["/"]


def test_forms_are_fastapis_with_a_parser_that_is_not_known(
    app: fastapi.FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    import python_multipart

    monkeypatch.setattr(python_multipart, "__version__", "9.9")
    reasons = {part.path: part.reason for part in plans.explain(app).routes}
    assert reasons["/"] == "it takes a form, and python-multipart 9.9 is not known"
