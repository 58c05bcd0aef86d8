"""Worker processes: started, watched, replaced when they die, drained and ended.

The parent opens the sockets and forks before the application is imported, so no pool, loop or
thread exists in a process that forks. It keeps every socket open: what waits for a worker that has
crashed is served by the one that takes its place.

The first worker starts alone. If it can't, the reason is logged once and the parent ends; when it
serves, the others follow. From then on a worker that dies is replaced, each time a little later.
One that can't start ends the parent still: what connects to its sockets would wait for nobody.
"""

from __future__ import annotations

import atexit
import collections
import enum
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _launch

if TYPE_CHECKING:
    from ._config import Config
    from ._listeners import Listeners

logger = logging.getLogger("hyperfastapi.error")

EXIT_STARTUP = 3
_READY = b"r"
_BEAT = b"b"
# A worker that crashes at once, again and again, must not keep the machine busy with restarts.
_BACKOFF_FIRST = 0.1
_BACKOFF_MOST = 10.0
_START_CRASHES_MOST = 3  # kills before service, as by a system short of memory, in a row
_STABLE_AFTER = 10.0  # seconds of service after which a crash counts as the first one again
_TICK = 1.0  # seconds between two looks at what no descriptor tells
# What a worker gets beyond its time to drain, for lifespan shutdown and the interpreter's end.
_END_MARGIN = 5.0

_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGTTIN", "SIGTTOU")
_ENDING = (signal.SIGINT, signal.SIGTERM)


class _State(enum.Enum):
    STARTING = enum.auto()
    SERVING = enum.auto()
    RETIRING = enum.auto()  # told to drain and end


class _Worker:
    """One process and the pipes that tie it to its parent.

    Args:
        slot: which set of sockets it serves; two workers share it while one replaces the other.
        pid: the process.
        from_worker: where it says that it is ready and, from then on, that it is alive.
        to_worker: nothing is written to it; its end tells the worker that the parent is gone.
        replaces: the worker that is to retire when this one serves.
    """

    def __init__(
        self, slot: int, pid: int, from_worker: int, to_worker: int, replaces: _Worker | None
    ) -> None:
        self.slot = slot
        self.pid = pid
        self.from_worker = from_worker
        self.to_worker = to_worker
        self.replaces = replaces
        self.state = _State.STARTING
        self.has_served = False
        self.since = time.monotonic()  # in this state
        self.heard = self.since

    def enter(self, state: _State) -> None:
        self.state = state
        self.since = self.heard = time.monotonic()

    def kill(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        os.close(self.from_worker)
        os.close(self.to_worker)


class Supervisor:
    """Keeps `config.workers` processes running until a signal comes.

    SIGINT and SIGTERM drain the workers within `timeout_graceful_shutdown`; a second one ends them
    at once. SIGHUP replaces the workers one after another, each when its successor serves. SIGTTIN
    adds a worker, SIGTTOU takes one away.

    Args:
        config: every setting.
        load: imports the application; called in each worker.
        listeners: the sockets, one set a worker; closed when the supervisor ends.
        preloaded: the application was imported in this process already.

    Raises:
        RuntimeError: this is not the main thread, which alone gets signals.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[], Any],
        listeners: Listeners,
        *,
        preloaded: bool = False,
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "workers can only be supervised from the main thread, which gets the signals;"
                " call run_native() there, or use workers=1"
            )
        self._config = config
        self._load = load
        self._listeners = listeners
        self._preloaded = preloaded
        self._workers: dict[int, _Worker] = {}
        self._wanted = config.workers
        self._slots = 1  # the first worker starts alone
        self._signals: collections.deque[int] = collections.deque()
        self._crashes: collections.Counter[int] = collections.Counter()
        self._restart_at: dict[int, float] = {}
        self._to_replace: collections.deque[int] = collections.deque()
        self._announced = False
        self._wakeup = self._wakeup_write = -1

    def run(self) -> int:
        """Supervise until a signal comes, or until no worker can start.

        Returns:
            0, or 3 when the application can't be started. A signal that ended the workers is
            raised again before returning, so that the exit status tells of it.
        """
        self._wakeup, self._wakeup_write = os.pipe()
        for fd in (self._wakeup, self._wakeup_write):
            os.set_blocking(fd, False)
        numbers = [getattr(signal, name) for name in _HANDLED]
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        wakeup = signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        logger.info("Started parent process [%d]", os.getpid())
        ended_by: int | None = None
        try:
            ended_by = self._supervise()
            self._end()
        finally:
            for worker in self._workers.values():  # only where an error came up here
                worker.kill(signal.SIGTERM)
                worker.close()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wakeup)
            os.close(self._wakeup_write)
            self._listeners.close()
            logger.info("Stopping parent process [%d]", os.getpid())
        if ended_by is None:
            return EXIT_STARTUP
        signal.raise_signal(ended_by)
        return 0

    def _on_signal(self, number: int, frame: object) -> None:
        self._signals.append(number)

    def _supervise(self) -> int | None:
        """Return the signal that ends it, or None where the application can't be started."""
        self._start(0)
        while True:
            if not self._reap():
                return None
            while self._signals:
                number = self._signals.popleft()
                if number in _ENDING:
                    return number
                self._adjust(number)
            self._open_slots()
            self._replace_next()
            self._restart_due()
            self._check_health()
            self._wait(self._next_due())

    def _next_due(self) -> float:
        now = time.monotonic()
        return max(0.0, min([_TICK, *(at - now for at in self._restart_at.values())]))

    def _wait(self, timeout: float) -> None:
        """Wait for a signal, a worker's word or the time."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        speakers = {worker.from_worker: worker for worker in self._workers.values()}
        for fd, worker in speakers.items():
            if worker.state is not _State.RETIRING:
                poll.register(fd, select.POLLIN)
        begun = time.monotonic()
        ready = poll.poll(timeout * 1000)
        # Where this process itself stood still (SIGSTOP, a suspended machine), the workers' silence
        # tells nothing.
        lost = time.monotonic() - begun - timeout
        if lost > _TICK:
            for worker in self._workers.values():
                worker.heard += lost
                worker.since += lost
        for fd, _ in ready:
            if fd == self._wakeup:
                os.read(fd, 4096)
            else:
                self._hear(speakers[fd])

    def _hear(self, worker: _Worker) -> None:
        said = os.read(worker.from_worker, 4096)
        if _READY in said and worker.state is _State.STARTING:
            worker.enter(_State.SERVING)
            worker.has_served = True
            if worker.replaces is not None:
                self._retire(worker.replaces)
                worker.replaces = None
        worker.heard = time.monotonic()
        if not said:
            # It has closed the pipe: it has died, or is about to. SIGCHLD tells.
            time.sleep(0.001)

    def _open_slots(self) -> None:
        """When the first worker serves, start the others."""
        if not any(worker.has_served for worker in self._workers.values()):
            return
        if not self._announced:
            self._announced = True
            where = self._listeners.describe()
            logger.info("hyperfastapi running on %s (Press CTRL+C to quit)", where)
        while self._slots < self._wanted:
            self._slots += 1
            self._start(self._slots - 1)

    def _adjust(self, number: int) -> None:
        if number == signal.SIGHUP:
            logger.info("Received SIGHUP, replacing the workers one after another.")
            self._to_replace = collections.deque(range(self._slots))
        elif number == signal.SIGTTIN:
            logger.info("Received SIGTTIN, increasing the number of workers.")
            self._wanted += 1
        elif number == signal.SIGTTOU:
            if self._wanted <= 1:
                logger.info("Received SIGTTOU, but there is one worker only.")
                return
            logger.info("Received SIGTTOU, decreasing the number of workers.")
            self._wanted -= 1
            if self._slots > self._wanted:
                self._slots = self._wanted
                self._restart_at.pop(self._slots, None)
                # Before the worker lets go of them: nobody may connect to sockets without a worker.
                self._listeners.drop(self._slots)
                for worker in self._workers.values():
                    if worker.slot == self._slots:
                        self._retire(worker)

    def _replace_next(self) -> None:
        """One at a time: the next when no worker is starting or retiring."""
        while self._to_replace:
            if any(worker.state is not _State.SERVING for worker in self._workers.values()):
                return
            slot = self._to_replace.popleft()
            for worker in list(self._workers.values()):
                if worker.slot == slot:
                    self._start(slot, replaces=worker)
                    return

    def _retire(self, worker: _Worker) -> None:
        if worker.state is not _State.RETIRING:
            worker.enter(_State.RETIRING)
            worker.kill(signal.SIGTERM)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for slot, at in list(self._restart_at.items()):
            if now >= at:
                del self._restart_at[slot]
                self._start(slot)

    def _check_health(self) -> None:
        now = time.monotonic()
        config = self._config
        for worker in self._workers.values():
            if worker.state is _State.STARTING:
                bound, since, what = config.timeout_worker_start, worker.since, "start"
            elif worker.state is _State.SERVING:
                bound, since, what = config.timeout_worker_healthcheck, worker.heard, "answer"
            else:
                bound, since, what = self._drain_bound(), worker.since, "end"
            if bound is not None and now - since > bound:
                logger.error(
                    "Worker [%d] did not %s within %g s; killing it", worker.pid, what, bound
                )
                worker.kill(signal.SIGKILL)
                worker.since = worker.heard = now

    def _drain_bound(self) -> float | None:
        bound = self._config.timeout_graceful_shutdown
        return None if bound is None else bound + _END_MARGIN

    def _reap(self) -> bool:
        """Look at the workers that have ended; False where the application can't be started."""
        for worker in list(self._workers.values()):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            self._hear_last(worker)
            del self._workers[pid]
            worker.close()
            if not self._bury(worker, os.waitstatus_to_exitcode(status)):
                return False
        return True

    def _hear_last(self, worker: _Worker) -> None:
        if worker.state is _State.STARTING and select.select([worker.from_worker], [], [], 0)[0]:
            self._hear(worker)

    def _bury(self, worker: _Worker, code: int) -> bool:
        """Decide what follows a worker's death; False where the application can't be started."""
        if worker.state is _State.RETIRING:
            return True
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if not worker.has_served:
            if worker.replaces is not None and worker.replaces.pid in self._workers:
                logger.error(
                    "Worker [%d] %s before it served; keeping worker [%d] and the others",
                    worker.pid, how, worker.replaces.pid,
                )  # fmt: skip
                self._to_replace.clear()
                return True
            lonely = not any(other.has_served for other in self._workers.values())
            if lonely or code >= 0 or self._crashes[worker.slot] >= _START_CRASHES_MOST:
                if code != EXIT_STARTUP:  # that one has told why
                    logger.error("Worker [%d] %s before it served.", worker.pid, how)
                return False
        if worker.has_served and code == 0:
            # It has reached limit_max_requests, or somebody asked it to stop.
            logger.info("Worker [%d] has ended; replacing it", worker.pid)
            self._restart_at[worker.slot] = 0.0
            return True
        if worker.has_served and time.monotonic() - worker.since > _STABLE_AFTER:
            self._crashes[worker.slot] = 0
        crashes = self._crashes[worker.slot]
        self._crashes[worker.slot] += 1
        delay = min(_BACKOFF_MOST, _BACKOFF_FIRST * 2 ** (crashes - 1)) if crashes else 0.0
        logger.error("Worker [%d] %s; replacing it in %g s", worker.pid, how, delay)
        self._restart_at[worker.slot] = time.monotonic() + delay
        return True

    def _end(self) -> None:
        """Drain every worker within the bound; a second signal ends them at once."""
        # First, so that the port refuses connections once the workers have let go of it.
        self._listeners.close()
        for worker in self._workers.values():
            self._retire(worker)
        while self._workers:
            if any(number in _ENDING for number in self._signals):
                for worker in self._workers.values():
                    worker.kill(signal.SIGKILL)
            self._signals.clear()
            self._reap()
            self._check_health()
            if self._workers:
                self._wait(_TICK)

    def _start(self, slot: int, replaces: _Worker | None = None) -> None:
        fds = self._listeners.for_worker(slot)
        from_worker, to_parent = os.pipe()
        parent_alive, to_worker = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Threads at the time of a fork have been warned of, with their names.
            warnings.simplefilter("ignore", DeprecationWarning)
            # Until it has handlers of its own, a signal to the worker would end up in the copy of
            # ours and be lost: it waits.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
            pid = os.fork()
        if pid > 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(to_parent)
            os.close(parent_alive)
            self._workers[pid] = _Worker(slot, pid, from_worker, to_worker, replaces)
            return
        code = 1
        try:
            os.close(from_worker)
            os.close(to_worker)
            code = self._work(slot, fds, to_parent, parent_alive, mask)
        except SystemExit as exiting:
            code = exiting.code if isinstance(exiting.code, int) else int(exiting.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            _exit(code)

    def _work(
        self,
        slot: int,
        fds: list[int],
        to_parent: int,
        parent_alive: int,
        mask: Iterable[int],
    ) -> int:
        """The life of a worker; `mask` has the signals to block from the handlers' setting on."""
        signal.set_wakeup_fd(-1)
        for name in _HANDLED:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        # Ctrl-C reaches the whole group, and the parent passes it on as SIGTERM. That ends the
        # worker by way of its exit, so that what the application registered for it runs.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _leave)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if self._preloaded:
            # What the application registered for the end of the process is for its own process.
            atexit._clear()
            atexit.register(logging.shutdown)
        for worker in self._workers.values():
            worker.close()
        os.close(self._wakeup)
        os.close(self._wakeup_write)
        self._listeners.keep(slot)
        logger.info("Started server process [%d]", os.getpid())

        def started() -> None:
            try:
                os.write(to_parent, _READY)
            except BrokenPipeError:
                return  # the parent is gone; the server sees that, too, and drains
            bound = self._config.timeout_worker_healthcheck
            if bound is not None:
                threading.Thread(
                    target=_beat,
                    args=(to_parent, min(bound / 4, 5.0)),
                    name="hyperfastapi-heartbeat",
                    daemon=True,
                ).start()

        return _launch.serve_here(
            self._config,
            self._load,
            fds,
            on_started=started,
            shared=self._listeners.shared,
            parent_alive=parent_alive,
        )


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)


def _beat(fd: int, interval: float) -> None:
    """Tell the parent, again and again, that threads of this process still run."""
    try:
        while True:
            time.sleep(interval)
            os.write(fd, _BEAT)
    except OSError:
        pass  # the parent is gone; the server sees that, too


def _exit(code: int) -> None:
    """End a forked process as the interpreter would end: its threads, its exit functions."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
