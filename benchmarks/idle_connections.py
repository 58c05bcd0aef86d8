"""``python -m benchmarks.idle_connections``: what idle keep-alive connections cost a server.

Starts a server, measures its memory, opens thousands of connections that each get one answer and
then stay idle, puts a load on other connections meanwhile, measures memory again, and then asks
each idle connection for one more answer: one that gives none was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import native_build, process_tree
from benchmarks.catalogue import CONTENDERS, Application, Contender, Scenario, application, built_in
from benchmarks.load_client import Load, Measurement, measure
from benchmarks.process_tree import Memory
from benchmarks.server_process import NotInstalled, ServerFailed, ServerProcess

PORTS_OF_A_SOURCE = 20_000
ANSWER_SECONDS = 30.0
SPARE_FILES = 512
AT_ONCE = 64


@dataclass(frozen=True)
class Outcome:
    """What idle connections did to a server.

    Attributes:
        contender, application: names from the catalogue.
        connections: how many were asked for.
        opened: how many got their first answer.
        lost: opened ones that gave no second answer after the load.
        before, during, after: memory of the server's processes before they were opened, while they
            were idle and the load was over, and after they had been closed.
        load: the measurement of the load beside them.
    """

    contender: str
    application: str
    connections: int
    opened: int
    lost: int
    before: Memory
    during: Memory
    after: Memory
    load: Measurement

    def bytes_each(self, quantity: str) -> float:
        """Return how much an attribute of the memory grew, in bytes for each opened connection."""
        grown: int = getattr(self.during, quantity) - getattr(self.before, quantity)
        return grown / max(self.opened, 1)


def allow_files(count: int) -> None:
    """Let this process, and those it starts, open so many files.

    Raises:
        SystemExit: the system does not allow it; says which limit to raise.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(
            f"idle_connections: {count} files are needed and {hard} may be open: raise the limit "
            f"(ulimit -Hn {count}) or use fewer --connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class IdleConnection:
    """One connection, and the requests sent over it.

    Args:
        port: the server's port on 127.0.0.1.
        source: address to connect from.
        path: what to request.
    """

    def __init__(self, port: int, source: str, path: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        # Choose the port at connect(), when it only has to differ for this pair of addresses.
        self._socket.setsockopt(
            socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1
        )
        self._socket.bind((source, 0))

    async def open(self) -> bool:
        """Connect and get the first answer; returns whether both succeeded."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(
                loop.sock_connect(self._socket, ("127.0.0.1", self._port)), ANSWER_SECONDS
            )
        except (OSError, asyncio.TimeoutError):
            return False
        return await self.ask()

    async def ask(self) -> bool:
        """Send a request; returns whether a complete answer with status 200 came."""
        try:
            return await asyncio.wait_for(self._ask(), ANSWER_SECONDS)
        except (OSError, asyncio.TimeoutError, ValueError):
            return False

    async def _ask(self) -> bool:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, self._request)
        received = b""
        while True:
            data = await loop.sock_recv(self._socket, 65536)
            if not data:
                return False
            received += data
            head, complete, body = received.partition(b"\r\n\r\n")
            if complete:
                status, *lines = head.split(b"\r\n")
                fields = dict(line.lower().split(b":", 1) for line in lines)
                if len(body) >= int(fields[b"content-length"]):
                    return status.split(b" ")[1] == b"200"

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


async def _all(work: list[IdleConnection], first: bool) -> list[bool]:
    """Open, or ask, all connections, some at a time; returns which succeeded."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(connection: IdleConnection) -> bool:
        async with gate:
            return await (connection.open() if first else connection.ask())

    return await asyncio.gather(*(one(connection) for connection in work))


def measure_idle(
    contender: Contender,
    served: Application,
    connections: int,
    build: Path,
    duration: float,
) -> Outcome:
    """Measure one contender.

    Args:
        contender: what to start.
        served: the application that it serves.
        connections: idle connections to open.
        build: directory of the C programs.
        duration: seconds of load beside them.

    Raises:
        NotInstalled, ServerFailed: as ``ServerProcess`` and ``measure`` do.
    """
    scenario = Scenario("idle", "64 connections beside idle ones", 64)
    with ServerProcess(contender, served, 1, (0,), build, contender.idle_arguments) as server:
        # One load first, so that what the server allocates once is there before.
        measure(server, scenario, Load(build, (1,), 0.2, 1.0))
        pids = server.tree()
        before = process_tree.memory(pids)
        idle = [
            IdleConnection(server.port, f"127.0.0.{2 + i // PORTS_OF_A_SOURCE}", served.path)
            for i in range(connections)
        ]
        try:
            opened = asyncio.run(_all(idle, first=True))
            alive = [one for one, good in zip(idle, opened, strict=True) if good]
            load = measure(server, scenario, Load(build, (1,), 0.5, duration))
            during = process_tree.memory(pids)
            answered = asyncio.run(_all(alive, first=False))
        finally:
            for connection in idle:
                connection.close()
        time.sleep(1.0)
        after = process_tree.memory(pids)
    return Outcome(
        contender.name,
        served.name,
        connections,
        len(alive),
        len(alive) - sum(answered),
        before,
        during,
        after,
        load,
    )


def main() -> int:
    """Run the command; returns its exit status.

    It is 1 where a connection was lost, a request failed or memory grew beyond the bound.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_connections")
    add = parser.add_argument
    names = [entry.name for entry in CONTENDERS]
    add("--contender", action="append", choices=names, help="may be repeated (default: all)")
    add("--application", default="bare", help="what servers of applications serve (default: bare)")
    add("--connections", type=int, default=10_000, help="default 10000")
    add("--duration", type=float, default=5.0, metavar="SECONDS", help="of load (default 5)")
    add(
        "--bound",
        type=float,
        metavar="BYTES",
        help="fail where private memory grows by more than this for each connection",
    )
    add("--build-dir", type=Path, metavar="DIRECTORY", help="C programs built before by meson")
    add("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()

    allow_files(arguments.connections + SPARE_FILES)
    try:
        build = arguments.build_dir or native_build.build()
        chosen = application(arguments.application)
    except native_build.BuildFailed as error:
        print(f"idle_connections: {error}", file=sys.stderr)
        return 1
    except KeyError:
        parser.error(f"--application {arguments.application}: there is no such application")
    failed = False
    outcomes = []
    if not arguments.json:
        print(
            f"{'contender':16} {'opened':>7} {'lost':>5} {'RSS/conn':>9} {'PSS/conn':>9} "
            f"{'dirty/conn':>10} {'requests/s':>10} {'errors':>6}   (bytes)"
        )
    for contender in CONTENDERS:
        asked = not arguments.contender or contender.name in arguments.contender
        if not asked or chosen.kind not in contender.kinds:
            continue
        served = chosen if contender.serves_applications else built_in(contender, chosen)
        try:
            outcome = measure_idle(
                contender, served, arguments.connections, build, arguments.duration
            )
        except (NotInstalled, ServerFailed) as error:
            failed = failed or bool(arguments.contender)
            print(f"{contender.name:16} {error}", file=sys.stderr)
            continue
        outcomes.append(outcome)
        over = arguments.bound is not None and outcome.bytes_each("private_dirty") > arguments.bound
        missing = outcome.opened < outcome.connections
        failed = failed or over or missing or outcome.lost > 0 or outcome.load.errors > 0
        if not arguments.json:
            print(
                f"{contender.name:16} {outcome.opened:7} {outcome.lost:5} "
                f"{outcome.bytes_each('resident'):9.0f} {outcome.bytes_each('proportional'):9.0f} "
                f"{outcome.bytes_each('private_dirty'):10.0f} "
                f"{outcome.load.requests_per_second:10,.0f} {outcome.load.errors:6}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
