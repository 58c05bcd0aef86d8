"""``python -m tests.soak``: mixed traffic at a server, and whether it stays whole.

Clients keep connections, pipeline, upload in chunks, read slowly, stream, talk over WebSockets,
cause errors, and leave at any point, in order or with a reset. Well-behaved requests must all be
answered, and answered right. After a pause, what is alive in the server must be what was alive
after the warm-up, within stated bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import signal
import sys
import time

from benchmarks import process_tree
from benchmarks.server_process import free_port
from tests.soak import census
from tests.soak.http_client import Unanswered
from tests.soak.server import Server
from tests.soak.traffic import Ledger, behaviours, one_visit

DEFAULT_COMMAND = (
    "{python} -m hyperfastapi run {app} --host 127.0.0.1 --port {port} --no-access-log "
    "--log-level error"
)
STOP_SECONDS = 45.0


def _say(text: str) -> None:
    print(text, flush=True)


async def _client(number: int, port: int, seed: str, ledger: Ledger, until: float) -> None:
    rng = random.Random(f"{seed} {number}")
    visits = 0
    while time.monotonic() < until:
        visits += 1
        await one_visit(port, rng, ledger, f"client {number}, visit {visits}")


async def _traffic(server: Server, seed: str, clients: int, seconds: float, ledger: Ledger) -> None:
    """Let clients come and go for a while, with a line about it each minute."""
    began = time.monotonic()
    until = began + seconds
    work = asyncio.gather(
        *(_client(number, server.port, seed, ledger, until) for number in range(clients))
    )
    minute = 1
    while not work.done():
        await asyncio.wait([work], timeout=0.5)
        if time.monotonic() >= began + minute * 60:
            _say(f"minute {minute}: {_progress(server, ledger)}")
            minute += 1
        if server.ended is not None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return
    await work


def _progress(server: Server, ledger: Ledger) -> str:
    if server.ended is not None:
        return f"the server has ended with status {server.ended}"
    pids = process_tree.tree(server.pid)
    try:
        memory = process_tree.memory(pids).resident / 1024 / 1024
        files = process_tree.open_files(pids)
    except FileNotFoundError:
        return "a process of the server has ended"
    return (
        f"{sum(ledger.visits.values()):,} visits, {ledger.asked:,} requests and messages, "
        f"{ledger.failed} visits failed; {memory:.1f} MiB, {files} files, "
        f"{len(pids)} process{'es' if len(pids) != 1 else ''}"
    )


async def _soak(arguments: argparse.Namespace) -> int:
    server = Server(arguments.command, free_port())
    _say(f"seed {arguments.seed}, {arguments.clients} clients: {' '.join(server.arguments)}")
    await server.start()
    checks: list[tuple[str, bool, str]] = []
    ledger = Ledger()
    try:
        warm_up = min(60.0, arguments.minutes * 60 * 0.15)
        await _traffic(server, f"{arguments.seed} warm-up", arguments.clients, warm_up, ledger)
        before = await census.take(server.pid, server.port)
        _say(f"warm after {warm_up:.0f} s: {_progress(server, ledger)}")
        await _traffic(
            server, arguments.seed, arguments.clients, arguments.minutes * 60 - warm_up, ledger
        )
        after = await census.take(server.pid, server.port, before)
        _say(f"settled: {_progress(server, ledger)}")
        checks += census.judge(before, after, census.Bounds())
    except (Unanswered, OSError) as error:
        checks.append(("the server answers when the traffic is over", False, repr(error)))
    finally:
        crashed = server.ended
        status = await server.stop(STOP_SECONDS)
    checks.insert(0, ("the server did not end by itself", crashed is None, f"status {crashed}"))
    checks.append(
        (
            f"it ended within {STOP_SECONDS:.0f} s of being asked to",
            # 0, or the signal that asked: servers may raise it again once they have shut down.
            crashed is None and status in (0, -signal.SIGTERM),
            "it had to be killed" if status is None else f"status {status}",
        )
    )
    checks.append(
        (
            "every request of a well-behaved client was answered right",
            ledger.failed == 0 and ledger.asked == ledger.answered,
            f"{ledger.answered:,} of {ledger.asked:,}; {ledger.failed} visits failed",
        )
    )
    never = [name for name in behaviours() if not ledger.visits[name.partition(" ")[0]]]
    checks.append(
        (
            "every behaviour took place",
            not never,
            ", ".join(f"{kind} {count}" for kind, count in sorted(ledger.visits.items()))
            if not never
            else f"never: {', '.join(never)}",
        )
    )
    defects = ", ".join(f"{text} ({count} times)" for text, count in server.defects.items())
    checks.append(("no sign of a defect was printed", not server.defects, defects or "none"))
    return _close(checks, ledger, server)


def _close(checks: list[tuple[str, bool, str]], ledger: Ledger, server: Server) -> int:
    for name, good, figures in checks:
        _say(f"{'PASSED' if good else 'FAILED'} {name}: {figures}")
    for failure in ledger.failures:
        _say(f"  {failure}")
    failed = sum(not good for _, good, _ in checks)
    if failed and server.lines:
        _say("the server's last lines:")
        for line in server.lines:
            _say(f"  | {line}")
    _say(f"===== {len(checks) - failed} passed, {failed} failed =====")
    return 1 if failed else 0


def main() -> int:
    """Run the command; returns its exit status: 1 where a check failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        epilog="behaviours: " + ", ".join(behaviours()),
    )
    add = parser.add_argument
    add("--minutes", type=float, default=30.0, help="length of the traffic (default 30)")
    add("--clients", type=int, default=32, help="clients at a time (default 32)")
    add("--seed", default=None, help="the dice (default: a new one, which is printed)")
    add(
        "--command",
        default=DEFAULT_COMMAND,
        help="the server, with {python}, {app} and {port} to be filled in (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.minutes <= 0 or arguments.clients < 1:
        parser.error("--minutes must be above 0 and --clients at least 1")
    if arguments.seed is None:
        arguments.seed = str(random.SystemRandom().randrange(10**9))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return asyncio.run(_soak(arguments))
    except RuntimeError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
