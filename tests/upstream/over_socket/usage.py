"""Counters that prove that a mode was in force.

A swap that comes after a conftest.py has bound the original name tests nothing, and passes. So
everything that a run relies on is counted here, and the runner refuses a run whose counters are
below the suite's floor.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

HTTP = "http"  # responses that arrived over a socket
WEBSOCKET = "websocket"  # handshakes answered over a socket, accepted or not
IN_PROCESS = "in_process"  # requests that the original transport carried
SERVERS = "servers"
APP_INSTALLED = "app_installed"  # instances of hyperfastapi's class
APP_ORIGINAL = "app_original"

counts: Counter[str] = Counter()


def write(report: str) -> None:
    """Write this process's counters beside the report."""
    Path(f"{report}.{os.getpid()}.use").write_text(json.dumps(counts))


def read(report: str) -> Counter[str]:
    """Sum the counters of every process of a run."""
    path = Path(report)
    total: Counter[str] = Counter()
    for file in path.parent.glob(f"{path.name}.*.use"):
        total.update(json.loads(file.read_text()))
    return total
