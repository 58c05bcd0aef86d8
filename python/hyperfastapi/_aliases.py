"""Module aliases: `hyperfastapi.<name>` is the very module `fastapi.<name>`.

One finder serves all of fastapi's public submodules, those of later versions too, so that no
class, function or module-level state of fastapi ever exists twice. The one-line files beside this
one (`responses.py`, `security/oauth2.py`, ...) say the same to type checkers and editors, which do
not run import hooks; the finder stands before them and keeps them from being run.

hyperfastapi can also *stand in* for fastapi: `sys.modules.setdefault("fastapi", hyperfastapi)`
before anything imported fastapi. Nothing of fastapi is loaded until the first name is asked for.
Then the real package is imported, takes its own place in `sys.modules` for good, and gets our
application class (see `_install`): from there on there is one `fastapi`, and it is the real one.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

OWN_MODULES = frozenset({"applications", "cancellation", "plans", "testing", "uploads"})
"""Public modules of hyperfastapi that are not fastapi's: never aliased."""

_PACKAGE = __name__.partition(".")[0]
_swap_lock = threading.Lock()
_real: ModuleType | None = None
_stood_in = False


def stands_in() -> bool:
    """Whether `sys.modules["fastapi"]` is hyperfastapi at this moment."""
    standing = sys.modules.get("fastapi")
    return standing is not None and standing is sys.modules.get(_PACKAGE)


def has_stood_in() -> bool:
    """Whether hyperfastapi stands in for fastapi or did so before the real package was loaded."""
    return _stood_in or stands_in()


def import_real() -> ModuleType:
    """Import the real fastapi package, once, and put it in its place in `sys.modules`.

    Returns:
        The package `fastapi`, never hyperfastapi.

    Raises:
        ImportError: fastapi can't be imported; `sys.modules` is then as it was.
    """
    global _real, _stood_in
    # The import itself must not hold the lock: it takes the import locks of other modules.
    with _swap_lock:
        swapped = stands_in()
        if swapped:
            _stood_in = True
            stand_in = sys.modules.pop("fastapi")
            if _real is not None:
                sys.modules["fastapi"] = _real
    try:
        _real = importlib.import_module("fastapi")
    except BaseException:
        if swapped:
            sys.modules.setdefault("fastapi", stand_in)
        raise
    return _real


def real_fastapi() -> ModuleType:
    """Import the real fastapi package; where hyperfastapi stood in for it, install our class.

    Returns:
        The package `fastapi`, never hyperfastapi.

    Raises:
        ImportError: fastapi can't be imported.
    """
    swapped = stands_in()
    real = import_real()
    if swapped:
        from . import _install

        _install.substitute()
    return real


def _find_real(name: str) -> ModuleSpec | None:
    """Find the spec of a module of fastapi without importing anything."""
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    prefix = ""
    for part in name.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        spec = None
        for finder in sys.meta_path:
            if finder is AliasFinder:
                continue
            spec = finder.find_spec(prefix, path, None)
            if spec is not None:
                break
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    return spec


class _AliasLoader(importlib.abc.Loader):
    """Gives the import system a module that exists already, and leaves it as it was."""

    def __init__(self, real_name: str) -> None:
        self._real_name = real_name
        self._real_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        real_fastapi()
        module = importlib.import_module(self._real_name)
        self._real_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the alias's spec on the module; its own must stay, since
        # relative imports, reload() and pickling go by it.
        module.__spec__ = self._real_spec


class AliasFinder:
    """A meta path finder for `hyperfastapi.<name>` and, while we stand in, `fastapi.<name>`."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec that loads fastapi's module under `fullname`, or None if it is not ours.

        The parameters are those of `importlib.abc.MetaPathFinder.find_spec`.
        """
        package, _, rest = fullname.partition(".")
        if not rest:
            return None
        if package == _PACKAGE:
            if rest.startswith("_") or rest.partition(".")[0] in OWN_MODULES:
                return None
        elif package != "fastapi" or not stands_in():
            return None
        real_name = f"fastapi.{rest}"
        if _find_real(real_name) is None:
            return None
        return ModuleSpec(fullname, _AliasLoader(real_name), origin=f"alias of {real_name}")


def register() -> None:
    """Put the finder before all others, once: theirs would find our files for fastapi's names."""
    if AliasFinder not in sys.meta_path:
        sys.meta_path.insert(0, AliasFinder)
