"""FastAPI on a server written in C.

Every public name of `fastapi` can be imported from here, and every public submodule under
`hyperfastapi.` is fastapi's own. `FastAPI` is a subclass that adds `run_native()`.

Importing this package does not import fastapi: that happens when the first name is asked for.

PYTEST_DONT_REWRITE: this package has a pytest plugin and may be imported before pytest, which
would warn that it can't rewrite the asserts of the plugin. There are none.
"""

from __future__ import annotations

import typing as _typing

from . import _aliases, _install
from ._install import install as install

if _typing.TYPE_CHECKING:
    from fastapi import APIRouter as APIRouter
    from fastapi import BackgroundTasks as BackgroundTasks
    from fastapi import Body as Body
    from fastapi import Cookie as Cookie
    from fastapi import Depends as Depends
    from fastapi import File as File
    from fastapi import Form as Form
    from fastapi import Header as Header
    from fastapi import HTTPException as HTTPException
    from fastapi import Path as Path
    from fastapi import Query as Query
    from fastapi import Request as Request
    from fastapi import Response as Response
    from fastapi import Security as Security
    from fastapi import UploadFile as UploadFile
    from fastapi import WebSocket as WebSocket
    from fastapi import WebSocketDisconnect as WebSocketDisconnect
    from fastapi import WebSocketException as WebSocketException
    from fastapi import status as status

    from .applications import FastAPI as FastAPI

    __version__: str

# The names that `from fastapi import *` gives, submodules aside. `install` is public but stays
# out: it is no name of fastapi's, and a star import must not bring in more than fastapi's does.
__all__ = [
    "APIRouter",
    "BackgroundTasks",
    "Body",
    "Cookie",
    "Depends",
    "FastAPI",
    "File",
    "Form",
    "HTTPException",
    "Header",
    "Path",
    "Query",
    "Request",
    "Response",
    "Security",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketException",
    "status",
]


def __getattr__(name: str) -> _typing.Any:
    if name == "__version__":
        # Who reads `fastapi.__version__` while we stand in for fastapi decides by the answer which
        # of fastapi's interfaces to use: it has to be fastapi's version.
        if _aliases.has_stood_in():
            return _aliases.real_fastapi().__version__
        from ._version import VERSION

        return VERSION
    if name == "FastAPI":
        from .applications import FastAPI

        return FastAPI
    # Private names are never fastapi's to us, and an import of a module of our own asks here
    # first: neither may load fastapi.
    if not name.startswith("_") and name not in _aliases.OWN_MODULES:
        try:
            return getattr(_aliases.real_fastapi(), name)
        except AttributeError:
            pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


_aliases.register()
_install.install_if_asked()
