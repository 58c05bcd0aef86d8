"""The command: ``hyperfastapi run main:app``."""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from . import _config, _install
from ._version import VERSION

_DESCRIPTION = "FastAPI, Starlette and any other ASGI application on a server written in C."
_TARGET_HELP = (
    "MODULE:NAME, or the path of a file. Without it, what pyproject.toml's [tool.fastapi] names,"
    " or the application in main.py, app.py, api.py or app/."
)


_EPILOG = (
    "The variable in brackets is read where the flag is not given; APP can be given as"
    " HYPERFASTAPI_APP. A flag wins over a variable, a variable over the env-file."
)


def _add_setting(group: Any, name: str, setting: _config.Setting) -> None:
    flag = _config.flag_of(name)
    field = _config.Config.__dataclass_fields__[name]
    default = f"{field.default:o}" if name == "uds_mode" else field.default
    text = f"{setting.help} (default: {default}) [{_config.variable_of(name)}]".replace("%", "%%")
    options: dict[str, Any] = {"dest": name, "default": None, "help": text}
    if str(field.type).startswith("bool"):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
    elif setting.kind.many:
        group.add_argument(flag, action="append", metavar=setting.kind.metavar, **options)
    else:
        group.add_argument(flag, metavar=setting.kind.metavar, **options)


# Flags of uvicorn's for settings that have another name here.
_OF_UVICORN = {
    "--ssl-certfile": "tls_cert",
    "--ssl-keyfile": "tls_key",
    "--ssl-keyfile-password": "tls_key_password",
    "--ssl-ca-certs": "tls_client_ca",
    "--ssl-ciphers": "tls_ciphers",
}
# Flags of uvicorn's that are accepted, so that a command line can be taken over, but do nothing.
_IGNORED = {
    "--http": "hyperfastapi parses HTTP itself",
    "--ws-max-queue": "reading pauses by bytes: --limit-request-buffer",
    "--h11-max-incomplete-event-size": "the bound on a request head is --limit-head-size",
}
# Flags of uvicorn's whose meaning this build does not have: values that are harmless, and why not.
_REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "--ws": (("auto", "websockets", "websockets-sansio", "wsproto"), "WebSockets are always on"),
    "--interface": (
        ("auto", "asgi3"),
        "only ASGI 3 is served; wrap the application with asgiref.compatibility (ASGI 2) or"
        " a2wsgi (WSGI)",
    ),
    "--ssl-version": ((), "the lowest version is set by --tls-min-version"),
    "--ssl-cert-reqs": ((), "give --tls-client-ca and --tls-client-auth"),
}


class _Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest flag where one is unknown."""

    def error(self, message: str) -> NoReturn:
        flag = message.partition("unrecognized arguments: ")[2].split(" ")[0].partition("=")[0]
        if flag.startswith("-"):
            known = [name for name in self._option_string_actions if name.startswith("--")]
            commands: Any = self._subparsers._group_actions if self._subparsers else ()
            for command in (each for action in commands for each in action.choices.values()):
                known += command._option_string_actions
            near = difflib.get_close_matches(flag, known, n=1)
            message += f"; did you mean {near[0]}?" if near else "; see hyperfastapi run --help"
        elif "argument COMMAND: invalid choice" in message:
            message += "; to serve an application: hyperfastapi run main:app"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hyperfastapi", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action=_ShowVersion)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", usage="%(prog)s [APP] [options]", help="serve an application",
        description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False,
    )  # fmt: skip
    run.add_argument("target", nargs="?", metavar="APP", help=_TARGET_HELP)
    run.add_argument("--version", action=_ShowVersion)
    headings = {group: run.add_argument_group(group) for group in _config.GROUPS}
    for name, setting in _config.SETTINGS.items():
        _add_setting(headings[setting.group], name, setting)
    for flag in (*_IGNORED, *_REFUSED):
        run.add_argument(flag, dest=flag, help=argparse.SUPPRESS)
    for flag, name in _OF_UVICORN.items():
        many = _config.SETTINGS[name].kind.many
        run.add_argument(
            flag, dest=name, action="append" if many else "store", help=argparse.SUPPRESS
        )  # fmt: skip
    run.add_argument(
        "--reset-contextvars", dest="--reset-contextvars", action="store_true",
        help=argparse.SUPPRESS,
    )  # fmt: skip
    _add_explain(commands)
    _add_check(commands)
    return parser


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain", usage="%(prog)s [APP] [--factory] [--app-dir DIR]",
        help="tell which routes are native, and why the others are not",
        description="Imports an application and tells which of its routes are compiled.",
        allow_abbrev=False,
    )  # fmt: skip
    explain.add_argument("target", nargs="?", metavar="APP", help=_TARGET_HELP)
    for name in ("factory", "app_dir"):
        _add_setting(explain, name, _config.SETTINGS[name])


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        usage="%(prog)s [APP] [--examples FILE] [options]",
        help="compare an application's answers on FastAPI's own code and on compiled routes",
        description="Gives the same requests to an application on FastAPI's own code and on"
        " compiled routes, without a socket, in processes of their own, and reports every"
        " difference in status, headers and body. The requests are made from the OpenAPI document"
        " and read from a file. They are really executed: check where that does no harm.",
        epilog="FILE is a JSON list of objects with 'path', and perhaps 'method', 'headers', and"
        " 'json', 'form' or 'body'. The exit code is 1 where something differs.",
        allow_abbrev=False,
    )  # fmt: skip
    check.add_argument("target", nargs="?", metavar="APP", help=_TARGET_HELP)
    check.add_argument("--examples", metavar="FILE", help="requests to add to those made")
    check.add_argument(
        "--only-examples", action="store_true", help="make no requests from the OpenAPI document"
    )
    check.add_argument(
        "--base-url", default="http://localhost", metavar="URL",
        help="scheme, host and root path of the requests (default: http://localhost)",
    )  # fmt: skip
    check.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS",
        help="time for one answer, after which its body is not compared (default: 10)",
    )  # fmt: skip
    for name in ("factory", "app_dir"):
        _add_setting(check, name, _config.SETTINGS[name])


class _ShowVersion(argparse.Action):
    """Print the version and exit; FastAPI is imported for this alone."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(_version())
        parser.exit()


def _check_flags_of_uvicorn(parsed: argparse.Namespace) -> None:
    """Warn of a flag that does nothing here; raise for one that would have to do something."""
    given = {name: value for name, value in vars(parsed).items() if name.startswith("--")}
    for flag, (harmless, why) in _REFUSED.items():
        value = given.get(flag)
        if value is not None and value not in harmless:
            raise _config.ConfigError(flag, why, value)
    for flag, why in _IGNORED.items():
        if given.get(flag) not in (None, "auto"):
            print(f"hyperfastapi: {flag} is ignored: {why}", file=sys.stderr)


def _version() -> str:
    import platform

    import fastapi

    from . import _core

    build = ", ".join(f"{key} {value}" for key, value in _core.build.items())
    return (
        f"hyperfastapi {VERSION} ({build}) with FastAPI {fastapi.__version__},"
        f" {platform.python_implementation()} {platform.python_version()} on {platform.system()}"
    )


def _flags(parsed: argparse.Namespace) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    for name, setting in _config.SETTINGS.items():
        given = getattr(parsed, name)
        if given is None:
            continue
        try:
            if isinstance(given, bool):
                flags[name] = given
            elif setting.kind.many:
                flags[name] = [item for text in given for item in _config.parse_flag(name, text)]
            else:
                flags[name] = _config.parse_flag(name, given)
        except _config.ConfigError as error:
            flag = _config.flag_of(name)
            raise _config.ConfigError(flag, error.problem, *error.value) from None
    return flags


def _environment(path: str | None) -> Mapping[str, str]:
    """The variables, and under them those of an env-file, which the application sees as well."""
    if path is None:
        return os.environ
    try:
        import dotenv
    except ImportError:
        raise _config.ConfigError(
            "--env-file",
            "needs python-dotenv: install it with 'pip install hyperfastapi[dotenv]'",
            path,
        ) from None
    if not os.path.isfile(path):
        raise _config.ConfigError("--env-file", "there is no such file", path)
    dotenv.load_dotenv(path)
    return os.environ


def _explain(parsed: argparse.Namespace) -> int:
    from . import _importer, plans

    config, _ = _config.from_sources(
        {name: value for name in ("factory", "app_dir") if (value := getattr(parsed, name))},
        os.environ,
    )
    _install.install_if_asked()
    target = parsed.target or os.environ.get("HYPERFASTAPI_APP")
    try:
        app = _importer.load(target, app_dir=config.app_dir, factory=config.factory)
        print(plans.describe(app))
    except (_importer.ImportFromError, TypeError) as error:
        print(f"hyperfastapi: {error}", file=sys.stderr)
        return 1
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from . import _importer
    from ._check import command, examples

    config, _ = _config.from_sources(
        {name: value for name in ("factory", "app_dir") if (value := getattr(parsed, name))},
        os.environ,
    )
    if not parsed.base_url.startswith(("http://", "https://")):
        print("hyperfastapi: --base-url has to begin with http:// or https://", file=sys.stderr)
        return 2
    _install.install_if_asked()
    target = parsed.target or os.environ.get("HYPERFASTAPI_APP")
    settings = command.Settings(
        target, config.app_dir, config.factory, parsed.base_url, parsed.timeout
    )
    requests: list[examples.Example] = []
    try:
        if parsed.examples is not None:
            with open(parsed.examples, encoding="utf-8") as file:
                requests += examples.from_text(file.read())
        app = _importer.load(target, app_dir=config.app_dir, factory=config.factory)
        if not parsed.only_examples:
            if not hasattr(app, "openapi"):
                raise command.CheckError("it is no FastAPI application")
            requests += examples.from_openapi(app.openapi())
        return 0 if command.check(settings, requests) else 1
    except (examples.ExamplesError, OSError) as error:
        print(f"hyperfastapi: --examples {parsed.examples}: {error}", file=sys.stderr)
    except (_importer.ImportFromError, command.CheckError) as error:
        print(f"hyperfastapi: {error}", file=sys.stderr)
    return 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; None: `sys.argv`.

    Returns:
        The exit code: 2 when a setting can't be used.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.command == "explain":
        return _explain(parsed)
    if parsed.command == "check":
        return _check(parsed)
    try:
        _check_flags_of_uvicorn(parsed)
        flags = _flags(parsed)
        environ = _environment(flags.get("env_file") or os.environ.get("HYPERFASTAPI_ENV_FILE"))
        config, _ = _config.from_sources(flags, environ)
        _install.install_if_asked()
    except ValueError as error:
        print(f"hyperfastapi: {error}", file=sys.stderr)
        return 2
    from . import _launch

    try:
        return _launch.run_command(config, parsed.target or environ.get("HYPERFASTAPI_APP"))
    except KeyboardInterrupt:
        # The server has stopped: end as interrupted, without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        return 130
