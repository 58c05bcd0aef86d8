"""Gives requests to an application on FastAPI and on hyperfastapi; the outcomes must be equal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import fastapi

import hyperfastapi
from hyperfastapi.testing import ThreadServer
from tests.differential import (
    Complaints,
    Connection,
    Observation,
    Request,
    ask,
    differing,
    forget_endpoints,
    quiet,
    settle,
    wire,
)

#: Makes an application of the class that it is given.
Make = Callable[[type[fastapi.FastAPI]], fastapi.FastAPI]


def _in_process(app: Any, requests: Sequence[Request], complaints: Complaints) -> list[Observation]:
    found = []

    async def main() -> None:
        for request in requests:
            seen = Observation()
            await ask(app, request, seen)
            seen.errors += complaints.take()
            found.append(seen)

    asyncio.run(main())
    return found


def _over_socket(
    app: Any, requests: Sequence[Request], complaints: Complaints
) -> list[Observation]:
    found = []
    with ThreadServer(app) as server:
        connection = Connection(server.port)
        try:
            for request in requests:
                seen = Observation()
                connection.ask(request, seen)
                settle(server)
                seen.errors += complaints.take()
                found.append(seen)
        finally:
            connection.close()
    return found


def check(make: Make, *requests: Request) -> list[Observation]:
    """Assert that FastAPI and hyperfastapi answer alike, in process and over a socket.

    Args:
        make: makes the application; where FastAPI refuses it, so must hyperfastapi.
        requests: the requests, one after the other.

    Returns:
        What FastAPI showed; nothing where it refuses the application.
    """
    forget_endpoints()
    with quiet():
        try:
            app = make(fastapi.FastAPI)
        except Exception as refused:
            _assert_refused(make, refused)
            return []
        with Complaints("asyncio", "hyperfastapi.error") as complaints:
            expected = _in_process(app, requests, complaints)
            ours = _in_process(make(hyperfastapi.FastAPI), requests, complaints)
            # The server must make nothing of what FastAPI has built already.
            served = _over_socket(app, requests, complaints)
    for way, actual in (("in process", ours), ("over a socket", served)):
        for request, one, other in zip(requests, expected, actual, strict=True):
            what = differing(one, other)
            assert not what, (
                f"{way}, {', '.join(what)} differ for {wire(request)!r}\n"
                f"FastAPI:      {one}\nhyperfastapi: {other}"
            )
    return expected


def _assert_refused(make: Make, refused: Exception) -> None:
    try:
        make(hyperfastapi.FastAPI)
    except Exception as error:
        assert type(error) is type(refused)
    else:
        raise AssertionError(f"FastAPI refuses the application and hyperfastapi not: {refused}")
