"""What a test's application is made of on each side, and what it notes."""

from __future__ import annotations

import asyncio
from typing import Any

import fastapi

import hyperfastapi


class Side:
    """Handed to the function that makes the application.

    Attributes:
        name: which side this is; only the frame's own tests look at it.
        FastAPI: the application class to use.
        APIRouter: the router class to use.
    """

    def __init__(self, name: str, package: Any) -> None:
        self.name = name
        self.FastAPI: Any = package.FastAPI
        self.APIRouter: Any = package.APIRouter
        self._notes: list[tuple[Any, ...]] = []
        self._tasks: list[Any] = []

    def log(self, *values: Any) -> None:
        """Note a side effect. What is noted, and in which order, must be equal on all sides."""
        self._notes.append(tuple(v if isinstance(v, (str, int)) else repr(v) for v in values))

    def thread(self) -> str:
        """ "loop" in the event loop's thread, "worker" in any other."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return "worker"
        return "loop"

    def task(self) -> str:
        """The current task, named by the order in which a request's tasks were first seen."""
        if self.thread() == "worker":
            return "no task"
        current = asyncio.current_task()
        # Held until the request is over: an address alone could come back in another task.
        if not any(task is current for task in self._tasks):
            self._tasks.append(current)
        return f"task {[task is current for task in self._tasks].index(True)}"

    def take_notes(self) -> list[tuple[Any, ...]]:
        """What was noted since the last call."""
        taken, self._notes[:] = list(self._notes), []
        self._tasks.clear()
        return taken


def plain() -> Side:
    """FastAPI itself, in process: the oracle."""
    return Side("FastAPI", fastapi)


def served() -> Side:
    """An application of the original class, on our server."""
    return Side("our server", fastapi)


def subclass() -> Side:
    """An application of our class, in process."""
    return Side("our class", hyperfastapi)
