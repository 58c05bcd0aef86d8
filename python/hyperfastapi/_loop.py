"""Event loops that serve: the reactor inside asyncio's own ``select()``, or as a reader elsewhere.

On asyncio's loop there is one place that waits, for the network and for everything else: the loop
calls its selector, and the selector runs the reactor, in which asyncio's own descriptors are nested
as one. Other loops (uvloop) watch the reactor's descriptor like any other.
"""

from __future__ import annotations

import asyncio
import asyncio.format_helpers
import selectors
import sys
import weakref
from collections.abc import Callable
from typing import Any

from hyperfastapi import _core

_WAKE = "_write_to_self"
#: Methods of asyncio's loop that Tasks call for each step; the server has them without Python code.
_NATIVE = ("call_soon", "get_debug", "is_running")


def _report_callback_error(handle: asyncio.Handle, error: BaseException) -> None:
    """Give what a callback has raised to the loop's exception handler, as `Handle` does."""
    inside: Any = handle
    format_source: Any = asyncio.format_helpers._format_callback_source
    source = format_source(inside._callback, inside._args)
    context = {"message": f"Exception in callback {source}", "exception": error, "handle": handle}
    inside._loop.call_exception_handler(context)


def _add_tasks_natively() -> None:
    """Have asyncio's set of tasks filled without Python code, from now on and in all loops.

    Up to Python 3.13 each task that waits is put into it by `WeakSet.add()`.
    """
    name = "_scheduled_tasks" if sys.version_info >= (3, 12) else "_all_tasks"
    tasks = getattr(asyncio.tasks, name, None)
    if sys.version_info < (3, 14) and type(tasks) is weakref.WeakSet and "add" not in vars(tasks):
        add = _core.weak_set_adder(tasks)
        if add is not None:
            vars(tasks)["add"] = add


class ReactorSelector(selectors.DefaultSelector):
    """asyncio's selector, with a server's turn as its way of waiting once one has joined."""

    def __init__(self) -> None:
        super().__init__()
        self._turn: Callable[[float | None], bool] | None = None

    def join(self, server: _core.Server) -> None:
        """Let the server wait in this selector's place."""
        self._turn = server.turn

    def leave(self) -> None:
        """Wait without a server again."""
        self._turn = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve until asyncio has something to do, or for `timeout` seconds."""
        if self._turn is None:
            return super().select(timeout)
        return super().select(0) if self._turn(timeout) else []


class LoopError(RuntimeError):
    """The event loop asked for can't be had."""


def new_event_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Make the loop of a worker.

    Args:
        kind: ``"auto"`` and ``"asyncio"`` give asyncio's loop with the reactor in its ``select()``,
            the faster of the two for this server; ``"uvloop"`` gives uvloop's.

    Raises:
        LoopError: uvloop is not installed.
    """
    if kind != "uvloop":
        return asyncio.SelectorEventLoop(ReactorSelector())
    try:
        import uvloop
    except ImportError:
        raise LoopError(
            "loop='uvloop': uvloop is not installed; install it with "
            "'pip install hyperfastapi[uvloop]', or use loop='asyncio'"
        ) from None
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Attachment:
    """A server in the running loop, from `attach()` until `detach()`."""

    def __init__(self, server: _core.Server, state: dict[str, Any]) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        _add_tasks_natively()
        selector = getattr(self._loop, "_selector", None)
        self._selector = selector if isinstance(selector, ReactorSelector) else None
        if self._selector is not None:
            server.attach(self._loop, state, self._selector.fileno(), _report_callback_error)
            self._selector.join(server)
            # call_soon_threadsafe() ends the wait by this: the way through asyncio's socket pair,
            # its selector and a callback costs a `def` endpoint more than its own work.
            vars(self._loop)[_WAKE] = server.wake
            if server.runs_callbacks:
                vars(self._loop).update((name, getattr(server, name)) for name in _NATIVE)
            self._fd = -1
        else:
            self._fd = server.attach(self._loop, state, -1, _report_callback_error)
            self._loop.add_reader(self._fd, server.turn, 0)

    def detach(self) -> None:
        """Take the server out of the loop; it serves no more."""
        if self._selector is not None:
            for name in (_WAKE, *_NATIVE):
                vars(self._loop).pop(name, None)
            self._selector.leave()
        else:
            self._loop.remove_reader(self._fd)
