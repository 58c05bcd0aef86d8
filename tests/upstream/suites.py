"""The upstream suites: where their sdists come from and what a complete run must show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """One project's own tests.

    Attributes:
        name: the project's name on the package index, and of its package.
        version: the release whose sdist is run; the same one must be installed.
        sha256: digest of the sdist, so that what runs is the unmodified suite.
        arguments: pytest arguments beside the test directory.
        tests: floor on the outcomes of a complete run.
        http: floor on the HTTP responses that arrive over a socket in a complete run.
        websockets: the same for WebSocket handshakes.
        apps: floor on the `fastapi.FastAPI` instances created in a complete run.
        compiled: floor on the share of requests that plans answer in a complete run, in percent.
    """

    name: str
    version: str
    sha256: str
    arguments: tuple[str, ...]
    tests: int
    http: int
    websockets: int
    apps: int
    compiled: int


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            name="fastapi",
            version="0.165.0",
            sha256="dd94d4128319c1e1d50535ab023ab698f850a4d2822f0e181747b46f4ff3c0ab",
            # Its own time-out, 20 s, is for a machine with nothing else to do.
            arguments=("-o", "timeout=120"),
            tests=5230,
            http=5180,
            websockets=123,
            apps=1,
            compiled=95,
        ),
        Suite(
            name="starlette",
            version="1.10.0",
            sha256="b8399098d4c1e3522734f7235dc79b1fc967f96cf139c81e0fa30479e0685f9b",
            # Its own configuration has no time-out, and a lost answer must not hang the run.
            arguments=("-o", "timeout=60"),
            tests=1416,
            http=1360,
            websockets=150,
            apps=0,
            compiled=0,
        ),
    )
}
