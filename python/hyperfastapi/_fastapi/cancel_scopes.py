"""The cancel scopes of AnyIO that tasks are inside of, as AnyIO keeps them for itself."""

from __future__ import annotations

import asyncio
from typing import Any

from anyio._backends import _asyncio

TASK_STATES: Any = getattr(_asyncio, "_task_states", None)
"""What AnyIO knows of each task; None: this release keeps it elsewhere."""


def scope_of(task: asyncio.Task[Any]) -> Any:
    """Return the innermost cancel scope around a task; None: there is none, or none is known."""
    state = None if TASK_STATES is None else TASK_STATES.get(task)
    return getattr(state, "cancel_scope", None)
