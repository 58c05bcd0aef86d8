"""Several workers: who answers, who is replaced, and what clients notice of it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path

import pytest
from served_process import BOUND, Run, ServedProcess
from wire_client import Answer, Connection, get

LISTENERS = pytest.mark.parametrize("listener", ["tcp", "unix"])


def address_of(server: ServedProcess, directory: Path, listener: str) -> int | str:
    return server.port if listener == "tcp" else str(directory / "server.sock")


def options_of(directory: Path, listener: str) -> tuple[str, ...]:
    return () if listener == "tcp" else ("--uds", str(directory / "server.sock"))


def connections_to_each(address: int | str) -> dict[int, Connection]:
    """Open connections until two workers have one each; the others are closed."""
    found: dict[int, Connection] = {}
    for _ in range(1000):
        connection = Connection(address)
        connection.request()
        pid = connection.answer().json()["pid"]
        if pid in found:
            connection.close()
        found.setdefault(pid, connection)
        if len(found) == 2:
            return found
    raise AssertionError("one worker has answered a thousand connections")


def wait_until_gone(pid: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    try:
        assert select.select([fd], [], [], BOUND)[0], f"process {pid} is still there"
    finally:
        os.close(fd)


class Traffic:
    """Requests one after another, each on a connection of its own, until told to stop."""

    def __init__(self, address: int | str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.failures: list[BaseException | Answer] = []
        self.pids: set[int] = set()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                answer = get(self._address)
                if answer.status == 200 and answer.is_whole:
                    self.pids.add(answer.json()["pid"])
                else:
                    self.failures.append(answer)
            except (OSError, AssertionError) as error:
                self.failures.append(error)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        self._thread.join(BOUND)


class Client:
    """Requests one after another on a connection that it keeps, until told to stop.

    Attributes:
        lost: for each request without a whole answer, the worker of its connection, where an
            earlier answer has named it.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._answered = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.lost: list[int | None] = []

    def _ask(self) -> None:
        while not self._stop.is_set():
            worker: int | None = None
            try:
                with Connection(self._port) as connection:
                    while not self._stop.is_set():
                        connection.request()
                        answer = connection.answer()
                        assert answer.status == 200 and answer.is_whole
                        worker = answer.json()["pid"]
                        self._answered.set()
            except (OSError, AssertionError):
                self.lost.append(worker)

    def wait_for_an_answer(self) -> None:
        """Wait for the answer to a request that is made from now on, or to the one under way."""
        self._answered.clear()
        assert self._answered.wait(BOUND), "the client is no longer answered"

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        self._thread.join(BOUND)


@LISTENERS
def test_both_workers_answer(serve: Run, directory: Path, listener: str) -> None:
    server = serve("main:app", "--workers", "2", *options_of(directory, listener))
    found = connections_to_each(address_of(server, directory, listener))
    for connection in found.values():
        connection.close()
    assert set(found) == set(server.worker_pids())
    assert server.pid not in found


def test_each_worker_runs_the_lifespan(serve: Run) -> None:
    server = serve("main:app", "--workers", "2")
    assert server.stop() == -signal.SIGTERM
    for pid in server.worker_pids():
        assert f"lifespan.startup in {pid}" in server.output
        assert f"lifespan.shutdown in {pid}" in server.output


@LISTENERS
def test_killed_worker_is_replaced_and_the_other_loses_nothing(
    serve: Run, directory: Path, listener: str
) -> None:
    server = serve("main:app", "--workers", "2", *options_of(directory, listener))
    address = address_of(server, directory, listener)
    (killed, its_connection), (other, others_connection) = connections_to_each(address).items()
    with its_connection, others_connection:
        others_connection.request("/echo", "content-length: 4", method="POST")
        server.wait_for_output("^entered /echo")
        os.kill(killed, signal.SIGKILL)
        assert its_connection.rest() == b""
        server.wait_for_log(rf"Worker \[{killed}\] was killed by signal 9; replacing it")
        others_connection.send(b"safe")
        assert others_connection.answer().body == b"safe"
    server.wait_for_log("Application startup complete", 3)
    successor = server.worker_pids()[2]
    found = connections_to_each(address)
    for connection in found.values():
        connection.close()
    assert set(found) == {other, successor}


def test_worker_killed_under_load_loses_only_what_it_was_doing(serve: Run) -> None:
    server = serve("main:app", "--workers", "2")
    with contextlib.ExitStack() as running:
        clients = [running.enter_context(Client(server.port)) for _ in range(16)]
        for client in clients:
            client.wait_for_an_answer()
        killed, other = server.worker_pids()
        os.kill(killed, signal.SIGKILL)
        server.wait_for_log("Application startup complete", 3)
        for client in clients:
            client.wait_for_an_answer()
    lost = [worker for client in clients for worker in client.lost]
    assert killed in lost, "the worker that was killed had nothing to do"
    assert other not in lost
    assert max(len(client.lost) for client in clients) == 1


def test_connections_that_wait_are_served_by_the_successor(serve: Run) -> None:
    server = serve("main:app", "--workers", "2")
    stopped = server.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    waiting = [Connection(server.port) for _ in range(40)]
    try:
        for connection in waiting:
            connection.request()
        os.kill(stopped, signal.SIGKILL)
        answers = [connection.answer() for connection in waiting]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json()["pid"] for answer in answers}) == 2
    finally:
        for connection in waiting:
            connection.close()


@LISTENERS
def test_hangup_replaces_the_workers_without_a_failed_request(
    serve: Run, directory: Path, listener: str
) -> None:
    server = serve("main:app", "--workers", "2", *options_of(directory, listener))
    before = server.worker_pids()
    address = address_of(server, directory, listener)
    with Traffic(address) as traffic:
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("Application startup complete", 4)
        for pid in before:
            wait_until_gone(pid)
    assert traffic.failures == []
    after = set(server.worker_pids()) - set(before)
    assert len(after) == 2
    found = connections_to_each(address)
    for connection in found.values():
        connection.close()
    assert set(found) == after
    assert server.stop() == -signal.SIGTERM


def test_hangup_ends_each_worker_when_its_successor_serves(serve: Run) -> None:
    server = serve("main:app", "--workers", "2")
    server.send_signal(signal.SIGHUP)
    server.wait_for_output(r"lifespan\.shutdown", 2)
    events = [
        line.split(" in ")[0] for line in server.output.splitlines() if line.startswith("lifespan.")
    ][2:]
    assert events == ["lifespan.startup", "lifespan.shutdown"] * 2


def test_worker_is_added_and_taken_away_by_signal(serve: Run) -> None:
    server = serve("main:app", "--workers", "2")
    server.send_signal(signal.SIGTTIN)
    server.wait_for_log("Application startup complete", 3)
    server.send_signal(signal.SIGTTOU)
    server.wait_for_log("Application shutdown complete", 1)
    wait_until_gone(server.worker_pids()[2])
    assert get(server.port).status == 200
    assert server.stop() == -signal.SIGTERM
    assert len(server.worker_pids()) == 3


def test_workers_end_when_the_parent_is_killed(serve: Run) -> None:
    server = serve("main:app", "--workers", "2")
    pids = server.worker_pids()
    os.kill(server.pid, signal.SIGKILL)
    for pid in pids:
        wait_until_gone(pid)
    assert server.wait() == -signal.SIGKILL
    for pid in pids:
        assert f"lifespan.shutdown in {pid}" in server.output


def test_worker_that_hangs_at_its_start_is_killed_and_ends_the_parent(
    run: Run, directory: Path
) -> None:
    (directory / "main.py").write_text(
        "import signal\n\n\nasync def app(scope, receive, send):\n    signal.pause()\n"
    )
    server = run("main:app", "--workers", "2", "--timeout-worker-start", "0.5")
    server.wait_for_log(r"Worker \[\d+\] did not start within 0\.5 s")
    assert server.wait() == 3


def test_preload_imports_once_in_the_parent(serve: Run, directory: Path) -> None:
    main = directory / "main.py"
    main.write_text(main.read_text() + '\nsay(f"imported in {os.getpid()}")\n')
    server = serve("main:app", "--workers", "2", "--preload")
    server.wait_for_output("^lifespan.startup", 2)
    assert server.output.count("imported in") == 1
    assert f"imported in {server.pid}" in server.output


def test_each_worker_imports_for_itself_by_default(serve: Run, directory: Path) -> None:
    main = directory / "main.py"
    main.write_text(main.read_text() + '\nsay(f"imported in {os.getpid()}")\n')
    server = serve("main:app", "--workers", "2")
    server.wait_for_output("^lifespan.startup", 2)
    for pid in server.worker_pids():
        assert f"imported in {pid}" in server.output
    assert server.output.count("imported in") == 2
