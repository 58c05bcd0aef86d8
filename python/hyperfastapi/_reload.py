"""Reload: one server process, replaced when a file changes. Needs watchfiles."""

from __future__ import annotations

import fnmatch
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _launch, _listeners

if TYPE_CHECKING:
    from ._config import Config

logger = logging.getLogger("hyperfastapi.error")


def run(config: Config, load: Callable[[], Any]) -> int:
    """Serve from a child process and replace it when a watched file changes.

    Returns:
        The exit code: 1 when watchfiles is missing or the address is taken.
    """
    try:
        import watchfiles
    except ImportError:
        logger.error(
            "--reload needs watchfiles: install it with 'pip install hyperfastapi[reload]'"
        )
        return 1
    try:
        listeners = _listeners.Listeners(config)
    except OSError as error:
        logger.error("%s", error)
        return 1
    directories = [Path(each).resolve() for each in config.reload_dirs or (".",)]
    logger.info("Will watch for changes in: %s", ", ".join(map(str, directories)))
    ending: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        ending.append(number)

    before = {n: signal.signal(n, on_signal) for n in (signal.SIGINT, signal.SIGTERM)}
    logger.info("hyperfastapi running on %s (Press CTRL+C to quit)", listeners.describe())
    child: int | None = None
    try:
        for changes in watchfiles.watch(
            *directories,
            watch_filter=None,
            step=50,
            rust_timeout=200,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if ending:
                break
            if child is None:
                # Only now is anything watched: a change during the import must not be missed.
                child = _fork(config, load, listeners)
                continue
            changed = [path for _, path in changes if _is_watched(config, path)]
            if not changed:
                continue
            logger.warning("Reloading: %s changed", ", ".join(map(_shorten, changed)))
            _end(child)
            child = _fork(config, load, listeners)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if child is not None:
            _end(child)
        listeners.close()
    if ending:
        signal.raise_signal(ending[0])
    return 0


def _is_watched(config: Config, path: str) -> bool:
    name = Path(path).name
    includes = config.reload_includes or ("*.py",)
    excludes = config.reload_excludes or (".*", ".py[cod]", ".sw.*", "~*")
    return any(fnmatch.fnmatch(name, pattern) for pattern in includes) and not any(
        fnmatch.fnmatch(name, pattern) for pattern in excludes
    )


def _shorten(path: str) -> str:
    return os.path.relpath(path)


def _fork(config: Config, load: Callable[[], Any], listeners: _listeners.Listeners) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid > 0:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        logger.info("Started server process [%d]", os.getpid())
        code = _launch.serve_here(config, load, [os.dup(fd) for fd in listeners.for_worker(0)])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
