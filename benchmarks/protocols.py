"""``python -m benchmarks.protocols``: HTTP/2, TLS and handshakes, beside servers of others.

The client is h2load. Contenders that are not installed are named and left out. Server and load have
a processor each, the rounds are interleaved, and medians are shown: requests (or handshakes) a
second, and how much processor time of the server's processes each took, in microseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, native_build, process_tree
from benchmarks.catalogue import application
from benchmarks.server_process import CHECKOUT, free_port

START_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")
TEXT = '{"hello":"world"}'


@dataclass(frozen=True)
class Scenario:
    """A load.

    Attributes:
        name: what it is called by.
        title: what it is, for a reader of the table.
        is_secure: over TLS.
        arguments: of h2load; without a length, where it goes on for a while.
        is_http1: HTTP/1.1 is spoken.
        counted: what h2load is to do so often, instead of going on for a while.
    """

    name: str
    title: str
    is_secure: bool
    arguments: tuple[str, ...]
    is_http1: bool = False
    counted: int = 0


@dataclass(frozen=True)
class Contender:
    """A server.

    Attributes:
        name: what it is called by.
        title: what it is, for a reader of the table.
        program: path or name of what must be there.
        module: Python module that must be importable, or "".
        command: makes its command line of a `Place`.
        speaks_http1: whether it speaks HTTP/1.1 as well.
    """

    name: str
    title: str
    program: str
    module: str
    command: Callable[[Place], list[str]]
    speaks_http1: bool = True

    def missing(self) -> str | None:
        """What is not installed, or None."""
        if shutil.which(self.program) is None:
            return f"{self.program} is not installed"
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"the module {self.module} is not installed"
        return None


@dataclass(frozen=True)
class Place:
    """Where a contender runs.

    Attributes:
        directory: its own files, among them `cert.pem` and `key.pem`, and `www/index.html`.
        port: where to listen, on 127.0.0.1.
        is_secure: speak TLS.
        is_http1: HTTP/1.1 will be spoken.
    """

    directory: Path
    port: int
    is_secure: bool
    is_http1: bool

    @property
    def pair(self) -> tuple[str, str]:
        """Paths of the certificate and its key."""
        return str(self.directory / "cert.pem"), str(self.directory / "key.pem")


_ONE = ("-c", "1", "-m", "100")
_MANY = ("-c", "64", "-m", "10")

SCENARIOS = (
    Scenario("h2c-1x100", "h2c, 1 connection, 100 streams", False, _ONE),
    Scenario("h2c-64x10", "h2c, 64 connections, 10 streams each", False, _MANY),
    Scenario("h2-1x100", "h2, 1 connection, 100 streams", True, _ONE),
    Scenario("h2-64x10", "h2, 64 connections, 10 streams each", True, _MANY),
    Scenario(
        "tls-keep-alive",
        "HTTP/1.1 over TLS, 64 connections kept alive",
        True,
        ("--h1", "-c", "64"),
        is_http1=True,
    ),
    Scenario(
        "handshakes",
        "TLS 1.3 handshakes, ECDSA P-256, each with one request of HTTP/1.1",
        True,
        ("--h1", "-c", "1000", "-n", "1000"),
        is_http1=True,
        counted=1000,
    ),
)


def _hyperfastapi(place: Place) -> list[str]:
    cert, key = place.pair
    tls = ["--tls-cert", cert, "--tls-key", key] if place.is_secure else []
    command = [sys.executable, "-m", "hyperfastapi", "run", application("bare").target]
    return [*command, "--port", str(place.port), "--no-access-log", "--log-level", "error", *tls]


def _constant(place: Place) -> list[str]:
    program = str(native_build.DIRECTORY / "examples" / "constant")
    return [program, str(place.port), *(place.pair if place.is_secure else ())]


def _nghttpd(place: Place) -> list[str]:
    cert, key = place.pair
    common = ["nghttpd", "-a", "127.0.0.1", "-d", str(place.directory / "www")]
    return [*common, str(place.port), key, cert] if place.is_secure else [
        *common, "--no-tls", str(place.port),
    ]  # fmt: skip


_NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 100000000; http2_max_concurrent_streams 128;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port}{flags} backlog=4096;
        {tls}
        location / {{ default_type application/json; return 200 '{text}'; }}
    }}
}}
"""


def _nginx(place: Place) -> list[str]:
    cert, key = place.pair
    flags = (" ssl" if place.is_secure else "") + ("" if place.is_http1 else " http2")
    tls = f"ssl_certificate {cert}; ssl_certificate_key {key};" if place.is_secure else ""
    file = place.directory / "nginx.conf"
    file.write_text(
        _NGINX.format(directory=place.directory, port=place.port, flags=flags, tls=tls, text=TEXT)
    )
    return ["nginx", "-p", str(place.directory), "-c", str(file)]


def _granian(place: Place) -> list[str]:
    cert, key = place.pair
    tls = ["--ssl-certificate", cert, "--ssl-keyfile", key] if place.is_secure else []
    return [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--workers", "1"),
        *("--http", "1" if place.is_http1 else "2", "--loop", "uvloop", "--runtime-mode", "st"),
        *("--host", "127.0.0.1", "--port", str(place.port), "--log-level", "warning"),
        *("--no-access-log", *tls, application("bare").target),
    ]


def _hypercorn(place: Place) -> list[str]:
    cert, key = place.pair
    tls = ["--certfile", cert, "--keyfile", key] if place.is_secure else []
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{place.port}"]
    return [*command, "--worker-class", "uvloop", *tls, application("bare").target]


_CONSTANT_PATH = str(native_build.DIRECTORY / "examples" / "constant")

CONTENDERS = (
    Contender("constant", "examples/constant.c: net/ alone", _CONSTANT_PATH, "", _constant),
    Contender(
        "hyperfastapi", "a bare ASGI application", sys.executable, "hyperfastapi", _hyperfastapi
    ),
    Contender("nghttpd", "nghttpd, a file; HTTP/2 alone", "nghttpd", "", _nghttpd, False),
    Contender("nginx", "nginx, a constant", "nginx", "", _nginx),
    Contender("granian", "granian, the same application", sys.executable, "granian", _granian),
    Contender(
        "hypercorn", "hypercorn, the same application", sys.executable, "hypercorn", _hypercorn
    ),
)


@dataclass(frozen=True)
class Figures:
    """One measurement: per second, and microseconds of the server's processor time each."""

    rate: float
    cost: float


class Failed(Exception):
    """A measurement could not be taken; the text says why."""


@contextlib.contextmanager
def _pinned(cpu: int) -> Iterator[None]:
    """Let what is started here run on one processor."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


@contextlib.contextmanager
def _serving(command: list[str], port: int, cpu: int) -> Iterator[int]:
    """Run a server; its process number is given once it accepts connections."""
    with tempfile.TemporaryFile() as output, _pinned(cpu):
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdout=output, stderr=output, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError as error:
                    if process.poll() is not None or time.monotonic() > deadline:
                        output.seek(0)
                        said = output.read().decode(errors="replace")[-500:]
                        raise Failed(f"does not listen: {said}") from error
                    time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _processor_seconds(pid: int) -> float:
    total = 0
    for each in process_tree.tree(pid):
        fields = Path(f"/proc/{each}/stat").read_bytes().rpartition(b")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def _load(scenario: Scenario, port: int, seconds: float, cpu: int) -> tuple[int, float]:
    """Run h2load; how many requests were answered, and in how many seconds."""
    scheme = "https" if scenario.is_secure else "http"
    length = () if scenario.counted else ("-D", f"{round(seconds * 1000)}ms")
    command = ["h2load", *scenario.arguments, *length, f"{scheme}://127.0.0.1:{port}/"]
    with _pinned(cpu):
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    finished = re.search(r"finished in ([\d.]+)(ms|s|us), ", done.stdout)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    if finished is None or counts is None or int(counts[1]) == 0 or int(counts[2]):
        raise Failed(f"h2load: {(done.stdout + done.stderr)[-500:]}")
    unit = {"s": 1.0, "ms": 1e-3, "us": 1e-6}[finished[2]]
    return int(counts[1]), seconds if not scenario.counted else float(finished[1]) * unit


def _measure(
    scenario: Scenario, contender: Contender, files: Path, seconds: float, cpus: tuple[int, int]
) -> Figures:
    place = Place(files, free_port(), scenario.is_secure, scenario.is_http1)
    with _serving(contender.command(place), place.port, cpus[0]) as pid:
        if not scenario.counted:
            _load(scenario, place.port, 0.5, cpus[1])  # warm
        repeats = 3 if scenario.counted else 1
        before = _processor_seconds(pid)
        loads = [_load(scenario, place.port, seconds, cpus[1]) for _ in range(repeats)]
        used = _processor_seconds(pid) - before
    answered, took = sum(load[0] for load in loads), sum(load[1] for load in loads)
    return Figures(answered / took, used / answered * 1e6)


def _make_files(directory: Path) -> None:
    (directory / "www").mkdir()
    (directory / "www" / "index.html").write_text(TEXT)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "30", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )


def _show(scenario: Scenario, taken: dict[str, list[Figures]], failures: dict[str, str]) -> None:
    print(f"\n{scenario.name}: {scenario.title}")
    print(f"  {'':14}{'per second':>12}{'us each':>10}{'us, from':>10}{'to':>8}")
    for name, figures in taken.items():
        if not figures:
            print(f"  {name:14}{failures[name]}")
            continue
        costs = [each.cost for each in figures]
        rate = statistics.median(each.rate for each in figures)
        print(
            f"  {name:14}{rate:12,.0f}{statistics.median(costs):10.2f}"
            f"{min(costs):10.2f}{max(costs):8.2f}",
            flush=True,
        )


def main() -> int:
    """Run the command; returns its exit status: 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protocols", description=__doc__)
    names = [each.name for each in (*SCENARIOS, *CONTENDERS)]
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a load (default 2)")
    given = parser.parse_args()
    if shutil.which("h2load") is None:
        print("benchmarks: h2load is not installed (nghttp2-client)", file=sys.stderr)
        return 1
    native_build.build()
    usable = sorted(os.sched_getaffinity(0))
    cpus = (usable[0], usable[min(1, len(usable) - 1)])
    for name, text in machine.describe(cpus[:1], cpus[1:]).items():
        print(f"{name}: {text}")

    def chosen(entries: tuple[Scenario, ...] | tuple[Contender, ...]) -> list[str]:
        known = [each.name for each in entries]
        return [name for name in known if name in given.only] or known

    contenders = []
    for contender in CONTENDERS:
        if contender.name not in chosen(CONTENDERS):
            continue
        missing = contender.missing()
        print(f"{contender.name}: {f'left out, {missing}' if missing else contender.title}")
        if not missing:
            contenders.append(contender)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        files = Path(temporary)
        files.chmod(0o755)  # nginx's worker is another user's
        _make_files(files)
        for scenario in SCENARIOS:
            if scenario.name not in chosen(SCENARIOS):
                continue
            here = [each for each in contenders if each.speaks_http1 or not scenario.is_http1]
            taken: dict[str, list[Figures]] = {each.name: [] for each in here}
            failures: dict[str, str] = {}
            for _ in range(given.rounds):
                for contender in here:
                    try:
                        figures = _measure(scenario, contender, files, given.seconds, cpus)
                        taken[contender.name].append(figures)
                    except (Failed, OSError, subprocess.TimeoutExpired) as error:
                        failures[contender.name] = " ".join(str(error).split())[:300]
            _show(scenario, taken, failures)
    return 0 if contenders else 1


if __name__ == "__main__":
    sys.exit(main())
