"""The command: ``hyperfastapi run main:app``."""

from __future__ import annotations

import argparse
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


def _add_setting(group: Any, name: str, setting: _config.Setting) -> None:
    flag = _config.flag_of(name)
    text = setting.help.replace("%", "%%") + f" [{_config.variable_of(name)}]"
    # The annotations are text: those of yes-or-no settings, with or without a third answer.
    if _config.Config.__dataclass_fields__[name].type in ("bool", "bool | None"):
        group.add_argument(
            flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text
        )
    elif setting.kind.many:
        group.add_argument(
            flag, dest=name, action="append", default=None, metavar=setting.kind.metavar, help=text
        )
    else:
        group.add_argument(flag, dest=name, default=None, metavar=setting.kind.metavar, help=text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hyperfastapi", description=_DESCRIPTION)
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="show versions and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="serve an application", description=_DESCRIPTION)
    run.add_argument("target", nargs="?", metavar="APP", help=_TARGET_HELP)
    groups: dict[str, Any] = {}
    for name, setting in _config.SETTINGS.items():
        if setting.group not in groups:
            groups[setting.group] = run.add_argument_group(setting.group)
        _add_setting(groups[setting.group], name, setting)
    return parser


class _VersionAction(argparse.Action):
    """Prints one line, unfolded, and imports what it names only when asked to."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: object) -> NoReturn:
        print(_version())
        parser.exit()


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
        if isinstance(given, bool):
            flags[name] = given
        elif setting.kind.many:
            flags[name] = [item for text in given for item in _items(name, text)]
        else:
            flags[name] = _config.parse_flag(name, given)
    return flags


def _items(name: str, text: str) -> Sequence[Any]:
    value = _config.parse_flag(name, text)
    return value if isinstance(value, (list, tuple)) else [value]


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; None: `sys.argv`.

    Returns:
        The exit code: 2 when a setting can't be used.
    """
    parsed = _parser().parse_args(arguments)
    try:
        flags = _flags(parsed)
        environ = _environment(flags.get("env_file") or os.environ.get("HYPERFASTAPI_ENV_FILE"))
        config, _ = _config.from_sources(flags, environ)
        _install.install_if_asked()
    except ValueError as error:
        print(f"hyperfastapi: {error}", file=sys.stderr)
        return 2
    from . import _launch

    try:
        return _launch.run_command(config, parsed.target)
    except KeyboardInterrupt:
        # The server has stopped: end as interrupted, without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        return 130
