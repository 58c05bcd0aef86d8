"""Behind proxies: what X-Forwarded-*, Forwarded and the PROXY protocol change, and for whom."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import pytest
from over import Over
from served_process import BOUND, Run
from wire_client import Connection, get

from tests.protocols.http2_client import Http2Connection
from tests.protocols.tls_files import Authority

EVERYTHING = ("--forwarded-parts", "for,proto,host,port,prefix")


def test_host_port_and_prefix_are_believed_when_asked_for(over: Over) -> None:
    server = over.serve("main:app", *EVERYTHING, "--root-path", "/root")
    headers = [
        "x-forwarded-host: a.test", "x-forwarded-port: 8443", "x-forwarded-prefix: /api",
        "x-forwarded-proto: https", "x-forwarded-for: 203.0.113.7",
    ]  # fmt: skip
    shown = over.get(server, "/items", *headers).json()
    assert (shown["root_path"], shown["path"]) == ("/api/root", "/api/root/items")
    assert (shown["scheme"], shown["client"]) == ("https", ["203.0.113.7", 0])
    assert shown["host"] == "a.test:8443"


def test_host_and_prefix_are_not_believed_by_default(serve: Run) -> None:
    shown = get(
        serve("main:app").port, "/", "x-forwarded-host: a.test", "x-forwarded-prefix: /api"
    ).json()
    assert (shown["host"], shown["path"]) == ("test", "/")


@pytest.mark.parametrize(("sent", "host"), [("443", "a.test"), ("8443", "a.test:8443")])
def test_default_port_goes_without_saying(serve: Run, sent: str, host: str) -> None:
    shown = get(
        serve("main:app", *EVERYTHING).port, "/", "x-forwarded-host: a.test",
        f"x-forwarded-port: {sent}", "x-forwarded-proto: https",
    ).json()  # fmt: skip
    assert shown["host"] == host


def test_forwarded_takes_the_place_of_the_other_fields(over: Over) -> None:
    server = over.serve("main:app", *EVERYTHING, "--forwarded-field", "forwarded")
    forwarded = 'forwarded: for="[2001:db8::1]:4711";proto=https;host=a.test'
    shown = over.get(server, "/", forwarded, "x-forwarded-for: 203.0.113.7").json()
    assert (shown["client"], shown["scheme"]) == (["2001:db8::1", 4711], "https")
    assert shown["host"] == "a.test"


def test_proxy_on_a_unix_socket_is_trusted_by_its_kind(serve: Run, directory: Path) -> None:
    path = str(directory / "s")
    serve("main:app", "--uds", path, "--forwarded-allow-ips", "unix:", HYPERFASTAPI_PORT=None)
    shown = get(path, "/", "x-forwarded-for: 203.0.113.7").json()
    assert shown["client"] == ["203.0.113.7", 0]


BALANCER = ("--proxy-protocol-allow-ips", "127.0.0.0/8")
V1 = b"PROXY TCP4 203.0.113.7 198.51.100.2 56324 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(
    "!H4s4sHH", 12, bytes([203, 0, 113, 7]), bytes([198, 51, 100, 2]), 56324, 443
)


@pytest.mark.parametrize("header", [V1, V2])
def test_balancer_names_client_and_server(serve: Run, header: bytes) -> None:
    with Connection(serve("main:app", *BALANCER).port) as connection:
        connection.send(header)
        connection.request()
        shown = connection.answer().json()
    assert shown["client"] == ["203.0.113.7", 56324]
    assert shown["server"] == ["198.51.100.2", 443]


def test_balancers_header_may_come_in_pieces(serve: Run) -> None:
    with Connection(serve("main:app", *BALANCER).port) as connection:
        for byte in V2:
            connection.send(bytes([byte]))
        connection.request()
        assert connection.answer().json()["client"] == ["203.0.113.7", 56324]


def test_tls_and_http2_follow_the_balancers_header(serve: Run, directory: Path) -> None:
    authority = Authority(directory)
    cert, key = authority.issue("localhost")
    port = serve("main:app", *BALANCER, "--tls-cert", str(cert), "--tls-key", str(key)).port
    tls = authority.client(alpn=("h2",))
    with Http2Connection(port, tls=tls, first=V1) as connection:
        shown = json.loads(connection.get().body)
    assert (shown["client"], shown["http_version"]) == (["203.0.113.7", 56324], "2")


def test_connection_without_the_header_is_closed(serve: Run) -> None:
    with Connection(serve("main:app", *BALANCER).port) as connection:
        connection.request()
        assert connection.rest() == b""


def test_header_of_somebody_else_is_no_request(serve: Run) -> None:
    port = serve("main:app", "--proxy-protocol-allow-ips", "192.0.2.1").port
    with Connection(port) as connection:
        connection.send(V1)
        assert connection.answer().status == 400


def test_client_that_a_balancer_names_is_no_trusted_proxy(serve: Run) -> None:
    with Connection(serve("main:app", *BALANCER).port) as connection:
        connection.send(V1)
        connection.request("/", "x-forwarded-for: 192.0.2.9", "x-forwarded-proto: https")
        shown = connection.answer().json()
    assert (shown["client"][0], shown["scheme"]) == ("203.0.113.7", "http")


def test_header_that_does_not_come_is_given_up(serve: Run) -> None:
    port = serve("main:app", *BALANCER, "--timeout-handshake", "0.2").port
    with socket.create_connection(("127.0.0.1", port), BOUND) as silent:
        silent.sendall(b"PROXY ")
        assert silent.recv(1) == b""
