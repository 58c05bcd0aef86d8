"""Handlers that end before they are through: because their client has gone, or their time is up.

    from hyperfastapi import FastAPI
    from hyperfastapi.cancellation import cancel_on_disconnect, time_limit

    app = FastAPI()
    app.time_limit = 30                 # of all path operations; app.cancel_on_disconnect likewise

    @app.get("/report")
    @time_limit(2.5)                    # instead of the application's
    @cancel_on_disconnect
    async def report() -> Report: ...

Both are off unless asked for. docs/cancellation.md says what exactly is cancelled, what
dependencies see of it, and where it holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast, overload

__all__ = ["cancel_on_disconnect", "time_limit"]

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_MARK = "__hyperfastapi_bounds__"


def time_limit(seconds: float | None) -> Callable[[_Endpoint], _Endpoint]:
    """Limit how long the dependencies and the endpoint of a path operation may take.

    The function stays what it is: only hyperfastapi looks at the mark.

    Args:
        seconds: from the moment when the request's body has been read; above 0. None: no limit,
            whatever the application's is.

    Returns:
        A decorator of the endpoint, above or below FastAPI's.

    Raises:
        ValueError: that is no such number.
        TypeError: what is decorated takes no attributes.
    """
    check_seconds("time_limit()", seconds)
    return lambda endpoint: _mark(endpoint, "time_limit", seconds)


@overload
def cancel_on_disconnect(endpoint: _Endpoint, /) -> _Endpoint: ...
@overload
def cancel_on_disconnect(enabled: bool, /) -> Callable[[_Endpoint], _Endpoint]: ...
def cancel_on_disconnect(argument: Any, /) -> Any:
    """Cancel the dependencies and the endpoint of a path operation when its client has gone.

    The function stays what it is: only hyperfastapi looks at the mark.

    Args:
        argument: the endpoint; or whether to cancel, whatever the application's setting is.

    Returns:
        The endpoint; or a decorator of it, above or below FastAPI's.

    Raises:
        ValueError: the argument is neither a function nor a bool.
        TypeError: what is decorated takes no attributes.
    """
    if callable(argument):
        return _mark(argument, "cancel_on_disconnect", True)
    check_flag("cancel_on_disconnect()", argument)
    return lambda endpoint: _mark(endpoint, "cancel_on_disconnect", argument)


def _mark(endpoint: _Endpoint, name: str, value: object) -> _Endpoint:
    try:
        marks = {**getattr(endpoint, _MARK, {}), name: value}
        setattr(endpoint, _MARK, marks)
    except AttributeError:
        raise TypeError(
            f"{name} cannot be noted on {endpoint!r}: it takes no attributes; decorate a function"
        ) from None
    return endpoint


def check_seconds(name: str, value: object) -> None:
    """Check a time limit.

    Args:
        name: of what it was given to.
        value: the limit.

    Raises:
        ValueError: it is neither None nor a number of seconds above 0.
    """
    good = value is None or (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )
    if not good:
        raise ValueError(
            f"{name} takes a number of seconds above 0, or None for no limit, not {value!r}"
        )


def check_flag(name: str, value: object) -> None:
    """Check what is on or off.

    Args:
        name: of what it was given to.
        value: whether it is on.

    Raises:
        ValueError: it is no bool.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} takes True or False, not {value!r}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may end a route's handler early.

    Attributes:
        time_limit: in seconds; None: no limit.
        cancel_on_disconnect: whether its client's departure does.
    """

    time_limit: float | None
    cancel_on_disconnect: bool


def check_application(app: Any) -> None:
    """Check the attributes `time_limit` and `cancel_on_disconnect` of an application.

    Raises:
        ValueError: a value is none of those that are taken.
    """
    settings = vars(app)
    check_seconds("FastAPI.time_limit", settings.get("time_limit"))
    check_flag("FastAPI.cancel_on_disconnect", settings.get("cancel_on_disconnect", False))


def bounds_of(app: Any, endpoint: Any) -> Bounds | None:
    """Return what may end a path operation's handler early; None: nothing does.

    Args:
        app: the application; what it says holds where the endpoint says nothing.
        endpoint: the function that FastAPI calls.
    """
    marks = {**vars(app), **getattr(endpoint, _MARK, {})}
    seconds = cast("float | None", marks.get("time_limit"))
    cancels = bool(marks.get("cancel_on_disconnect", False))
    return None if seconds is None and not cancels else Bounds(seconds, cancels)
