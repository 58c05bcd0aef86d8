"""Make `fastapi.FastAPI` be hyperfastapi's application class, for code that imports fastapi."""

from __future__ import annotations

import os
import sys
import warnings

from . import _aliases

ENVIRONMENT_VARIABLE = "HYPERFASTAPI_AS_FASTAPI"
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


def install() -> None:
    """Make `from fastapi import FastAPI` give `hyperfastapi.FastAPI` from now on.

    Call it before the modules that create applications are imported: a module that has already
    executed `from fastapi import FastAPI` keeps the class that it got, and a warning names it.
    Calling it again does nothing.

    Two other ways do the same. The environment variable `HYPERFASTAPI_AS_FASTAPI=1` is read when
    hyperfastapi is first imported, by the `hyperfastapi` command and by its pytest plugin. And

        import sys, hyperfastapi
        sys.modules.setdefault("fastapi", hyperfastapi)

    works where nothing has imported fastapi before. Where something has (another library, a
    plugin, a `sitecustomize`), `setdefault` finds fastapi in place and does nothing, silently:
    use `install()` there.

    Raises:
        ImportError: fastapi can't be imported.

    Warns:
        RuntimeWarning: modules hold the original class already; they are named.
    """
    _aliases.import_real()
    substitute(stacklevel=3)


def install_if_asked() -> None:
    """Call `install()` if the environment variable `HYPERFASTAPI_AS_FASTAPI` asks for it.

    Raises:
        ValueError: the variable has a value that means neither yes nor no.
    """
    value = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if value.lower() in _YES:
        install()
    elif value.lower() not in _NO:
        raise ValueError(
            f"{ENVIRONMENT_VARIABLE}={value!r} means neither yes nor no: set it to 1 to make"
            f" fastapi.FastAPI be hyperfastapi's class, or unset it"
        )


def substitute(*, stacklevel: int = 2) -> None:
    """Put our class where fastapi's modules hold the original one; name who else holds it.

    Args:
        stacklevel: the frame that a warning is reported for, as in `warnings.warn`.
    """
    from .applications import FastAPI

    original = FastAPI.__mro__[1]
    if vars(_aliases.import_real()).get("FastAPI") is FastAPI:
        return
    holders = []
    for name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        package = name.partition(".")[0]
        if package == "fastapi":
            if names.get("FastAPI") is original:
                names["FastAPI"] = FastAPI
        elif package != __package__ and any(value is original for value in list(names.values())):
            holders.append(name)
    if holders:
        warnings.warn(
            "these modules got fastapi.FastAPI before hyperfastapi was installed and keep the"
            f" original class: {', '.join(sorted(holders))}. Call hyperfastapi.install() before"
            " they are imported, or set HYPERFASTAPI_AS_FASTAPI=1 in the environment",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
