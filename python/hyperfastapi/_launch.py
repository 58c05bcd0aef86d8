"""From a configuration to a running server: in this process, supervised, or reloading."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from . import _importer, _logging
from ._config import Config

logger = logging.getLogger("hyperfastapi.error")

Loader = Callable[[], Any]

EXIT_STARTUP = 3
_ENDING = (signal.SIGINT, signal.SIGTERM)


def run_application(config: Config, app: Any) -> None:
    """Serve an application that exists already, until a signal comes.

    Raises:
        RuntimeError: called inside a running event loop.
        SystemExit: the server could not start.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(
            "run_native() was called inside a running event loop, which it would block; call it"
            " from outside, or serve the application with the hyperfastapi command"
        )
    _logging.configure(config)
    if config.workers > 1:
        _warn_of_threads("run_native()")
    try:
        with _outliving_hangups(config):
            code = _run(config, lambda: app, preloaded=True)
    except KeyboardInterrupt:
        return  # Ctrl-C was meant for the server
    if code:
        sys.exit(code)


def run_command(config: Config, target: str | None) -> int:
    """Serve what the command line names, until a signal comes.

    Returns:
        The exit code.
    """
    _logging.configure(config)

    def load() -> Any:
        return _importer.load(target, app_dir=config.app_dir, factory=config.factory)

    if config.reload:
        from . import _reload

        return _reload.run(config, load)
    with _outliving_hangups(config):
        if config.preload and config.workers > 1:
            app = _load(load)
            if app is None:
                return EXIT_STARTUP
            _warn_of_threads("--preload")
            return _run(config, lambda: app, preloaded=True)
        return _run(config, load)


@contextlib.contextmanager
def _outliving_hangups(config: Config) -> Iterator[None]:
    """Keep SIGHUP from ending a server that reloads at it, before and after it can.

    Nothing is lost: what there is to reload is read after this.
    """
    reloads = config.workers > 1 or bool(config.tls_cert)
    if not reloads or threading.current_thread() is not threading.main_thread():
        yield
        return
    # Not SIG_IGN: processes that the application starts would inherit it.
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _warn_of_threads(who: str) -> None:
    others = [
        thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
    ]
    if others:
        warnings.warn(
            f"{who} forks worker processes while these threads run: {', '.join(others)}. Locks"
            " that they hold stay locked in the workers; start threads in the lifespan instead",
            RuntimeWarning,
            stacklevel=4,
        )


def _load(load: Loader) -> Any:
    """The application, or None when it can't be imported: the log says why, once."""
    try:
        return load()
    except _importer.ImportFromError as error:
        logger.error("Error loading ASGI app. %s", error)
    except Exception:
        logger.exception("Error loading ASGI app.")
    return None


def serve_here(config: Config, load: Loader, fds: list[int], **options: Any) -> int:
    """Import the application and serve it in this process.

    Returns:
        The exit code: 3 when the application can't be imported or its start-up fails.
    """
    from . import _server

    app = _load(load)
    if app is None:
        return EXIT_STARTUP
    return _server.serve(config, app, fds, **options)


class _Ended(BaseException):
    """A signal that ends the process, on its way out of whatever was running."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _on_signal(number: int, _frame: object) -> None:
    raise _Ended(number)


def _run(config: Config, load: Loader, *, preloaded: bool = False) -> int:
    from . import _listeners, _supervisor

    if config.tls_cert:
        from . import _tls

        problem = _tls.check(config)
        if problem is not None:
            logger.error("TLS cannot be served: %s", problem)
            return EXIT_STARTUP
    try:
        listeners = _listeners.Listeners(config)
    except OSError as error:
        logger.error("%s", error)
        return EXIT_STARTUP
    if config.workers > 1:
        try:
            return _supervisor.Supervisor(config, load, listeners, preloaded=preloaded).run()
        finally:
            listeners.close()
    logger.info("Started server process [%d]", os.getpid())

    def started() -> None:
        logger.info("hyperfastapi running on %s (Press CTRL+C to quit)", listeners.describe())

    # The server raises the signal that ended it again: what we have opened is put away first.
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, _on_signal) for number in _ENDING}
    try:
        # The server takes a copy: the original stays with the listeners, who close it.
        fds = [os.dup(fd) for fd in listeners.for_worker(0)]
        return serve_here(config, load, fds, on_started=started)
    except _Ended as ended:
        number = ended.number
    finally:
        listeners.close()
        for each, handler in before.items():
            signal.signal(each, handler)
    signal.raise_signal(number)
    return 0
