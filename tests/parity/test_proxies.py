"""What a trusted proxy says of its client, as uvicorn believes it."""

import pytest
from fastapi import FastAPI, Request, WebSocket

from .applications import get
from .test_websockets import HANDSHAKE

FIELDS = {
    "nothing": [],
    "one": ["x-forwarded-for: 203.0.113.7"],
    "with a port": ["x-forwarded-for: 203.0.113.7:4711"],
    "the last that is not trusted": ["x-forwarded-for: 192.0.2.1, 203.0.113.7"],
    "trusted ones behind it": ["x-forwarded-for: 203.0.113.7, 127.0.0.1"],
    "only trusted ones": ["x-forwarded-for: 127.0.0.1, ::1"],
    "several fields": ["x-forwarded-for: 192.0.2.1", "x-forwarded-for: 203.0.113.7"],
    "ipv6": ["x-forwarded-for: 2001:db8::1"],
    "ipv6 with a port": ["x-forwarded-for: [2001:db8::1]:4711"],
    "a name": ["x-forwarded-for: client.example"],
    "empty": ["x-forwarded-for:"],
    "spaces": ["x-forwarded-for:  203.0.113.7 , 127.0.0.1 "],
    "https": ["x-forwarded-proto: https"],
    "http": ["x-forwarded-proto: http"],
    "wss": ["x-forwarded-proto: wss"],
    "another scheme": ["x-forwarded-proto: gopher"],
    "an empty scheme": ["x-forwarded-proto:"],
    "in capitals": ["x-forwarded-proto: HTTPS"],
    "both": ["x-forwarded-for: 203.0.113.7", "x-forwarded-proto: https"],
}


def make(seen):
    app = FastAPI()

    @app.get("/")
    async def endpoint(request: Request):
        client = request.client
        host = request.headers["host"]
        return [str(request.url), client and client.host, host, client and client.port == 0]

    @app.websocket("/ws")
    async def websocket(websocket: WebSocket):
        seen.append((str(websocket.url), websocket.client and websocket.client.host))
        await websocket.close()

    return app


@pytest.mark.parametrize("lines", FIELDS.values(), ids=FIELDS)
def test_the_client_and_the_scheme_are_those_that_the_proxy_names(parity, lines):
    """I121: the rightmost address that is no proxy's of ours; with port 0 where none is named."""
    outcome = parity(make, get("/", *lines), proxy_headers=True, only_plain="its scheme")
    if lines == FIELDS["both"]:
        assert outcome.wire.endswith(b'["https://example.org/","203.0.113.7","example.org",true]')


@pytest.mark.parametrize("lines", FIELDS.values(), ids=FIELDS)
def test_the_scheme_of_a_websocket_is_ws_or_wss(parity, lines):
    """I121."""
    request = HANDSHAKE[:-2] + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"

    def script(wire):
        wire.send(request)
        return wire.rest().split(b"\r\n")[0]

    outcome = parity(make, script, proxy_headers=True, only_plain="its scheme")
    if lines == FIELDS["both"]:
        assert outcome.seen == [("wss://example.org/ws?a=b", "203.0.113.7")]


def test_nobody_is_believed_who_is_not_trusted(parity):
    lines = ["x-forwarded-for: 203.0.113.7", "x-forwarded-proto: https"]
    options = {"proxy_headers": True, "forwarded_allow_ips": "10.0.0.1"}
    outcome = parity(make, get("/", *lines), only_plain="its scheme", **options)
    assert outcome.wire.endswith(b'["http://example.org/","127.0.0.1","example.org",false]')
