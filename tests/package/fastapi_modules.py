"""The public submodules of the installed fastapi, found on its path."""

from __future__ import annotations

import pkgutil

import fastapi


def public_modules() -> list[str]:
    """Dotted names below `fastapi`, packages included: `responses`, `security.oauth2`."""
    found = pkgutil.walk_packages(fastapi.__path__, prefix="fastapi.")
    names = [module.name.removeprefix("fastapi.") for module in found]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


MODULES = public_modules()
