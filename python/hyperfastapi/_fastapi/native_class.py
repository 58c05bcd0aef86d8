"""Middleware objects that get another `__call__`, by a class below their own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import Unknown


def own_class(middleware: Any) -> type:
    """Return the class that a middleware was made from."""
    kind = type(middleware)
    return kind.__mro__[1] if getattr(kind, "_is_native", False) else kind


def is_own_method(owner: type, name: str) -> bool:
    """Tell whether a class has a method that its own module defines: nothing has wrapped it."""
    method = vars(owner).get(name)
    function = getattr(method, "__func__", method)
    return getattr(function, "__globals__", None) is vars(sys.modules[owner.__module__])


def check_attributes(middleware: Any) -> None:
    """Raise `Unknown` if a middleware object has something in the place of its class's."""
    kind = own_class(middleware)
    for name in vars(middleware):
        if hasattr(kind, name):
            raise Unknown(f"its {name} is not that of its class")


def is_native(middleware: Any) -> bool:
    """Tell whether a middleware has got another `__call__`."""
    return bool(getattr(type(middleware), "_is_native", False))


def step_aside(middleware: Any) -> None:
    """Count a request that a native middleware leaves to its class's own code."""
    type(middleware)._aside[0] += 1


def stepped_aside(middleware: Any) -> int:
    """Return how many requests a native middleware has left to its class's own code."""
    return int(type(middleware)._aside[0]) if is_native(middleware) else 0


def replace_call(middleware: Any, call: Callable[..., Any], **attributes: Any) -> None:
    """Give a middleware another `__call__`.

    Args:
        middleware: one whose class has not been replaced.
        call: takes the middleware, scope, receive and send.
        attributes: of the class.

    Raises:
        Unknown: its class cannot be replaced.
    """
    kind = type(middleware)
    names = {
        "__call__": call,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "_is_native": True,
        "_aside": [0],
        **attributes,
    }
    try:
        object.__setattr__(middleware, "__class__", type(kind.__name__, (kind,), names))
    except (AttributeError, TypeError) as exc:
        raise Unknown("its class cannot be replaced") from exc
