"""The command line: flags, variables, env-file, and what is said of a mistake."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperfastapi import _cli, _config, _launch
from hyperfastapi._config import SETTINGS, Config

Run = Callable[..., tuple[Config, "str | None"]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `hyperfastapi run`; the configuration and target that it would serve."""
    served: list[tuple[Config, str | None]] = []

    def run_command(config: Config, target: str | None) -> int:
        served.append((config, target))
        return 0

    monkeypatch.setattr(_launch, "run_command", run_command)
    for variable in (*map(_config.variable_of, SETTINGS), "HYPERFASTAPI_APP"):
        # Set first, so that what an env-file adds is taken away again.
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)

    def call(*arguments: str) -> tuple[Config, str | None]:
        assert _cli.main(["run", *arguments]) == 0
        return served[-1]

    return call


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says of arguments that it refuses with exit code 2."""
    try:
        code = _cli.main(list(arguments))
    except SystemExit as exiting:
        code = exiting.code  # type: ignore[assignment]
    assert code == 2
    return capsys.readouterr().err


def test_nothing_given_is_the_defaults(run: Run) -> None:
    assert run() == (Config(), None)


def test_flags_of_uvicorn_mean_the_same(run: Run) -> None:
    config, target = run(
        "main:app", "--host", "0.0.0.0", "--port", "80", "--workers", "4", "--loop", "uvloop",
        "--no-access-log", "--root-path", "/api", "--no-proxy-headers", "--no-server-header",
        "--no-date-header", "--header", "X-A: b", "--header", "X-C:d", "--log-level", "debug",
        "--limit-concurrency", "9", "--backlog", "5", "--timeout-keep-alive", "7",
        "--timeout-graceful-shutdown", "3", "--ws-max-size", "10", "--factory", "--app-dir", "src",
        "--forwarded-allow-ips", "*", "--lifespan", "on", "--no-use-colors", "--reload-dir", "a",
        "--reload-dir", "b", "--reload-include", "*.html", "--ws-ping-interval", "none",
    )  # fmt: skip
    assert target == "main:app"
    assert config == Config(
        host="0.0.0.0",
        port=80,
        workers=4,
        loop="uvloop",
        access_log=False,
        root_path="/api",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        headers=[("X-A", "b"), ("X-C", "d")],
        log_level="debug",
        limit_concurrency=9,
        backlog=5,
        timeout_keep_alive=7,
        timeout_graceful_shutdown=3,
        ws_max_size=10,
        factory=True,
        app_dir="src",
        forwarded_allow_ips="*",
        lifespan="on",
        use_colors=False,
        reload_dirs=["a", "b"],
        reload_includes=["*.html"],
        ws_ping_interval=None,
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_help_lists_every_setting(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _cli.main(["run", "--help"])
    said = capsys.readouterr().out
    assert _config.flag_of(name) in said
    assert _config.variable_of(name) in said


def test_precedence_is_flag_variable_env_file_default(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text(
        "HYPERFASTAPI_PORT=1\nHYPERFASTAPI_BACKLOG=1\nHYPERFASTAPI_HOST=::1\nHYPERFASTAPI_FD=\n"
    )
    monkeypatch.setenv("HYPERFASTAPI_PORT", "2")
    monkeypatch.setenv("HYPERFASTAPI_BACKLOG", "2")
    config, _ = run("--env-file", str(env_file), "--port", "3")
    assert (config.port, config.backlog, config.host, config.fd) == (3, 2, "::1", None)


def test_env_file_can_be_named_by_a_variable_and_is_seen_by_the_application(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("PACKAGE_TEST_SECRET=s3\n")
    monkeypatch.setenv("PACKAGE_TEST_SECRET", "")
    monkeypatch.delenv("PACKAGE_TEST_SECRET")
    monkeypatch.setenv("HYPERFASTAPI_ENV_FILE", str(env_file))
    run()
    assert os.environ["PACKAGE_TEST_SECRET"] == "s3"


def test_missing_env_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "run", "--env-file", "nowhere.env")
    assert said == "hyperfastapi: --env-file='nowhere.env': there is no such file\n"


def test_application_can_be_named_by_a_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFASTAPI_APP", "shop:app")
    assert run()[1] == "shop:app"
    assert run("main:app")[1] == "main:app"


def test_wrong_value_names_flag_value_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "run", "--port", "http")
    assert said == "hyperfastapi: --port='http': must be a whole number from 0 to 65535\n"


def test_unknown_flag_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "run", "main:app", "--limit-concurency", "5")
    assert "--limit-concurency 5; did you mean --limit-concurrency?" in said


def test_flags_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean --workers?" in refused(capsys, "run", "--worker", "5")


def test_application_without_run_is_told_of_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert "hyperfastapi run main:app" in refused(capsys, "main:app")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--ssl-cert-reqs", "2"),
            "--ssl-cert-reqs='2': give --tls-client-ca and --tls-client-auth",
        ),
        (
            ("--ssl-version", "17"),
            "--ssl-version='17': the lowest version is set by --tls-min-vers",
        ),
        (("--interface", "wsgi"), "--interface='wsgi': only ASGI 3 is served; wrap"),
        (("--ws", "none"), "--ws='none': WebSockets are always on"),
    ],
)
def test_flag_of_uvicorn_that_would_have_to_do_something_is_refused(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, "run", "main:app", *arguments)


def test_flags_of_uvicorn_for_tls_mean_the_same(run: Run) -> None:
    config, _ = run(
        "main:app", "--ssl-certfile", "c.pem", "--ssl-keyfile", "k.pem", "--ssl-ca-certs", "ca.pem",
        "--ssl-keyfile-password", "secret", "--ssl-ciphers", "ECDHE+AESGCM",
    )  # fmt: skip
    assert (config.tls_cert, config.tls_key) == (("c.pem",), ("k.pem",))
    assert (config.tls_client_ca, config.tls_key_password) == ("ca.pem", "secret")
    assert config.tls_ciphers == "ECDHE+AESGCM"


def test_flag_of_uvicorn_that_chooses_an_implementation_is_ignored_aloud(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--http", "httptools", "--ws", "websockets", "--interface", "asgi3")
    said = capsys.readouterr().err
    assert said == "hyperfastapi: --http is ignored: hyperfastapi parses HTTP itself\n"


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--version"]])
def test_version_names_what_runs(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exiting:
        _cli.main(arguments)
    assert exiting.value.code == 0
    assert capsys.readouterr().out.startswith("hyperfastapi 0.1.0 (")


def test_the_command_explains_an_application(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "explained.py").write_text(
        "from fastapi import FastAPI\n"
        "app = FastAPI()\n"
        "@app.get('/a/{b}')\n"
        "def f(b: int): return b\n"
    )
    code = _cli.main(["explain", "explained:app", "--app-dir", str(tmp_path)])
    output = capsys.readouterr().out
    assert code == 0
    route = next(line for line in output.splitlines() if "/a/{b}" in line)
    assert route.split() == ["route", "GET", "/a/{b}", "f", "native"]
    assert "5 of 5 routes are compiled, entered from the server." in output


def test_the_command_cannot_explain_what_is_no_fastapi_application(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.py").write_text("async def app(scope, receive, send): ...\n")
    assert _cli.main(["explain", "other:app", "--app-dir", str(tmp_path)]) == 1
    assert "no FastAPI application" in capsys.readouterr().err
