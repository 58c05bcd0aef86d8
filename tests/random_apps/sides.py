"""Runs a case: on FastAPI, on hyperfastapi as an ASGI application, and on hyperfastapi's server."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hyperfastapi import plans
from hyperfastapi.testing import ThreadServer
from tests.differential import (
    Complaints,
    Connection,
    Observation,
    ask,
    described,
    forget_endpoints,
    quiet,
    settle,
    without_addresses,
)

from . import source
from .spec import Case, Step

_MODULE = "random_app"


class NotBuilt(Exception):
    """The application could not be made; the text says why, the same on both sides."""


def build(case: Case, package: str) -> types.ModuleType:
    """Make the application of a case.

    Args:
        case: what to make.
        package: where its `FastAPI` comes from: `fastapi` or `hyperfastapi`.

    Returns:
        The module that defines it.

    Raises:
        NotBuilt: FastAPI, pydantic or Python refuse it.
    """
    forget_endpoints()
    module = types.ModuleType(_MODULE)
    sys.modules[_MODULE] = module
    try:
        code = compile(
            source.write(case.application, package), f"<{_MODULE}>", "exec", dont_inherit=True
        )
        exec(code, module.__dict__)
    except Exception as error:
        raise NotBuilt(described(error)) from error
    return module


def _prepare(module: types.ModuleType, step: Step) -> None:
    """Set what is set before a request."""
    overrides = {getattr(module, old): getattr(module, new) for old, new in step.overrides}
    if step.replace:
        module.app.dependency_overrides = overrides
    else:
        for key in list(module.app.dependency_overrides):
            if key not in overrides:
                del module.app.dependency_overrides[key]
        module.app.dependency_overrides.update(overrides)
    module.FAILING.clear()
    module.FAILING.update(step.failing)
    module.LOG.clear()


def _logged(case: Case, module: types.ModuleType) -> list[Any]:
    log = [
        (name, [without_addresses(value) for value in values], where, list(held))
        for name, values, where, held in module.LOG
    ]
    if any(one.kind in ("decorator", "base") for one in case.application.middleware):
        # Threads that iterate run beside the middleware, and its background task in a thread beside
        # what is inside: chance has it which is first.
        log.sort(key=lambda entry: entry[2] == "worker" and entry[0].startswith("stream "))
        log.sort(key=lambda entry: entry[2] == "worker" and entry[0].endswith(" later"))
    if any(one.options.get("does") in ("replaces", "fails") for one in case.application.middleware):
        # Nobody takes the stream then, and chance has it how far a thread gets before it is told.
        log = [
            entry
            for entry in log
            if not (entry[2] == "worker" and entry[0].startswith("stream ") and entry[1] != ["0"])
        ]
    if any(name.startswith("stream ") for name in module.FAILING):
        # Inside such middleware FastAPI ends a stream that fails as if it were whole; ours cuts it.
        end = ["'http.response.body'", "None", "0"]
        log = [entry for entry in log if entry[1] != end]
    return log


@dataclass
class Run:
    """What running a case showed.

    Attributes:
        observations: one for each request.
        counters: how many requests hyperfastapi's plans answered.
    """

    observations: list[Observation]
    counters: plans.Counters = field(default_factory=lambda: plans.Counters(0, {}))


def run_asgi(case: Case, package: str) -> Run:
    """Run a case in this thread, as an ASGI server does.

    Args:
        case: what to run.
        package: where its `FastAPI` comes from.

    Raises:
        NotBuilt: the application could not be made.
    """
    observations = []
    complaints = Complaints("asyncio")

    async def main(module: types.ModuleType) -> None:
        for step in case.steps:
            _prepare(module, step)
            seen = Observation()
            await ask(module.app, step.request, seen)
            seen.errors += complaints.take()
            seen.log = _logged(case, module)
            observations.append(seen)

    with quiet(), complaints:
        module = build(case, package)
        asyncio.run(main(module))
    if package == "fastapi":
        return Run(observations)
    return Run(observations, plans.counters(module.app))


def run_socket(case: Case, package: str) -> Run:
    """Run a case on our server, over a socket.

    Args:
        case: what to run.
        package: where its `FastAPI` comes from.

    Raises:
        NotBuilt: the application could not be made.
    """
    observations = []
    with quiet(), Complaints("asyncio", "hyperfastapi.error") as complaints:
        module = build(case, package)
        with ThreadServer(module.app) as server:
            connection = Connection(server.port)
            try:
                for step in case.steps:
                    _prepare(module, step)
                    seen = Observation()
                    connection.ask(step.request, seen)
                    settle(server)
                    seen.errors += complaints.take()
                    seen.log = _logged(case, module)
                    observations.append(seen)
            finally:
                connection.close()
    return Run(observations, plans.counters(module.app))


Runner = Callable[[Case], Run]


def oracle(case: Case) -> Run:
    """Run a case on FastAPI alone."""
    return run_asgi(case, "fastapi")


#: The ways through hyperfastapi. The server takes FastAPI's own class as well as ours.
WAYS: dict[str, Runner] = {
    "asgi": lambda case: run_asgi(case, "hyperfastapi"),
    "socket": lambda case: run_socket(case, ("fastapi", "hyperfastapi")[case.seed % 2]),
}
