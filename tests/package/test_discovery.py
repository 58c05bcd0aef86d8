"""Which application is found where: the `fastapi` command's own discovery is the measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ONE_APP = "from fastapi import FastAPI\napp = FastAPI()\n"
API_AND_OTHERS = (
    "from fastapi import FastAPI\nfrom starlette.applications import Starlette\n"
    "app = Starlette()\nafter, api, before = FastAPI(), FastAPI(), FastAPI()\n"
)
UNUSUAL_NAMES = "from fastapi import FastAPI\nsite = FastAPI()\nZone = FastAPI()\n"

# Ours first: it must not find its way through what the other has put on sys.path.
COMPARE = """
import sys
from pathlib import Path
from hyperfastapi._importer import load
given = sys.argv[1] or None
ours = load(given)
from fastapi_cli.config import FastAPIConfig
from fastapi_cli.discover import get_import_data, get_import_data_from_import_string
config = FastAPIConfig.resolve()
if given is None and config.entrypoint:
    data = get_import_data_from_import_string(config.entrypoint, True)
else:
    data = get_import_data(path=Path(given) if given else None)
print(data.import_string)
module = sys.modules[data.module_data.module_import_str]
assert ours is getattr(module, data.app_name), "another application"
"""


def discovered(directory: Path, given: str) -> str:
    """The import string of the application that both find; fails where they differ."""
    command = [sys.executable, "-c", COMPARE, given]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("files", "given", "found"),
    [
        ({"main.py": ONE_APP, "app.py": ONE_APP}, "", "main:app"),
        ({"api.py": ONE_APP, "app/main.py": ONE_APP}, "", "api:app"),
        ({"app/main.py": ONE_APP}, "", "main:app"),
        ({"app/main.py": ONE_APP, "app/__init__.py": ""}, "", "app.main:app"),
        ({"app/api.py": ONE_APP, "app/__init__.py": "", "__init__.py": ""}, "", None),
        ({"main.py": API_AND_OTHERS}, "", "main:api"),
        ({"main.py": UNUSUAL_NAMES}, "", "main:Zone"),
        ({"main.py": ONE_APP, "other.py": UNUSUAL_NAMES}, "other.py", "other:Zone"),
        ({"a/b/c.py": ONE_APP, "a/b/__init__.py": ""}, "a/b/c.py", "b.c:app"),
        ({"a/b/__init__.py": ONE_APP}, "a/b/__init__.py", "b:app"),
        ({"a/__init__.py": ONE_APP}, "a", "a:app"),
        ({"a/__init__.py": ONE_APP, "__init__.py": ""}, "a", None),
        (
            {
                "pyproject.toml": '[tool.fastapi]\nentrypoint = "other:site"\n',
                "main.py": ONE_APP,
                "other.py": UNUSUAL_NAMES,
            },
            "",
            "other:site",
        ),
        (
            {
                "pyproject.toml": '[tool.fastapi]\nentrypoint = "other:site"\n',
                "main.py": ONE_APP,
                "other.py": UNUSUAL_NAMES,
            },
            "main.py",
            "main:app",
        ),
        ({"pyproject.toml": "[tool.other]\n", "main.py": ONE_APP}, "", "main:app"),
    ],
)
def test_the_application_that_the_fastapi_command_finds_is_found(
    tmp_path: Path, files: dict[str, str], given: str, found: str | None
) -> None:
    write(tmp_path, files)
    string = discovered(tmp_path, given)
    if found is None:  # the directory itself is a package: its name comes first
        assert string.startswith(f"{tmp_path.name}.")
    else:
        assert string == found


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "none of main.py, app.py, api.py, app/main.py, app/app.py, app/api.py exists"),
        ({"main.py": "other = 5\n"}, "there is no FastAPI application in the module 'main'"),
        ({"pyproject.toml": "[tool.fastapi\n"}, "pyproject.toml can't be read"),
        ({"pyproject.toml": "[tool.fastapi]\nentrypoint = 5\n"}, "has to be a string"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, files: dict[str, str], said: str) -> None:
    write(tmp_path, files)
    command = [sys.executable, "-m", "hyperfastapi", "run", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert said in done.stderr
