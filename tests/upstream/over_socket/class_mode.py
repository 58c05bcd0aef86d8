"""Make `from fastapi import FastAPI` give hyperfastapi's class, and count which one is used."""

from __future__ import annotations

import functools
from typing import Any

from . import usage


def install() -> None:
    """Install hyperfastapi's application class into the fastapi package.

    Raises:
        RuntimeError: if `fastapi.FastAPI` is still the original afterwards.
    """
    import fastapi

    original = fastapi.FastAPI
    import hyperfastapi

    hyperfastapi.install()
    installed = fastapi.FastAPI
    if installed is original or not issubclass(installed, original):
        raise RuntimeError(
            f"hyperfastapi.install() left fastapi.FastAPI as {installed.__module__}."
            f"{installed.__qualname__}; a subclass of the original was expected"
        )
    original_init = original.__init__

    @functools.wraps(original_init)
    def counted_init(self: Any, *args: Any, **kwargs: Any) -> None:
        is_ours = isinstance(self, installed)
        usage.counts[usage.APP_INSTALLED if is_ours else usage.APP_ORIGINAL] += 1
        original_init(self, *args, **kwargs)

    original.__init__ = counted_init  # type: ignore[method-assign]
