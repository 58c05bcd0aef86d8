"""A worker's TLS: the context made of files, and made again when they change."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:
    from ._config import Config

logger = logging.getLogger("hyperfastapi.error")

# Makes a session of one worker valid in the others: the parent, which checks the files before it
# forks, has made it for all.
_TICKET_SECRET = os.urandom(80)


def check(config: Config) -> str | None:
    """Say what is wrong with the TLS files and settings, or None."""
    if not config.tls_cert:
        return None
    try:
        _core.check_tls(config.as_mapping())
    except ValueError as error:
        return str(error)
    return None


class Certificates:
    """Keeps a server's TLS context up to date with its files.

    Connections that are open keep the context that they began with.

    Args:
        config: every setting; `tls_cert` is not empty.
        core: the server.

    Raises:
        ValueError: a file or a setting can't be used; the message names it.
    """

    def __init__(self, config: Config, core: _core.Server) -> None:
        self._settings = config.as_mapping()
        self._interval = config.tls_reload_interval
        self._core = core
        self._timer: asyncio.TimerHandle | None = None
        # A supervisor answers SIGHUP with new workers, which read the files as they are then.
        self._takes_signal = (
            not config.supervised and threading.current_thread() is threading.main_thread()
        )
        self._before: signal._HANDLER = None
        ca = [config.tls_client_ca] if config.tls_client_ca is not None else []
        self._paths = [*config.tls_cert, *config.tls_key, *ca]
        self._seen = self._look()
        self._load()

    def reload(self) -> None:
        """Read the files again; when they can't be used, say so and keep what is."""
        self._seen = self._look()
        try:
            self._load()
        except ValueError as error:
            logger.error("The TLS certificates stay as they were: %s", error)
        else:
            logger.info("TLS certificates loaded again.")

    def start(self) -> None:
        """Reload at SIGHUP, and whenever a file has changed, until `stop()`."""
        loop = asyncio.get_running_loop()
        if self._takes_signal:
            self._before = signal.getsignal(signal.SIGHUP) or signal.SIG_DFL
            loop.add_signal_handler(signal.SIGHUP, self.reload)
        if self._interval is not None:
            self._timer = loop.call_later(self._interval, self._look_again, self._interval)

    def stop(self) -> None:
        """Reload no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._before is not None:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, self._before)

    def _look_again(self, interval: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(interval, self._look_again, interval)
        if self._look() != self._seen:
            self.reload()

    def _load(self) -> None:
        self._core.load_tls(self._settings, _TICKET_SECRET)

    def _look(self) -> list[tuple[int, ...] | None]:
        seen: list[tuple[int, ...] | None] = []
        for path in self._paths:
            try:
                status = os.stat(path)
            except OSError:
                seen.append(None)  # being replaced, perhaps
            else:
                seen.append((status.st_mtime_ns, status.st_ino, status.st_size))
        return seen
