"""Workers are started, replaced when they die, and ended: real processes, a stand-in server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("supervised_program.py")
PATIENCE = 30  # seconds after which something that was to happen is taken to have failed


class Supervised:
    """The program under test, its output, and a way to talk to its workers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until `count` lines match, and return the last match."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.lines if (match := re.search(pattern, line))]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= count or self._ended, PATIENCE)
            matches = found()
        assert len(matches) >= count, "\n".join([f"waiting for {count} x {pattern}", *self.lines])
        return matches[count - 1]

    def count(self, pattern: str) -> int:
        return sum(re.search(pattern, line) is not None for line in self.lines)

    @property
    def port(self) -> int:
        return int(self.wait_for(r"running on http://127\.0\.0\.1:(\d+)")[1])

    def ask(self, action: str = "") -> int:
        """Have a worker do `action`; the worker's process id."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(action.encode() + b"\n")
            return int(connection.makefile().read())

    def workers(self, number: int) -> set[int]:
        """Wait until `number` different workers answer; their process ids."""
        pids: set[int] = set()
        while len(pids) < number:
            pids.add(self.ask())
        return pids

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for the parent's end; its exit status. Workers hold the output open until theirs."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "a worker is left over"
        return code


Start = Callable[..., Supervised]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervised] = []

    def run(app: str = "", **settings: Any) -> Supervised:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), app, json.dumps({"workers": 2, **settings})],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "MARKER": str(tmp_path / "marker")},
        )
        started.append(Supervised(process))
        return started[-1]

    yield run
    for each in started:
        each.process.kill()
        each.process.wait()
        assert each.process.stdout is not None
        each._reader.join(PATIENCE)
        each.process.stdout.close()


def test_workers_serve_one_port(start: Start) -> None:
    parent = start(workers=3)
    pids = parent.workers(3)
    assert parent.process.pid not in pids


def test_term_drains_the_workers_and_is_raised_again(start: Start) -> None:
    parent = start()
    parent.workers(2)
    parent.signal(signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM
    assert parent.count("drained") == 2, parent.lines


def test_workers_run_what_the_application_registered_for_the_exit(start: Start) -> None:
    parent = start()
    parent.workers(2)
    parent.signal(signal.SIGTERM)
    parent.end()
    assert parent.count("^left$") == 2


def test_interrupt_of_the_whole_group_drains(start: Start) -> None:
    parent = start()
    for pid in [parent.process.pid, *parent.workers(2)]:
        os.kill(pid, signal.SIGINT)
    parent.end()
    assert parent.count("drained") == 2, parent.lines


def test_term_of_the_whole_group_drains(start: Start) -> None:
    parent = start()
    for pid in [*parent.workers(2), parent.process.pid]:
        os.kill(pid, signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM
    assert parent.count("drained") >= 2


def test_second_signal_ends_at_once(start: Start) -> None:
    parent = start("never ends", timeout_graceful_shutdown=3600)
    parent.workers(2)
    parent.signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        parent.process.wait(0.3)
    parent.signal(signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM


def test_worker_that_does_not_end_is_killed_at_the_bound(start: Start) -> None:
    parent = start("never ends", timeout_graceful_shutdown=0)
    parent.workers(2)
    parent.signal(signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM
    assert parent.count("did not end within 5 s; killing it") == 2


def test_crashed_worker_is_replaced(start: Start) -> None:
    parent = start()
    parent.workers(2)
    crashed = parent.ask("crash")
    parent.wait_for(rf"ERROR Worker \[{crashed}\] ended with exit code 9; replacing it in 0 s")
    assert crashed not in parent.workers(2)


def test_killed_worker_is_replaced_and_what_waits_for_it_is_served(start: Start) -> None:
    parent = start()
    before = parent.workers(2)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    # No refusal: the sockets have never been closed.
    after = {parent.ask() for _ in range(20)}
    assert not after & before
    assert parent.wait_for("was killed by signal 9; replacing it", 2)


def test_worker_that_crashes_again_and_again_is_replaced_ever_later(start: Start) -> None:
    parent = start()
    parent.workers(2)
    for delay in ("0 s", r"0\.1 s", r"0\.2 s"):
        # The first worker's slot: its crash comes back to it whoever answers.
        while parent.count(f"replacing it in {delay}") == 0:
            parent.ask("crash")


def test_worker_that_has_finished_is_replaced_at_once(start: Start) -> None:
    parent = start()
    parent.workers(2)
    finished = parent.ask("finish")
    parent.wait_for(rf"INFO Worker \[{finished}\] has ended; replacing it")
    assert finished not in parent.workers(2)


def test_hung_worker_is_killed_and_replaced(start: Start) -> None:
    parent = start(timeout_worker_healthcheck=0.4)
    parent.workers(2)
    hung = parent.ask("hang")
    parent.wait_for(rf"ERROR Worker \[{hung}\] did not answer within 0\.4 s; killing it")
    assert hung not in parent.workers(2)


def test_failed_start_is_told_once_and_exits_3(start: Start) -> None:
    parent = start("fails", workers=4)
    assert parent.end() == 3
    assert parent.count("no database") == 1
    assert parent.count("Worker") == 0


def test_death_before_service_is_told_and_exits_3(start: Start) -> None:
    parent = start("dies", workers=4)
    assert parent.end() == 3
    assert parent.count(r"Worker \[\d+\] ended with exit code 7 before it served\.") == 1


def test_start_that_takes_too_long_exits_3(start: Start) -> None:
    parent = start("never starts", timeout_worker_start=0.2)
    assert parent.end() == 3
    assert parent.count(r"did not start within 0\.2 s; killing it") == 1


def test_later_start_that_fails_drains_the_others_and_exits_3(start: Start) -> None:
    parent = start("third fails")
    parent.workers(2)
    parent.ask("crash")
    assert parent.end() == 3
    assert parent.count("^RuntimeError: no third start") == 1
    assert parent.count("drained") == 1


def test_hangup_replaces_every_worker_without_a_refusal(start: Start) -> None:
    parent = start()
    before = parent.workers(2)
    parent.signal(signal.SIGHUP)
    while parent.count("drained") < 2:
        parent.ask()
    assert not parent.workers(2) & before


def test_hangup_keeps_the_workers_if_the_successor_fails(start: Start) -> None:
    parent = start("third fails")
    before = parent.workers(2)
    parent.signal(signal.SIGHUP)
    parent.wait_for(r"ended with exit code 3 before it served; keeping worker \[\d+\]")
    assert parent.workers(2) == before
    parent.signal(signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM


def test_ttin_and_ttou_change_the_number_of_workers(start: Start) -> None:
    parent = start()
    parent.workers(2)
    parent.signal(signal.SIGTTIN)
    parent.workers(3)
    parent.signal(signal.SIGTTOU)
    parent.wait_for("drained", 1)
    parent.signal(signal.SIGTTOU)
    parent.wait_for("drained", 2)
    parent.signal(signal.SIGTTOU)
    parent.wait_for("there is one worker only")
    assert len({parent.ask() for _ in range(20)}) == 1


def test_workers_end_when_the_parent_is_killed(start: Start) -> None:
    parent = start()
    parent.workers(2)
    parent.process.kill()
    assert parent.end() == -signal.SIGKILL


def test_port_of_another_server_is_refused(start: Start) -> None:
    parent = start()
    port = parent.port
    program = f"""
from hyperfastapi._config import Config
from hyperfastapi._listeners import Listeners
try:
    Listeners(Config(port={port}, workers=2))
except OSError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout == f"cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_unix_socket_is_shared_and_removed_at_the_end(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    parent = start(uds=str(path))
    parent.wait_for(f"running on unix socket {path}")
    assert path.stat().st_mode & 0o777 == 0o666
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"\n")
        assert int(connection.makefile().read()) != parent.process.pid
    parent.signal(signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM
    assert not path.exists()


def test_single_process_puts_its_unix_socket_away_before_the_signal_ends_it(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    parent = start(uds=str(path), workers=1)
    parent.wait_for(f"running on unix socket {path}")
    parent.signal(signal.SIGTERM)
    assert parent.end() == -signal.SIGTERM
    assert not path.exists()
