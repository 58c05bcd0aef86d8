"""The fixtures `parity` and `ours`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from .servers import SERVERS, LogTap
from .wire import Wire, normalise

Application = Callable[..., Any]
MakeApp = Callable[[list[Any]], Application]
Script = Callable[[Wire], bytes]


@dataclasses.dataclass
class Outcome:
    """What came of one script on one server.

    Attributes:
        wire: the bytes that the server sent, `date` and `server` apart.
        seen: what the application noted.
        log: what the server logged as errors.
    """

    wire: bytes
    seen: list[Any]
    log: list[tuple[str, str | None]]


def _run(name: str, make_app: MakeApp, script: Script, options: dict[str, Any]) -> Outcome:
    start, logger = SERVERS[name]
    seen: list[Any] = []
    with LogTap(logger) as tap:
        with start(make_app(seen), **options) as port, Wire(port) as wire:
            received = script(wire)
        return Outcome(normalise(received), seen, tap.lines)


def _script(request: bytes | Script) -> Script:
    if callable(request):
        return request

    def send_and_read(wire: Wire) -> bytes:
        wire.send(request)
        return wire.response(to_head=request.startswith(b"HEAD "))

    return send_and_read


@pytest.fixture
def parity() -> Callable[..., Outcome]:
    """Run a request, or a script on a `Wire`, on both servers; the outcomes must be equal.

    With `logged=False` the servers may log different errors: where uvicorn logs as an error what is
    none of the application's.
    """

    def compare(
        make_app: MakeApp, request: bytes | Script, *, logged: bool = True, **options: Any
    ) -> Outcome:
        script = _script(request)
        expected = _run("uvicorn", make_app, script, options)
        ours = _run("hyperfastapi", make_app, script, options)
        assert ours.wire == expected.wire
        assert ours.seen == expected.seen
        if logged:
            assert ours.log == expected.log
        return ours

    return compare


@pytest.fixture
def ours() -> Callable[..., Outcome]:
    """Run a request, or a script on a `Wire`, on our server alone."""

    def run(make_app: MakeApp, request: bytes | Script, **options: Any) -> Outcome:
        return _run("hyperfastapi", make_app, _script(request), options)

    return run
