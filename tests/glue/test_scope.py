"""The scope that an application is given."""

from __future__ import annotations

import socket
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Client, Running, plain, run
from hyperfastapi import _core

HTTP_KEYS = [
    "type", "asgi", "http_version", "server", "client", "scheme", "root_path", "headers", "state",
    "method", "path", "raw_path", "query_string", "extensions",
]  # fmt: skip
WEBSOCKET_KEYS = [
    "type", "asgi", "http_version", "scheme", "server", "client", "root_path", "path", "raw_path",
    "query_string", "headers", "subprotocols", "state", "extensions",
]  # fmt: skip
HANDSHAKE = (
    b"GET /ws?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


def scope_of(request: bytes, **settings: Any) -> dict[str, Any]:
    """The scope that one request, sent as these bytes, gives."""
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append({**scope, "scope": scope})
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            client.send(request)
            await client.response()
            name = client.writer.get_extra_info("sockname")
            scopes[0]["client is right"] = scopes[0]["client"] == tuple(name[:2])
            scopes[0]["server is right"] = scopes[0]["server"] == ("127.0.0.1", running.port)
        await running.idle()

    run(app, scenario, **settings)
    return scopes[0]


def get(path: str, **settings: Any) -> dict[str, Any]:
    return scope_of(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode(), **settings)


def test_an_http_scope_has_these_keys_in_this_order() -> None:
    scope = get("/")
    assert list(scope)[: len(HTTP_KEYS) + 1] == [*HTTP_KEYS, "scope"]
    assert type(scope["scope"]) is dict


def test_values_of_an_http_scope() -> None:
    scope = scope_of(
        b"PATCH /a%20b/%C3%A9?q=%20&r HTTP/1.1\r\nHost: example\r\nX-Upper:  Value \r\n"
        b"Accept: */*\r\nAccept: text/html\r\n\r\n"
    )
    assert scope["client is right"] and scope["server is right"]
    assert {key: scope[key] for key in HTTP_KEYS if key not in ("client", "server")} == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "headers": [
            (b"host", b"example"),
            (b"x-upper", b"Value"),
            (b"accept", b"*/*"),
            (b"accept", b"text/html"),
        ],
        "state": {},
        "method": "PATCH",
        "path": "/a b/é",
        "raw_path": b"/a%20b/%C3%A9",
        "query_string": b"q=%20&r",
        "extensions": {
            "http.response.trailers": {},
            "http.response.early_hint": {},
        },
    }


def test_values_of_a_websocket_scope() -> None:
    scope = scope_of(HANDSHAKE + b"Sec-WebSocket-Protocol: one, two\r\n\r\n")
    assert list(scope)[: len(WEBSOCKET_KEYS)] == WEBSOCKET_KEYS
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["type"], scope["scheme"], scope["path"]) == ("websocket", "ws", "/ws")
    assert (scope["raw_path"], scope["query_string"]) == (b"/ws", b"x=1")
    assert scope["subprotocols"] == ["one", "two"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope


def test_http_1_0_is_named() -> None:
    assert scope_of(b"GET / HTTP/1.0\r\n\r\n")["http_version"] == "1.0"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "BREW", "get", "M-SEARCH"])
def test_any_token_is_a_method(method: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["method"])
        await plain(scope, receive, send)

    async def scenario(running: Running) -> int:
        async with running.connect() as client:
            return (await client.get(method=method)).status

    assert run(app, scenario) == 200
    assert seen == [method]


def test_root_path_comes_before_the_path() -> None:
    scope = get("/c%2Fd", root_path="/äpi")
    assert (scope["root_path"], scope["path"]) == ("/äpi", "/äpi/c/d")
    assert scope["raw_path"] == "/äpi".encode() + b"/c%2Fd"


def test_an_absolute_target_gives_path_and_host() -> None:
    scope = scope_of(b"GET http://other:81/x?y HTTP/1.1\r\nhost: a\r\n\r\n")
    assert (scope["path"], scope["query_string"]) == ("/x", b"y")
    assert scope["headers"] == [(b"host", b"other:81")]


def test_a_scope_can_be_changed_without_harm_to_the_next() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(
            (dict(scope["asgi"]), dict(scope["extensions"]), dict(scope["state"]), scope["server"])
        )
        scope["asgi"]["version"] = "9"
        scope["extensions"]["http.response.trailers"]["x"] = 1
        scope["extensions"]["more"] = {}
        scope["state"]["count"] = scope["state"].get("count", 0) + 1
        scope["headers"].clear()
        scope["server"] = None
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            await client.get()
            await client.get()

    run(app, scenario)
    assert scopes[0] == scopes[1]


def test_state_of_the_lifespan_is_copied_for_each_request() -> None:
    shared: list[str] = []
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"].update(number=1, items=shared)
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        seen.append(scope["state"]["number"])
        scope["state"]["number"] += 1
        scope["state"]["items"].append(scope["path"])
        await plain(scope, receive, send)

    async def scenario(running: Running) -> None:
        await running.get("/one")
        await running.get("/two")

    run(app, scenario, lifespan="on")
    assert seen == [1, 1]
    assert shared == ["/one", "/two"]


def test_a_unix_socket_gives_its_path_and_no_client() -> None:
    import asyncio

    from hyperfastapi._config import Config
    from hyperfastapi._loop import new_event_loop
    from hyperfastapi._server import Server

    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await plain(scope, receive, send)

    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "s")
        fd = _core.bind_unix(path, mode=0o600, backlog=5)
        server = Server(Config(lifespan="off", uds=path), app, [fd])

        async def main() -> int:
            serving = asyncio.ensure_future(server.serve())
            client = Client(*await asyncio.open_unix_connection(path))
            status = (await client.get()).status
            await client.close()
            server.request_stop()
            await serving
            return status

        loop = new_event_loop("asyncio")
        assert loop.run_until_complete(main()) == 200
        loop.close()
        assert scopes[0]["client"] is None
        assert scopes[0]["server"] == (path, None)


def test_ipv6_addresses_are_text_and_port() -> None:
    import asyncio

    from hyperfastapi._config import Config
    from hyperfastapi._loop import new_event_loop
    from hyperfastapi._server import Server

    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await plain(scope, receive, send)

    [fd] = _core.bind_tcp("::1", 0, backlog=5, reuse_port=False)
    with socket.socket(fileno=fd) as listener:
        port = listener.getsockname()[1]
        listener.detach()
    server = Server(Config(lifespan="off"), app, [fd])

    async def main() -> None:
        serving = asyncio.ensure_future(server.serve())
        client = Client(*await asyncio.open_connection("::1", port))
        await client.get()
        await client.close()
        server.request_stop()
        await serving

    loop = new_event_loop("asyncio")
    loop.run_until_complete(main())
    loop.close()
    assert scopes[0]["server"] == ("::1", port)
    assert scopes[0]["client"][0] == "::1"


FORWARDED = (
    b"GET / HTTP/1.1\r\nhost: a\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4:81, 127.0.0.1\r\n"
    b"X-Forwarded-Proto: https\r\n\r\n"
)


def test_a_trusted_proxy_names_client_and_scheme() -> None:
    scope = scope_of(FORWARDED)
    assert (scope["client"], scope["scheme"]) == (("1.2.3.4", 81), "https")


def test_everybody_can_be_trusted() -> None:
    scope = scope_of(FORWARDED, forwarded_allow_ips="*")
    assert (scope["client"], scope["scheme"]) == (("9.9.9.9", 0), "https")


@pytest.mark.parametrize(
    "settings", [{"proxy_headers": False}, {"forwarded_allow_ips": "10.0.0.1"}]
)
def test_others_are_not_believed(settings: Any) -> None:
    scope = scope_of(FORWARDED, **settings)
    assert scope["client is right"]
    assert scope["scheme"] == "http"


def test_a_forwarded_scheme_of_a_websocket_is_wss() -> None:
    scope = scope_of(HANDSHAKE + b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n")
    assert (scope["client"], scope["scheme"]) == (("1.1.1.1", 0), "wss")


def test_the_access_log_names_the_forwarded_client(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    caplog.set_level(logging.INFO, "hyperfastapi.access")
    scope_of(FORWARDED)
    [record] = [record for record in caplog.records if record.name == "hyperfastapi.access"]
    assert record.getMessage() == '1.2.3.4:81 - "GET / HTTP/1.1" 200'


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=40))
def test_paths_are_unquoted_as_urllib_does(path: str) -> None:
    assert _core.unquote(path.encode()) == urllib.parse.unquote(path)


ESCAPED = st.binary(max_size=4).map(urllib.parse.quote_from_bytes)


@given(st.lists(st.one_of(ESCAPED, st.sampled_from(["%", "%4", "%zz", "/"]))))
def test_any_bytes_can_be_escaped(pieces: list[str]) -> None:
    path = "".join(pieces)
    assert _core.unquote(path.encode()) == urllib.parse.unquote(path)


@pytest.mark.parametrize("path", ["", "%", "%4", "%41", "%C3", "%c3%a9x", "%ed%a0%80", "a%00b"])
def test_these_escapes_are_unquoted_as_urllib_does(path: str) -> None:
    assert _core.unquote(path.encode()) == urllib.parse.unquote(path)
