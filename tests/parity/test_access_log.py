"""The access log: uvicorn's lines, at the moment in which a response starts."""

import asyncio
import logging
import re
import threading

import pytest

from .applications import answering, get
from .servers import run_hyperfastapi, run_uvicorn
from .test_websockets import ACCEPT, HANDSHAKE, connecting
from .wire import Wire

SERVERS = {"uvicorn": run_uvicorn, "hyperfastapi": run_hyperfastapi}
LENGTH_2 = [(b"content-length", b"2")]
_PORT = re.compile(r"127\.0\.0\.1:\d+")


def lines_of(caplog, make, script):
    """What each server logs of one script, with the client's port left out."""
    logged = {}
    for name, run in SERVERS.items():
        caplog.clear()
        with (
            caplog.at_level(logging.INFO),
            run(make([]), access_log=True) as port,
            Wire(port) as wire,
        ):
            script(wire)
        records = [r for r in caplog.records if r.name in (f"{name}.access", f"{name}.error")]
        found = (_PORT.sub("CLIENT", record.getMessage()) for record in records)
        logged[name] = [line for line in found if line.startswith("CLIENT")]
    return logged


@pytest.mark.parametrize(
    "target",
    ["/", "/a?b=c", "/a%20b?x=1%202", "/%C3%A9", "/%FF", "/%2F", "//x", "/a?", "/a#b",
     "/~u/!$&'()*", "/%0A", "/a;b=c", "/?%E9", "/%22"],
)  # fmt: skip
def test_a_request_is_one_line(caplog, target):
    """I122: client, method, path as it is quoted again, version, status and phrase."""

    def script(wire):
        for method in ("GET", "POST"):
            wire.send(get(target, method=method))
            wire.response()

    logged = lines_of(caplog, answering(b"ok", headers=LENGTH_2), script)
    assert logged["hyperfastapi"] == logged["uvicorn"] and len(logged["uvicorn"]) == 2


@pytest.mark.parametrize("status", [200, 204, 304, 404, 422, 499, 500])
def test_the_status_is_named_as_on_the_wire(caplog, status):
    def script(wire):
        wire.send(get())
        wire.response()

    headers = [] if status in (204, 304) else LENGTH_2
    body = b"" if status in (204, 304) else b"ok"
    logged = lines_of(caplog, answering(body, status=status, headers=headers), script)
    assert logged["hyperfastapi"] == logged["uvicorn"]
    assert logged["uvicorn"][0].startswith(f'CLIENT - "GET / HTTP/1.1" {status}')


def test_a_prefix_is_part_of_the_path(caplog):
    def script(wire):
        wire.send(get("/items?a"))
        wire.response()

    def with_prefix(run):
        return lambda app, **options: run(app, root_path="/api", **options)

    make = answering(b"ok", headers=LENGTH_2)
    originals = dict(SERVERS)
    try:
        SERVERS.update({name: with_prefix(run) for name, run in originals.items()})
        logged = lines_of(caplog, make, script)
    finally:
        SERVERS.update(originals)
    assert logged["hyperfastapi"] == logged["uvicorn"]
    assert '"GET /api/items?a HTTP/1.1"' in logged["uvicorn"][0]


@pytest.mark.parametrize("answer", [ACCEPT, {"type": "websocket.close"}], ids=["accept", "refuse"])
def test_a_websocket_is_logged_with_its_outcome(caplog, answer):
    def script(wire):
        wire.send(HANDSHAKE)
        wire.rest()

    logged = lines_of(caplog, connecting("receive", answer), script)
    assert logged["hyperfastapi"] == logged["uvicorn"] and len(logged["uvicorn"]) == 1


class Told(logging.Handler):
    """Sets an event once a line has been written."""

    def __init__(self):
        super().__init__()
        self.event = threading.Event()

    def emit(self, record):
        self.event.set()


@pytest.mark.parametrize("server", SERVERS)
def test_the_line_is_there_while_the_response_still_goes_on(server, caplog):
    """I122."""
    told = Told()
    logger = logging.getLogger(f"{server}.access")

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        for _ in range(2500):
            if told.event.is_set():
                break
            await asyncio.sleep(0.002)
        await send({"type": "http.response.body", "body": str(told.event.is_set()).encode()})

    with (
        caplog.at_level(logging.INFO, logger.name),
        SERVERS[server](app, access_log=True) as port,
        Wire(port) as wire,
    ):
        logger.addHandler(told)
        try:
            wire.send(get())
            assert wire.response().endswith(b"4\r\nTrue\r\n0\r\n\r\n")
        finally:
            logger.removeHandler(told)
