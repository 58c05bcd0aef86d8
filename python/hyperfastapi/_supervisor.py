"""Worker processes: started, replaced when they crash, drained and ended.

The parent opens the sockets and forks before the application is imported, so no pool, loop or
thread exists in a process that forks. It keeps every socket open: what waits for a worker that has
crashed is served by the one that takes its place.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _launch

if TYPE_CHECKING:
    from ._config import Config
    from ._listeners import Listeners

logger = logging.getLogger("hyperfastapi.error")

EXIT_STARTUP = (1, 3)  # the application can't be imported, its start-up has failed
_READY = b"r"
# A worker that crashes at once, again and again, must not keep the machine busy with restarts.
_BACKOFF_FIRST = 0.1
_BACKOFF_MOST = 10.0
_STABLE_AFTER = 10.0  # seconds after which a crash counts as the first one again


class _Worker:
    """One process and the pipe that ties it to its parent.

    Attributes:
        ready: it has said that it accepts connections.
    """

    def __init__(self, index: int, pid: int, from_worker: int, to_worker: int) -> None:
        self.index = index
        self.pid = pid
        self.from_worker = from_worker
        self.to_worker = to_worker
        self.ready = False
        self.started_at = time.monotonic()

    def close(self) -> None:
        for fd in (self.from_worker, self.to_worker):
            with contextlib.suppress(OSError):
                os.close(fd)


class Supervisor:
    """Keeps `config.workers` processes running until a signal comes.

    Args:
        config: every setting.
        load: imports the application; called in each worker.
        listeners: the sockets, one set a worker.
    """

    def __init__(
        self, config: Config, load: Callable[[], Any], listeners: Listeners
    ) -> None:
        self._config = config
        self._load = load
        self._listeners = listeners
        self._workers: dict[int, _Worker] = {}
        self._wanted = config.workers
        self._signals: list[int] = []
        self._backoff: dict[int, float] = {}
        self._restart_at: dict[int, float] = {}
        self._replacing: list[int] = []
        self._others_started = False
        self._announced = False
        self._wakeup, self._wakeup_write = os.pipe()
        for fd in (self._wakeup, self._wakeup_write):
            os.set_blocking(fd, False)

    def run(self) -> int:
        """Supervise until a signal comes.

        Returns:
            0, or the exit code of a worker that could not start.
        """
        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD]
        numbers += [signal.SIGTTIN, signal.SIGTTOU]
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            signal.signal(number, self._on_signal)
        wakeup = signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        logger.info("Started parent process [%d]", os.getpid())
        ending: int | None = None
        try:
            code, ending = self._supervise()
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wakeup)
            os.close(self._wakeup_write)
            logger.info("Stopping parent process [%d]", os.getpid())
        self._listeners.close()
        if ending is not None:
            signal.raise_signal(ending)
        return code

    def _on_signal(self, number: int, frame: object) -> None:
        self._signals.append(number)

    def _wait(self, timeout: float | None) -> None:
        fds = [self._wakeup, *(worker.from_worker for worker in self._workers.values())]
        readable, _, _ = select.select(fds, [], [], timeout)
        if self._wakeup in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
        for worker in self._workers.values():
            if worker.from_worker in readable and not worker.ready:
                worker.ready = os.read(worker.from_worker, 1) == _READY

    def _supervise(self) -> tuple[int, int | None]:
        """The exit code, and the signal that ended it."""
        # An application that can't start says so once, not once a worker: the first goes ahead.
        self._start(0)
        while True:
            for code in self._reap():
                self._end(signal.SIGTERM)
                return code, None
            while self._signals:
                number = self._signals.pop(0)
                if number in (signal.SIGINT, signal.SIGTERM):
                    self._end(number)
                    return 0, number
                self._adjust(number)
            self._start_others()
            self._announce()
            self._replace_next()
            self._restart_due()
            self._check_starts()
            due = [at - time.monotonic() for at in self._restart_at.values()]
            self._wait(max(0.0, min([1.0, *due])) if self._workers else 0.05)

    def _start_others(self) -> None:
        """Start the workers that the first one's start-up has held back, once it is ready."""
        if self._others_started or not any(worker.ready for worker in self._workers.values()):
            return
        self._others_started = True
        for index in range(1, self._wanted):
            self._start(index)

    def _announce(self) -> None:
        if self._announced or not self._others_started:
            return
        if not all(worker.ready for worker in self._workers.values()):
            return
        self._announced = True
        logger.info(
            "hyperfastapi running on %s (Press CTRL+C to quit)", self._listeners.describe()
        )

    def _adjust(self, number: int) -> None:
        if number == signal.SIGHUP:
            logger.info("Received SIGHUP, restarting the workers one after another")
            self._replacing = sorted(worker.index for worker in self._workers.values())
        elif number == signal.SIGTTIN:
            self._wanted += 1
            if self._others_started:
                self._start(self._wanted - 1)
        elif number == signal.SIGTTOU and self._wanted > 1:
            self._wanted -= 1
            self._listeners.drop_from(self._wanted)
            for worker in self._workers.values():
                if worker.index == self._wanted:
                    self._kill(worker, signal.SIGTERM)

    def _replace_next(self) -> None:
        """One at a time: the next is asked to stop when the last one's successor is ready."""
        if not self._replacing or not all(worker.ready for worker in self._workers.values()):
            return
        if len(self._workers) < self._wanted:
            return
        index = self._replacing.pop(0)
        for worker in self._workers.values():
            if worker.index == index:
                worker.ready = False
                worker.started_at = time.monotonic()
                self._kill(worker, signal.SIGTERM)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for index, at in list(self._restart_at.items()):
            if now >= at:
                del self._restart_at[index]
                if index < self._wanted:
                    self._start(index)

    def _check_starts(self) -> None:
        bound = self._config.timeout_worker_start
        if bound is None:
            return
        now = time.monotonic()
        for worker in self._workers.values():
            if not worker.ready and not self._replacing and now - worker.started_at > bound:
                logger.error("Worker [%d] did not start within %g s", worker.pid, bound)
                self._kill(worker, signal.SIGKILL)

    def _reap(self) -> list[int]:
        """Look at the workers that have ended; the exit codes that end the parent, too."""
        fatal: list[int] = []
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended == 0:
                continue
            worker = self._workers.pop(pid)
            with contextlib.suppress(OSError):
                worker.ready = worker.ready or os.read(worker.from_worker, 1) == _READY
            worker.close()
            code = os.waitstatus_to_exitcode(status)
            if code in EXIT_STARTUP and not worker.ready:
                fatal.append(code)
                continue
            if worker.index >= self._wanted:
                continue
            wanted_it = code in (0, -signal.SIGTERM)
            if not wanted_it:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                logger.warning("Worker [%d] ended with %s; replacing it", pid, how)
            self._schedule(worker, at_once=wanted_it)
        return fatal

    def _schedule(self, worker: _Worker, *, at_once: bool) -> None:
        now = time.monotonic()
        delay = self._backoff.get(worker.index, 0.0)
        if at_once or now - worker.started_at > _STABLE_AFTER:
            delay = 0.0
        self._backoff[worker.index] = min(_BACKOFF_MOST, delay * 2 or _BACKOFF_FIRST)
        self._restart_at[worker.index] = now + delay

    @staticmethod
    def _kill(worker: _Worker, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)

    def _start(self, index: int) -> None:
        fds = self._listeners.for_worker(index)
        from_worker, ready = os.pipe()
        alive, to_worker = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid > 0:
            os.close(ready)
            os.close(alive)
            self._workers[pid] = _Worker(index, pid, from_worker, to_worker)
            return
        code = 1
        try:
            os.close(from_worker)
            os.close(to_worker)
            code = self._work(fds, ready, alive)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _work(self, fds: list[int], ready: int, alive: int) -> int:
        """The life of a worker."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for worker in self._workers.values():
            worker.close()  # the siblings' pipes are their own
        os.close(self._wakeup)
        os.close(self._wakeup_write)
        logger.info("Started server process [%d]", os.getpid())
        own = [os.dup(fd) for fd in fds]
        shared = self._listeners.shared
        self._listeners.leave()
        return _launch.serve_here(
            self._config,
            self._load,
            own,
            on_started=lambda: _tell(ready),
            shared=shared,
            parent_alive=alive,
        )

    def _end(self, number: int) -> None:
        """Drain every worker within the bound; a second signal ends them at once."""
        bound = self._config.timeout_graceful_shutdown
        deadline = None if bound is None else time.monotonic() + bound + 2
        self._restart_at.clear()
        self._wanted = 0
        for worker in self._workers.values():
            self._kill(worker, signal.SIGTERM)
        while self._workers:
            self._reap()
            again = any(n in (signal.SIGINT, signal.SIGTERM) for n in self._signals)
            self._signals.clear()
            if again or (deadline is not None and time.monotonic() > deadline):
                for worker in self._workers.values():
                    self._kill(worker, signal.SIGKILL)
                deadline = None
            if self._workers:
                self._wait(0.1)
        del number


def _tell(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.write(fd, _READY)
