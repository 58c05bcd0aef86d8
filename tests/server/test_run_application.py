"""Which application the command serves, and what happens when it can't."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from served_process import Run
from wire_client import get

FASTAPI_APP = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def read() -> str:
    return __name__
"""

FAILING_START = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""

CRASHING_FASTAPI = """
import contextlib

from fastapi import FastAPI


@contextlib.asynccontextmanager
async def lifespan(app):
    raise ConnectionError("no database")
    yield


app = FastAPI(lifespan=lifespan)
"""

WITHOUT_LIFESPAN = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
"""


def test_import_string_is_served(serve: Run) -> None:
    assert get(serve("main:app").port).status == 200


def test_file_is_served(serve: Run) -> None:
    assert get(serve("main.py:app").port).status == 200


def test_file_in_a_package_is_imported_as_its_module(serve: Run, directory: Path) -> None:
    package = directory / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "web.py").write_text(FASTAPI_APP)
    assert get(serve("shop/web.py").port).json() == "shop.web"


def test_application_is_found_without_a_name(serve: Run, directory: Path) -> None:
    (directory / "main.py").write_text(FASTAPI_APP)
    assert get(serve().port).json() == "main"


def test_pyproject_names_the_application(serve: Run, directory: Path) -> None:
    (directory / "other.py").write_text(FASTAPI_APP)
    (directory / "pyproject.toml").write_text('[tool.fastapi]\nentrypoint = "other:app"\n')
    assert get(serve().port).json() == "other"


def test_app_dir_is_where_modules_are_looked_up(serve: Run, directory: Path) -> None:
    (directory / "src").mkdir()
    (directory / "src" / "other.py").write_text(FASTAPI_APP)
    assert get(serve("other:app", "--app-dir", "src").port).json() == "other"


def test_factory_makes_the_application(serve: Run, directory: Path) -> None:
    (directory / "other.py").write_text("import main\n\n\ndef create():\n    return main.app\n")
    assert get(serve("other:create", "--factory").port).status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_missing_module_is_told_once_and_exits_3(run: Run, workers: str) -> None:
    command = run("nowhere:app", "--workers", workers)
    assert command.wait() == 3
    assert command.log.count("no module named 'nowhere'") == 1
    assert "Traceback" not in command.log


def test_missing_attribute_is_told_and_exits_3(run: Run) -> None:
    command = run("main:application")
    assert command.wait() == 3
    assert command.log.count("has no attribute 'application'") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_crash_of_the_import_is_shown_once_with_its_traceback(
    run: Run, directory: Path, workers: str
) -> None:
    (directory / "broken.py").write_text("import nothing_of_that_name\n")
    command = run("broken:app", "--workers", workers)
    assert command.wait() == 3
    assert command.log.count("ModuleNotFoundError: No module named 'nothing_of_that_name'") == 1
    assert command.log.count("Traceback (most recent call last):") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_failed_start_up_is_told_once_and_exits_3(run: Run, directory: Path, workers: str) -> None:
    """I119."""
    (directory / "main.py").write_text(FAILING_START)
    command = run("main:app", "--workers", workers)
    assert command.wait() == 3
    assert command.log.count("no database") == 1
    assert command.log.count("Application startup failed. Exiting.") == 1
    assert "hyperfastapi running on" not in command.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_exception_in_a_lifespan_is_shown_once_and_exits_3(
    run: Run, directory: Path, workers: str
) -> None:
    """I119."""
    (directory / "main.py").write_text(CRASHING_FASTAPI)
    command = run("main:app", "--workers", workers)
    assert command.wait() == 3
    assert command.log.count("ConnectionError: no database") == 1


def test_application_without_lifespan_is_served(serve: Run, directory: Path) -> None:
    """I119."""
    (directory / "main.py").write_text(WITHOUT_LIFESPAN)
    server = serve("main:app")
    assert get(server.port).status == 204
    assert "ASGI 'lifespan' protocol appears unsupported." in server.log
    assert server.stop() == -signal.SIGTERM


def test_application_without_lifespan_is_refused_when_lifespan_is_on(
    run: Run, directory: Path
) -> None:
    """I119."""
    (directory / "main.py").write_text(WITHOUT_LIFESPAN)
    command = run("main:app", "--lifespan", "on")
    assert command.wait() == 3
    assert "Application startup failed. Exiting." in command.log


def test_lifespan_off_asks_the_application_nothing(serve: Run) -> None:
    server = serve("main:app", "--lifespan", "off")
    assert get(server.port).status == 200
    server.stop()
    assert "lifespan" not in server.output
