"""Where the server listens: ports, Unix sockets, inherited descriptors."""

from __future__ import annotations

import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_process import Run
from wire_client import get


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on already."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_taken_port_is_named_and_exits_3(run: Run, taken_port: int, workers: str) -> None:
    command = run("main:app", "--port", str(taken_port), "--workers", workers)
    assert command.wait() == 3
    assert f"cannot listen on 127.0.0.1 port {taken_port}: Address already in use" in command.log
    assert "Traceback" not in command.log


def test_unknown_host_is_named_and_exits_3(run: Run) -> None:
    command = run("main:app", "--host", "no-such-host.invalid")
    assert command.wait() == 3
    assert "cannot resolve host 'no-such-host.invalid'" in command.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_unix_socket_serves_and_is_removed_at_exit(
    serve: Run, directory: Path, workers: str
) -> None:
    path = directory / "server.sock"
    server = serve("main:app", "--uds", str(path), "--workers", workers)
    assert get(str(path)).status == 200
    assert server.stop() == -signal.SIGTERM
    assert not path.exists()


def test_unix_socket_is_removed_after_a_failed_start(run: Run, directory: Path) -> None:
    path = directory / "server.sock"
    assert run("nowhere:app", "--uds", str(path)).wait() == 3
    assert not path.exists()


def test_unix_socket_has_the_mode_asked_for(serve: Run, directory: Path) -> None:
    path = directory / "server.sock"
    serve("main:app", "--uds", str(path), "--uds-mode", "600")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_unix_socket_is_open_to_everybody_by_default(serve: Run, directory: Path) -> None:
    path = directory / "server.sock"
    serve("main:app", "--uds", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_stale_unix_socket_is_replaced(serve: Run, directory: Path) -> None:
    path = directory / "server.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    assert path.exists()
    serve("main:app", "--uds", str(path))
    assert get(str(path)).status == 200


def test_unix_socket_in_use_is_left_to_its_owner(serve: Run, run: Run, directory: Path) -> None:
    path = directory / "server.sock"
    first = serve("main:app", "--uds", str(path))
    second = run("main:app", "--uds", str(path))
    assert second.wait() == 3
    assert f"cannot listen on '{path}': Address already in use" in second.log
    assert get(str(path)).json()["pid"] == first.pid


def test_file_in_the_way_of_a_unix_socket_is_not_removed(run: Run, directory: Path) -> None:
    path = directory / "notes.txt"
    path.write_text("kept")
    assert run("main:app", "--uds", str(path)).wait() == 3
    assert path.read_text() == "kept"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_inherited_descriptor_is_served(serve: Run, workers: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        fd = listening.fileno()
        serve("main:app", "--fd", str(fd), "--workers", workers, pass_fds=(fd,))
        assert get(listening.getsockname()[1]).status == 200


def test_descriptor_that_is_no_socket_is_refused(run: Run, directory: Path) -> None:
    with open(directory / "main.py") as file:
        command = run("main:app", "--fd", str(file.fileno()), pass_fds=(file.fileno(),))
        assert command.wait() == 3
    assert "is not a socket" in command.log


def test_several_hosts_are_all_served(serve: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = serve("main:app", "--host", "127.0.0.1,127.0.0.2", "--port", str(port))
    assert server.port == port
    for host in ("127.0.0.1", "127.0.0.2"):
        with socket.create_connection((host, port), 30) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
