"""The listening sockets, opened before anything forks."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:
    from ._config import Config


class Listeners:
    """One set of descriptors a worker, kept by the parent for as long as it lives.

    With a set of its own, what waits in the accept queue of a worker that has crashed is not lost:
    the next worker inherits the set. Unix sockets and inherited ones are shared by all.

    Args:
        config: where to listen.

    Attributes:
        shared: all workers accept from the same descriptors.

    Raises:
        OSError: an address can't be listened on; the message names it.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._sets: list[list[int]] = []
        self._ports: dict[str, int] = {}
        self._unix_path: str | None = None
        self.shared = config.workers > 1 and (
            # Other systems have SO_REUSEPORT but give all connections to one of the sockets.
            config.uds is not None or config.fd is not None or sys.platform != "linux"
        )
        try:
            self._open(0)
        except BaseException:
            self.close()
            raise

    def for_worker(self, index: int) -> list[int]:
        """The descriptors of worker `index`; the same ones each time."""
        if self.shared:
            index = 0
        while len(self._sets) <= index:
            self._open(len(self._sets))
        return self._sets[index]

    def drop(self, index: int) -> None:
        """Close the descriptors of worker `index`, which is not to be replaced."""
        if not self.shared and index < len(self._sets):
            for fd in self._sets.pop(index):
                os.close(fd)

    def keep(self, index: int) -> None:
        """In a forked worker: close what belongs to the others; the worker's are its own now."""
        for other, fds in enumerate(self._sets):
            if other != (0 if self.shared else index):
                for fd in fds:
                    os.close(fd)
        self._sets.clear()
        self._unix_path = None

    def describe(self) -> str:
        """Where the server can be reached, for its log."""
        config = self._config
        if config.uds is not None:
            return f"unix socket {config.uds}"
        if config.fd is not None:
            return f"socket {config.fd}"
        host = config.host.split(",")[0].strip() or "0.0.0.0"
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if config.tls_cert else "http"
        return (
            f"{scheme}://{shown}:{self._ports.get(config.host.split(',')[0].strip(), config.port)}"
        )

    def close(self) -> None:
        """Close every descriptor and remove the Unix socket."""
        for fds in self._sets:
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._sets.clear()
        if self._unix_path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._unix_path)
            self._unix_path = None

    def _open(self, index: int) -> None:
        config = self._config
        fds: list[int] = []
        self._sets.append(fds)
        if config.uds is not None:
            fds.append(_core.bind_unix(config.uds, mode=config.uds_mode, backlog=config.backlog))
            self._unix_path = config.uds
        elif config.fd is not None:
            _core.adopt(config.fd, config.backlog)
            fds.append(config.fd)
        else:
            own_set = config.workers > 1 and not self.shared
            if own_set and not config.reuse_port and index == 0:
                self._refuse_taken()
            for host in (each.strip() for each in config.host.split(",")):
                port = self._ports.get(host, config.port)
                fds += _core.bind_tcp(
                    host,
                    port,
                    backlog=config.backlog,
                    reuse_port=config.reuse_port or own_set,
                )
                with socket.socket(fileno=os.dup(fds[-1])) as opened:
                    self._ports[host] = opened.getsockname()[1]

    def _refuse_taken(self) -> None:
        """Raise where another server has the port.

        The workers' sockets share the port with each other and so, unless this is asked first, with
        any other server that shares its own.
        """
        config = self._config
        if config.port == 0:
            return
        for host in config.host.split(","):
            for fd in _core.bind_tcp(
                host.strip(), config.port, backlog=config.backlog, reuse_port=False
            ):
                os.close(fd)
