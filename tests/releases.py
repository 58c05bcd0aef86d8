"""Which of the project's own tests older releases are excused from.

They stand in the list of all that is excused, tests/upstream/excused.txt. A condition names the
release from which on a test has to pass, so that a later one, which may have dropped or renamed
what the test is about, is never excused: the test fails, and somebody looks.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
from pathlib import Path

from packaging.version import Version

EXCUSED = Path(__file__).parent / "upstream" / "excused.txt"
OWN, BRIDGED = "own", "bridged"
_CONDITION = re.compile(r"(own|bridged):([a-z-]+)<(\d+(?:\.\d+)*)")


def _installed(package: str) -> Version:
    if package == "python":
        return Version(platform.python_version())
    return Version(importlib.metadata.version(package))


def listed(path: Path = EXCUSED) -> list[tuple[str, str, str, str, str]]:
    """Return the lines about the project's own tests.

    Returns:
        kind (`OWN` or `BRIDGED`), package, release, test id from the checkout's root, and reason.

    Raises:
        ValueError: a line has another condition than one of an older release.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith((f"{OWN}:", f"{BRIDGED}:")):
            continue
        condition, test_id, reason = line.split("\t")
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise ValueError(f"{path.name}:{number}: {condition!r} is not kind:package<release")
        found.append((*match.groups(), test_id, reason))
    return found


def excused(kind: str) -> dict[str, str]:
    """Return what the installed releases are excused from: test ids, or their beginnings, and why.

    Args:
        kind: `OWN` for tests that are not run, `BRIDGED` for those that need no compiled routes.
    """
    return {
        test_id: reason
        for one, package, release, test_id, reason in listed()
        if one == kind and _installed(package) < Version(release)
    }


def reason_for(test_id: str, excuses: dict[str, str]) -> str | None:
    """Return why a test is excused; None: it is not.

    Args:
        test_id: pytest's, from the checkout's root.
        excuses: what `excused()` has returned.
    """
    for one, reason in excuses.items():
        if test_id == one or test_id.startswith((f"{one}::", f"{one}[")):
            return reason
    return None
