"""The fixtures `parity` and `ours`."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable
from typing import Any

import pytest

from ..protocols.protocol import EVERY, HTTP1, HTTP1_TLS, Protocol
from ..protocols.tls_files import Authority
from .messages import read_messages
from .scopes import as_told
from .servers import SERVERS, LogTap
from .wire import Wire, normalise

Application = Callable[..., Any]
MakeApp = Callable[[list[Any]], Application]
Script = Callable[[Wire], bytes]
HTTP1_ALONE = (HTTP1, HTTP1_TLS)


@dataclasses.dataclass
class Outcome:
    """What came of one script on one server.

    Attributes:
        wire: the bytes that the server sent, `date` and `server` apart; over HTTP/2 what they are
            in HTTP/1.1.
        seen: what the application noted.
        log: what the server logged as errors.
    """

    wire: bytes
    seen: list[Any]
    log: list[tuple[str, str | None]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificate of the servers that speak TLS."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("localhost")
    return authority


def _run(server: str, make_app: MakeApp, script: Script, options: dict[str, Any]) -> Outcome:
    start, logger = SERVERS[server]
    seen: list[Any] = []
    with LogTap(logger) as tap:
        with start(make_app(seen), **options) as port, Wire(port) as wire:
            received = script(wire)
        return Outcome(normalise(received), seen, tap.lines)


def _run_ours(
    protocol: Protocol,
    authority: Authority,
    make_app: MakeApp,
    script: Script,
    options: dict[str, Any],
) -> Outcome:
    start, logger = SERVERS["hyperfastapi"]
    seen: list[Any] = []
    if protocol.is_secure:
        cert, key = authority.files("localhost")
        options = {**options, "tls_cert": (str(cert),), "tls_key": (str(key),)}

    def connect(port: int) -> socket.socket:
        return protocol.connect(port, authority)

    with LogTap(logger) as tap:
        with (
            start(make_app(seen), **options) as port,
            Wire(port, connect, closes=not protocol.is_http2) as wire,
        ):
            received = script(wire)
        return Outcome(normalise(received), seen, tap.lines)


def _script(request: bytes | Script) -> Script:
    if callable(request):
        return request

    def send_and_read(wire: Wire) -> bytes:
        wire.send(request)
        return wire.response(to_head=request.startswith(b"HEAD "))

    return send_and_read


def _assert_same(
    protocol: Protocol, ours: Outcome, expected: Outcome, *, logged: bool = True
) -> None:
    if protocol.is_http2:
        assert read_messages(ours.wire) == read_messages(expected.wire), protocol.name
    else:
        assert ours.wire == expected.wire, protocol.name
    seen = [as_told(note, HTTP1, protocol) for note in expected.seen]
    assert [as_told(note, protocol, protocol) for note in ours.seen] == seen, protocol.name
    if logged:
        assert ours.log == expected.log, protocol.name


@pytest.fixture
def parity(authority: Authority) -> Callable[..., Outcome]:
    """Run a request, or a script on a `Wire`, on both servers; the outcomes must be equal.

    Ours is asked over each protocol: over TLS the same bytes have to come, over HTTP/2 the same
    responses (`Message`), and the application has to be told the same, but for the protocol's own
    scheme and version.

    With `logged=False` the servers may log different errors: where uvicorn logs as an error what is
    none of the application's. `only_http1` is the reason why a case does not exist on HTTP/2,
    `only_plain` why it is not the same over TLS, which uvicorn is not asked over.

    Returns:
        our outcome over HTTP/1.1.
    """

    def compare(
        make_app: MakeApp,
        request: bytes | Script,
        *,
        logged: bool = True,
        only_http1: str | None = None,
        only_plain: str | None = None,
        **options: Any,
    ) -> Outcome:
        script = _script(request)
        expected = _run("uvicorn", make_app, script, options)
        outcomes = {}
        for protocol in HTTP1_ALONE if only_http1 else EVERY:
            if only_plain and protocol.is_secure:
                continue
            ours = _run_ours(protocol, authority, make_app, script, options)
            _assert_same(protocol, ours, expected, logged=logged)
            outcomes[protocol] = ours
        return outcomes[HTTP1]

    return compare


@pytest.fixture
def ours(authority: Authority) -> Callable[..., Outcome]:
    """Run a request, or a script on a `Wire`, on our server alone, over each protocol.

    The outcomes must be equal to the one over HTTP/1.1, which is returned. `only_http1` is the
    reason why a case does not exist on HTTP/2, `only_plain` why neither over TLS.
    """

    def run(
        make_app: MakeApp,
        request: bytes | Script,
        *,
        only_http1: str | None = None,
        only_plain: str | None = None,
        **options: Any,
    ) -> Outcome:
        script = _script(request)
        expected = _run_ours(HTTP1, authority, make_app, script, options)
        for protocol in HTTP1_ALONE if only_http1 else EVERY:
            if protocol is HTTP1 or (only_plain and protocol.is_secure):
                continue
            _assert_same(
                protocol, _run_ours(protocol, authority, make_app, script, options), expected
            )
        return expected

    return run
