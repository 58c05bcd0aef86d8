"""The server's memory after thousands of requests is what it was after the first ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from served_process import Run, ServedProcess
from wire_client import Connection

PIPELINE = 20
MIB = 1024 * 1024


def visit(port: int) -> None:
    """Ask twenty times, have a body echoed, and leave in the middle of another one."""
    with Connection(port) as connection:
        for _ in range(PIPELINE):
            connection.request("/?" + "q" * 1000)
        for _ in range(PIPELINE):
            assert connection.answer().status == 200
        connection.request("/echo", "content-length: 100000", method="POST")
        connection.send(b"x" * 100_000)
        assert len(connection.answer().body) == 100_000
        connection.request("/echo", "content-length: 100000", method="POST")
        connection.send(b"x" * 5_000)


def resident_after(server: ServedProcess, visits: int) -> int:
    """The server's memory in bytes, in pages that are in use."""
    for _ in range(visits):
        visit(server.port)
    statm = Path(f"/proc/{server.pid}/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    kilobytes = subprocess.check_output(["ps", "-o", "rss=", "-p", str(server.pid)])
    return int(kilobytes) * 1024


def test_memory_does_not_grow_with_requests(serve: Run) -> None:
    # AddressSanitizer keeps what is freed, up to this.
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"
    server = serve("main:app", "--no-access-log", ASAN_OPTIONS=options)
    before = resident_after(server, 100)
    # A page for each visit would be above the bound, and so would half a KiB for each request.
    assert resident_after(server, 500) - before < 2 * MIB
