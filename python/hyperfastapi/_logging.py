"""Loggers `hyperfastapi.error` and `hyperfastapi.access`, in the formats that uvicorn's users know.

A line is ``INFO:     Application startup complete.`` on standard error, an access line
``INFO:     127.0.0.1:5000 - "GET /p HTTP/1.1" 200 OK`` on standard output.
"""

from __future__ import annotations

import http
import json
import logging
import logging.config
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ._config import Config

_COLORS = {
    logging.DEBUG: "36",
    logging.INFO: "32",
    logging.WARNING: "33",
    logging.ERROR: "31",
    logging.CRITICAL: "91",
}


def _phrase(status: object) -> str:
    try:
        return http.HTTPStatus(int(str(status))).phrase
    except ValueError:
        return ""


class Formatter(logging.Formatter):
    """The level, padded, and the message; coloured on a terminal.

    Args:
        use_colors: colour the level; None: where `stream` is a terminal.
        stream: where the lines go.
    """

    def __init__(self, use_colors: bool | None, stream: TextIO) -> None:
        super().__init__("%(prefix)s %(message)s")
        self._colored = stream.isatty() if use_colors is None else use_colors

    def formatMessage(self, record: logging.LogRecord) -> str:
        level = record.levelname
        padding = " " * (8 - len(level))
        if self._colored:
            level = f"\x1b[{_COLORS.get(record.levelno, '0')}m{level}\x1b[0m"
        record.prefix = f"{level}:{padding}"
        return super().formatMessage(record)


class AccessFormatter(Formatter):
    """An access line, with the status's reason phrase behind it."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if isinstance(record.args, tuple) and len(record.args) == 5:
            line += f" {_phrase(record.args[4])}"
        return line


def _handler(formatter: type[Formatter], config: Config, stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(config.use_colors, stream))
    return handler


def _read(path: str) -> dict[str, Any]:
    text = Path(path).read_text()
    if path.endswith(".json"):
        loaded: dict[str, Any] = json.loads(text)
        return loaded
    import yaml

    loaded = yaml.safe_load(text)
    if not isinstance(loaded, dict):
        raise ValueError(f"{path}: expected a mapping at the top")
    return loaded


def configure(config: Config) -> None:
    """Set the two loggers up as the configuration says.

    Raises:
        OSError: the file of `log_config` can't be read.
        ValueError: it can't be used.
    """
    logging.addLevelName(5, "TRACE")
    error = logging.getLogger("hyperfastapi.error")
    access = logging.getLogger("hyperfastapi.access")
    if isinstance(config.log_config, dict):
        logging.config.dictConfig(config.log_config)
    elif isinstance(config.log_config, str):
        if config.log_config.endswith((".json", ".yaml", ".yml")):
            logging.config.dictConfig(_read(config.log_config))
        else:
            logging.config.fileConfig(config.log_config, disable_existing_loggers=False)
    else:
        error.handlers = [_handler(Formatter, config, sys.stderr)]
        access.handlers = [_handler(AccessFormatter, config, sys.stdout)]
        for logger in (error, access):
            logger.propagate = False
            logger.setLevel(logging.INFO)
    if config.log_level is not None:
        level = config.log_level
        number = level if isinstance(level, int) else logging.getLevelName(level.upper())
        error.setLevel(number)
        access.setLevel(number)
    if not config.access_log:
        access.handlers = []
        access.propagate = False
