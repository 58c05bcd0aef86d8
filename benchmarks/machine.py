"""Describes the machine and the software that figures come from."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib import metadata

from benchmarks.catalogue import CONTENDERS


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _virtual() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return any(line.startswith("flags") and " hypervisor" in line for line in file)
    except OSError:
        return False


def _release() -> str:
    """Return the kernel's release, without what its builder has added."""
    return platform.release().split("-")[0]


def describe(server_cpus: Iterable[int], load_cpus: Iterable[int]) -> dict[str, str]:
    """Return facts about this machine as name and text, in the order to show them.

    Args:
        server_cpus: processors that servers were given.
        load_cpus: processors that the load generator was given.
    """
    one, five, _ = os.getloadavg()
    kind = " (virtual machine)" if _virtual() else ""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} processors{kind}",
        "system": f"{platform.system()} {_release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "server on": "processor " + ", ".join(map(str, sorted(server_cpus))),
        "load on": "processor " + ", ".join(map(str, sorted(load_cpus))),
        "load average before the run": f"{one:.2f} (1 minute), {five:.2f} (5 minutes)",
    }


def versions() -> dict[str, str]:
    """Return the installed version of each distribution that a contender or application uses."""
    names = ["fastapi", "starlette", "pydantic"]
    for contender in CONTENDERS:
        names += [name for name in contender.distributions if name not in names]
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
