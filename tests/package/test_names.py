"""Every public name of fastapi can be had from hyperfastapi, as the same object."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import fastapi
import mypy.api
import pytest
from fastapi_modules import MODULES

import hyperfastapi
from conftest import Python
from hyperfastapi import _aliases

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "hyperfastapi"


OURS = {"FastAPI", "applications"}


def public_names(module: ModuleType) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


@pytest.mark.parametrize("name", sorted(set(public_names(fastapi)) - OURS))
def test_name_of_fastapi_is_the_same_object(name: str) -> None:
    assert getattr(hyperfastapi, name) is getattr(fastapi, name)


# Some of fastapi's modules warn at import that they are deprecated.
@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("name", [n for n in MODULES if n != "applications"])
def test_submodule_is_the_very_module(name: str) -> None:
    real = importlib.import_module(f"fastapi.{name}")
    spec = real.__spec__
    assert importlib.import_module(f"hyperfastapi.{name}") is real
    assert sys.modules[f"hyperfastapi.{name}"] is real
    assert real.__spec__ is spec
    assert real.__name__ == f"fastapi.{name}"


def test_there_are_submodules_to_test() -> None:
    assert len(MODULES) > 40
    assert {"applications", "responses", "security.oauth2", "middleware.cors"} <= set(MODULES)


def test_applications_has_our_class_and_fastapis_other_names() -> None:
    from hyperfastapi import applications

    assert applications.FastAPI is not fastapi.applications.FastAPI
    for name in public_names(fastapi.applications):
        if name != "FastAPI":
            assert getattr(applications, name) is getattr(fastapi.applications, name), name


def test_fastapi_is_a_subclass_that_adds_compiled_routes_and_little_else() -> None:
    ours = hyperfastapi.FastAPI
    assert ours.__module__ == "hyperfastapi.applications"
    assert ours.__qualname__ == "FastAPI"
    assert ours.__bases__ == (fastapi.FastAPI,)
    implied = {"__module__", "__doc__", "__static_attributes__", "__firstlineno__"}
    added = {"run_native", "time_limit", "cancel_on_disconnect"}
    assert set(vars(ours)) - implied == {*added, "__call__", "build_middleware_stack"}


def test_openapi_is_that_of_fastapi() -> None:
    schemas = []
    for cls in (fastapi.FastAPI, hyperfastapi.FastAPI):
        app = cls(title="Shop", version="2")

        @app.get("/items/{item}")
        def read(item: int, detail: bool = False) -> dict[str, int]:
            return {"item": item, "detail": detail}

        schemas.append(app.openapi())
    assert schemas[0] == schemas[1]


def test_star_import_gives_what_fastapis_gives() -> None:
    ours: dict[str, object] = {}
    exec("from hyperfastapi import *", ours)
    theirs = [n for n in public_names(fastapi) if not isinstance(vars(fastapi)[n], ModuleType)]
    assert set(theirs) | {"status"} == {name for name in ours if not name.startswith("_")}


def test_dir_lists_the_names() -> None:
    assert {"FastAPI", "Depends", "install", "__version__"} <= set(dir(hyperfastapi))


def test_unknown_name_is_an_attribute_error_of_ours() -> None:
    with pytest.raises(AttributeError, match="module 'hyperfastapi' has no attribute 'Fastapi'"):
        hyperfastapi.Fastapi  # noqa: B018
    with pytest.raises(AttributeError, match=r"'hyperfastapi\.applications' has no attribute 'x'"):
        hyperfastapi.applications.x  # noqa: B018


def test_unknown_submodule_is_an_import_error_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'hyperfastapi\.nothing'"):
        importlib.import_module("hyperfastapi.nothing")
    assert importlib.util.find_spec("hyperfastapi.security.nothing") is None


def test_private_submodules_of_fastapi_are_not_ours() -> None:
    assert importlib.util.find_spec("hyperfastapi._compat") is None


def test_importing_hyperfastapi_does_not_import_fastapi(python: Python) -> None:
    program = """
import sys, hyperfastapi, hyperfastapi._install
from hyperfastapi import install, _aliases, __version__
assert "fastapi" not in sys.modules and "starlette" not in sys.modules
print(__version__)
"""
    assert python(program) == "0.1.0\n"


def test_versions_agree() -> None:
    meson = (ROOT / "meson.build").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    version = hyperfastapi.__version__
    assert re.search(r"^ +version: '(.+)',", meson, re.M)[1] == version  # type: ignore[index]
    assert re.search(r'^version = "(.+)"', project, re.M)[1] == version  # type: ignore[index]


@pytest.mark.parametrize("name", [n for n in MODULES if n not in _aliases.OWN_MODULES])
def test_type_checkers_find_the_submodule(name: str) -> None:
    path = PACKAGE / f"{name.replace('.', '/')}.py"
    if not path.exists():
        path = path.with_suffix("") / "__init__.py"
    assert path.read_text() == f"from fastapi.{name} import *\n"


def test_own_modules_are_those_that_are_not_reexports() -> None:
    public = [path for path in PACKAGE.glob("[!_]*.py") if path.stem not in MODULES]
    assert {path.stem for path in public} <= _aliases.OWN_MODULES


def test_every_file_is_installed() -> None:
    lines = (PACKAGE / "meson.build").read_text().splitlines()
    code = "".join(line for line in lines if not line.startswith("#"))
    listed = set(re.findall(r"'([^']*)'", code))
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyi", ".typed")]
    assert [path for path in files if not {path.name, path.stem} & listed] == []


def test_mypy_sees_the_names(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
from hyperfastapi import Depends, FastAPI, Query, install
from hyperfastapi.middleware.cors import CORSMiddleware
from hyperfastapi.responses import JSONResponse
from hyperfastapi.security import OAuth2PasswordBearer
import fastapi

app = FastAPI(title="typed")
base: fastapi.FastAPI = app
app.add_middleware(CORSMiddleware, allow_origins=["*"])
response: JSONResponse = JSONResponse({})
scheme = OAuth2PasswordBearer(tokenUrl="token")
reveal_type(app.run_native)
install()
"""
    )
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {PACKAGE.parent}\n")
    cache = tmp_path / "cache"
    out, err, status = mypy.api.run(
        [
            "--config-file",
            str(config),
            "--cache-dir",
            str(cache),
            "--python-executable",
            sys.executable,
            str(program),
        ]
    )
    assert status == 0, out + err
    assert "reuse_port: bool" in out
