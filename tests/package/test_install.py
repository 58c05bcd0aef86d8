"""The three ways to make `from fastapi import FastAPI` give hyperfastapi's class."""

from __future__ import annotations

import json

import pytest
from fastapi_modules import MODULES

from conftest import Python

SNIPPET = 'import sys, hyperfastapi; sys.modules.setdefault("fastapi", hyperfastapi)\n'

OURS = """
import sys
from fastapi import FastAPI
import fastapi.applications
assert FastAPI.__module__ == "hyperfastapi.applications", FastAPI
assert fastapi.FastAPI is FastAPI and fastapi.applications.FastAPI is FastAPI
assert sys.modules["fastapi"].FastAPI is FastAPI
print("ours")
"""

# No class of fastapi may exist twice: isinstance() and except would miss one of them.
NO_COPIES = """
def assert_no_copies():
    import gc, sys
    for name, module in list(sys.modules.items()):
        if name == "fastapi" or name.startswith("fastapi."):
            assert module.__name__ == name and module.__spec__.name == name, (name, module)
    seen = {}
    gc.collect()
    for cls in gc.get_objects():
        if isinstance(cls, type) and str(cls.__module__).split(".")[0] == "fastapi":
            # pydantic makes a second class for a generic or a dataclass of its own accord; a
            # copy of a module would have a second object under the name in the module.
            home = sys.modules[cls.__module__]
            named = getattr(home, cls.__qualname__, cls)
            # A dataclass with slots replaces its class, which Python 3.11.2 and older keep alive.
            replaced = getattr(vars(named).get("__weakref__"), "__objclass__", None)
            if cls not in (named, replaced):
                seen.setdefault((cls.__module__, cls.__qualname__), []).append(cls)
    seen.pop(("fastapi.applications", "FastAPI"), None)
    assert not seen, seen
"""


def test_install_swaps_the_class(python: Python) -> None:
    assert python("import hyperfastapi; hyperfastapi.install()" + OURS) == "ours\n"


def test_install_after_fastapi_was_imported_swaps_the_class(python: Python) -> None:
    program = "import fastapi, fastapi.routing, hyperfastapi; hyperfastapi.install()"
    assert python(program + OURS) == "ours\n"


def test_install_again_does_nothing(python: Python) -> None:
    program = """
import hyperfastapi
hyperfastapi.install()
from fastapi import FastAPI
hyperfastapi.install()
"""
    assert python(program + OURS) == "ours\n"


def test_install_names_the_modules_that_keep_the_old_class(python: Python) -> None:
    program = """
import sys, types, warnings
import fastapi
early = types.ModuleType("early")
exec("from fastapi import FastAPI as Base", vars(early))
sys.modules["early"] = early
import hyperfastapi
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    hyperfastapi.install()
[warning] = caught
assert warning.category is RuntimeWarning
assert warning.filename == "<string>", warning.filename
print(warning.message)
"""
    message = python(program)
    assert "before hyperfastapi was installed and keep the original class: early. Call" in message


def test_variable_installs_at_first_import(python: Python) -> None:
    assert python("import hyperfastapi" + OURS, HYPERFASTAPI_AS_FASTAPI="1") == "ours\n"


def test_variable_set_to_0_does_nothing(python: Python) -> None:
    program = 'import sys, hyperfastapi; print("fastapi" in sys.modules)'
    assert python(program, HYPERFASTAPI_AS_FASTAPI="0") == "False\n"


def test_variable_with_another_value_is_an_error(python: Python) -> None:
    program = """
try:
    import hyperfastapi
except ValueError as error:
    print(error)
"""
    said = python(program, HYPERFASTAPI_AS_FASTAPI="maybe")
    assert said.startswith("HYPERFASTAPI_AS_FASTAPI='maybe' means neither yes nor no: set it to 1")


def test_snippet_gives_our_class(python: Python) -> None:
    assert python(SNIPPET + OURS) == "ours\n"


def test_snippet_loads_nothing_of_fastapi_by_itself(python: Python) -> None:
    program = SNIPPET + 'print([m for m in sys.modules if m.startswith("fastapi.")])'
    assert python(program) == "[]\n"


def test_snippet_does_nothing_where_fastapi_was_imported(python: Python) -> None:
    program = "import fastapi\n" + SNIPPET + "print(fastapi.FastAPI.__module__)"
    assert python(program) == "fastapi.applications\n"


def test_snippet_then_package_attribute(python: Python) -> None:
    program = """
import fastapi
app = fastapi.FastAPI()
assert type(app).__module__ == "hyperfastapi.applications"
from fastapi.applications import FastAPI
assert isinstance(app, FastAPI) and isinstance(app, fastapi.FastAPI)
print(fastapi.Depends is sys.modules["fastapi"].Depends)
"""
    assert python(SNIPPET + program) == "True\n"


def test_snippet_then_submodule_by_from(python: Python) -> None:
    program = """
from fastapi import staticfiles, routing
import hyperfastapi.staticfiles
assert hyperfastapi.staticfiles is staticfiles is sys.modules["fastapi.staticfiles"]
assert routing is sys.modules["fastapi.routing"]
"""
    assert python(SNIPPET + program + OURS) == "ours\n"


def test_snippet_leaves_the_version_to_fastapi(python: Python) -> None:
    program = """
import fastapi, importlib.metadata
assert fastapi.__version__ == importlib.metadata.version("fastapi")
from fastapi import __version__
assert __version__ == importlib.metadata.version("fastapi")
"""
    assert python(SNIPPET + program) == ""


def test_snippet_then_missing_submodule(python: Python) -> None:
    program = """
import importlib.util
assert importlib.util.find_spec("fastapi.nothing") is None
assert importlib.util.find_spec("fastapi.responses") is not None
try:
    import fastapi.nothing
except ModuleNotFoundError as error:
    print(error)
"""
    assert python(SNIPPET + program + OURS) == "No module named 'fastapi.nothing'\nours\n"


def test_snippet_in_place_of_an_imported_fastapi_keeps_its_modules(python: Python) -> None:
    program = """
import sys, fastapi.routing as first, hyperfastapi
real = sys.modules["fastapi"]
from hyperfastapi import Depends
sys.modules["fastapi"] = hyperfastapi
from fastapi import FastAPI
import fastapi.routing
assert sys.modules["fastapi"] is real and fastapi.routing is first
assert_no_copies()
"""
    assert python(NO_COPIES + program + OURS) == "ours\n"


def test_failed_import_of_fastapi_under_the_snippet_can_be_repeated(python: Python) -> None:
    program = """
sys.modules["fastapi.routing"] = None
for attempt in range(2):
    try:
        from fastapi import FastAPI
    except ImportError as error:
        print(type(error).__name__, sys.modules["fastapi"] is hyperfastapi)
del sys.modules["fastapi.routing"]
"""
    said = python(SNIPPET + program + OURS)
    assert said == "ModuleNotFoundError True\nModuleNotFoundError True\nours\n"


# One interpreter that has fastapi's dependencies loaded, and a fork of it for each submodule.
FORKS = """
import importlib, json, os, traceback
import pydantic, starlette.routing, starlette.responses, starlette.testclient, anyio
modules = json.loads(os.environ["MODULES"])
for name in modules:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            module = importlib.import_module("fastapi." + name)
            assert module.__name__ == "fastapi." + name
            assert sys.modules["fastapi"].__name__ == "fastapi"
            ours = importlib.import_module("hyperfastapi." + name)
            assert (ours is module) == (name != "applications")
            from fastapi import FastAPI
            assert FastAPI.__module__ == "hyperfastapi.applications"
            assert_no_copies()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, name
print(len(modules))
"""


@pytest.mark.parametrize(
    "start",
    [SNIPPET, "import sys, hyperfastapi; hyperfastapi.install()\n"],
    ids=["snippet", "install"],
)
def test_every_submodule_can_be_the_first_import(python: Python, start: str) -> None:
    # Some of fastapi's modules warn at import that they are deprecated.
    said = python(NO_COPIES + start + FORKS, warnings="ignore", MODULES=json.dumps(MODULES))
    assert said == f"{len(MODULES)}\n"


def test_application_under_the_snippet_answers(python: Python) -> None:
    program = """
from fastapi.responses import JSONResponse
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from fastapi.security import HTTPBearer
app = FastAPI()

@app.get("/", response_class=JSONResponse)
def read(token=Depends(HTTPBearer(auto_error=False))):
    raise HTTPException(418, "tea")

print(TestClient(app).get("/").text)
"""
    assert python(SNIPPET + program) == '{"detail":"tea"}\n'
