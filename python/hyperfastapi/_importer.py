"""Finding the application: an import string, a file, or nothing at all.

Discovery follows the `fastapi` command: https://fastapi.tiangolo.com/fastapi-cli/.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

DEFAULT_PATHS = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")


class ImportFromError(Exception):
    """The application can't be found or imported; the message says what to change."""


def _entrypoint() -> str | None:
    """The `entrypoint` of `[tool.fastapi]` in this directory's pyproject.toml."""
    path = Path("pyproject.toml")
    if not path.is_file():
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ImportFromError(f"pyproject.toml can't be read: {error}") from None
    entrypoint = table.get("tool", {}).get("fastapi", {}).get("entrypoint")
    if entrypoint is not None and not isinstance(entrypoint, str):
        raise ImportFromError("pyproject.toml: tool.fastapi.entrypoint has to be a string")
    return entrypoint


def _module_of(path: Path) -> tuple[str, Path]:
    """The module's name and the directory to import it from, packages around it included."""
    path = path.resolve()
    module = path.parent if path.stem == "__init__" else path
    parts = [module.stem]
    root = module.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    return ".".join(parts), root


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # What the module itself fails to import is its own error, with its own traceback.
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ImportFromError(
                f"no module named {error.name!r}; is --app-dir the directory that holds it?"
            ) from None
        raise


def _discover(module: ModuleType) -> str:
    """The name of the FastAPI application in a module: `app`, `api`, or the first one."""
    from fastapi import FastAPI

    names = dir(module)
    for name in ("app", "api", *names):
        if name in names and isinstance(getattr(module, name), FastAPI):
            return name
    raise ImportFromError(
        f"there is no FastAPI application in the module {module.__name__!r}; name it:"
        f" {module.__name__}:NAME"
    )


def _take(module: ModuleType, attributes: str) -> Any:
    found: Any = module
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise ImportFromError(
                f"the module {module.__name__!r} has no attribute {attributes!r}"
            ) from None
    return found


def load(target: str | None, *, app_dir: str = "", factory: bool = False) -> Any:
    """Import the application.

    Args:
        target: ``module:attribute``, ``module``, or the path of a file or of a package's directory
            (``file.py:attribute`` as well); None: what pyproject.toml's ``[tool.fastapi]`` names,
            else the first of `DEFAULT_PATHS` that exists. Without an attribute the module's FastAPI
            application.
        app_dir: the directory that import strings are looked up in.
        factory: the attribute is a function that makes the application.

    Raises:
        ImportFromError: nothing is found there.
    """
    target = target or _entrypoint()
    if target is None:
        for candidate in DEFAULT_PATHS:
            if Path(candidate).is_file():
                target = candidate
                break
        else:
            raise ImportFromError(
                "no application given, and none of " + ", ".join(DEFAULT_PATHS) + " exists;"
                " try: hyperfastapi run main:app"
            )
    location, _, attributes = target.partition(":")
    is_package = not attributes and not app_dir and Path(location).is_dir()
    if location.endswith(".py") or "/" in location or is_package:
        path = Path(location)
        if not path.exists():
            raise ImportFromError(f"there is no file {location!r}")
        name, root = _module_of(path)
        sys.path.insert(0, str(root))
    else:
        name = location
        sys.path.insert(0, str(Path(app_dir or ".").resolve()))
    module = _import(name)
    app = _take(module, attributes or _discover(module))
    if factory:
        try:
            app = app()
        except TypeError as error:
            raise ImportFromError(f"{target!r} is not an application factory: {error}") from error
    if not callable(app):
        raise ImportFromError(f"{target!r} is not an application: it can't be called")
    return app
