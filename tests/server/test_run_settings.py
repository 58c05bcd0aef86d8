"""Settings that show in responses, and the places they come from."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from over import Over
from served_process import Run
from wire_client import get


def test_root_path_is_put_before_the_path(over: Over) -> None:
    shown = over.get(over.serve("main:app", "--root-path", "/api"), "/items").json()
    assert (shown["root_path"], shown["path"]) == ("/api", "/api/items")


def test_server_and_date_come_first(over: Over) -> None:
    answer = over.get(over.serve("main:app"))
    assert sorted(name for name, _ in answer.headers[:2]) == ["date", "server"]
    assert answer.header("server") == "hyperfastapi"
    assert parsedate_to_datetime(answer.header("date") or "").tzinfo is not None


def test_added_headers_are_sent_in_their_order(over: Over) -> None:
    answer = over.get(over.serve("main:app", "--header", "X-One: 1", "--header", "X-Two:2"))
    added = [header for header in answer.headers if header[0].startswith("x-")]
    assert added == [("x-one", "1"), ("x-two", "2")]


def test_added_server_header_takes_the_place_of_ours(over: Over) -> None:
    answer = over.get(over.serve("main:app", "--header", "Server: mine"))
    assert [value for name, value in answer.headers if name == "server"] == ["mine"]


def test_server_header_can_be_left_out(over: Over) -> None:
    answer = over.get(over.serve("main:app", "--no-server-header"))
    assert answer.header("server") is None
    assert answer.header("date") is not None


def test_date_header_can_be_left_out(over: Over) -> None:
    answer = over.get(over.serve("main:app", "--no-date-header"))
    assert answer.header("date") is None
    assert answer.header("server") is not None


@pytest.mark.parametrize("flags", [("--no-proxy-headers",), ("--forwarded-allow-ips", "10.0.0.1")])
def test_proxy_that_is_not_trusted_is_not_believed(serve: Run, flags: tuple[str, ...]) -> None:
    server = serve("main:app", *flags)
    shown = get(server.port, "/", "x-forwarded-for: 203.0.113.7", "x-forwarded-proto: https").json()
    assert (shown["client"][0], shown["scheme"]) == ("127.0.0.1", "http")


def test_variables_set_what_flags_leave_open(serve: Run) -> None:
    server = serve(
        "main:app",
        "--root-path",
        "/flag",
        HYPERFASTAPI_ROOT_PATH="/variable",
        HYPERFASTAPI_SERVER_HEADER="0",
        HYPERFASTAPI_HEADERS="X-One: 1\nX-Two: 2",
    )
    answer = get(server.port)
    assert answer.json()["root_path"] == "/flag"
    assert answer.header("server") is None
    assert (answer.header("x-one"), answer.header("x-two")) == ("1", "2")


def test_web_concurrency_sets_the_workers(serve: Run) -> None:
    server = serve("main:app", WEB_CONCURRENCY="2")
    server.wait_for_log("Application startup complete", 2)
    assert len(server.worker_pids()) == 2


def test_env_file_is_read_by_settings_and_application(serve: Run, directory: Path) -> None:
    (directory / "settings.env").write_text("GREETING=hello\nHYPERFASTAPI_ROOT_PATH=/from-file\n")
    shown = get(serve("main:app", "--env-file", "settings.env", GREETING=None).port).json()
    assert (shown["greeting"], shown["root_path"]) == ("hello", "/from-file")


def test_variable_that_is_set_wins_over_the_env_file(serve: Run, directory: Path) -> None:
    (directory / "settings.env").write_text("GREETING=hello\n")
    shown = get(serve("main:app", "--env-file", "settings.env", GREETING="set").port).json()
    assert shown["greeting"] == "set"


def test_missing_env_file_is_named_and_exits_2(run: Run) -> None:
    command = run("main:app", "--env-file", "nowhere.env")
    assert command.wait() == 2
    assert "--env-file='nowhere.env': there is no such file" in command.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_uvloop_serves_when_asked_for(serve: Run, workers: str) -> None:
    server = serve("main:app", "--loop", "uvloop", "--workers", workers)
    assert get(server.port).json()["loop"] == "uvloop"
    server.stop()
    assert "lifespan.shutdown" in server.output


def test_asyncio_serves_otherwise(serve: Run) -> None:
    assert get(serve("main:app").port).json()["loop"].startswith("asyncio")
