"""The suite itself: Python 2.7 code, in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HELP = """\
The Autobahn test suite needs Python 2.7, and none was found: neither `python2.7` on PATH nor a
version of pyenv's. `pyenv install 2.7.18` builds one; PYTHON2=/path/to/python2.7 names another."""


class Unavailable(Exception):
    """The suite cannot be set up here."""


def find_python() -> Path:
    """Return an interpreter of Python 2.7; raises Unavailable."""
    candidates = [os.environ.get("PYTHON2"), shutil.which("python2.7")]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates += map(str, sorted(pyenv.glob("versions/2.7*/bin/python2.7"), reverse=True))
    probe = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    for candidate in candidates:
        if (
            candidate
            and subprocess.run([candidate, "-c", probe], capture_output=True).returncode == 0
        ):
            return Path(candidate)
    raise Unavailable(HELP)


def _run(*command: str | Path, **environment: str) -> None:
    outcome = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    if outcome.returncode != 0:
        raise Unavailable(
            f"{command[0]} has failed while the suite was set up:\n{outcome.stdout[-2000:]}"
            f"{outcome.stderr[-2000:]}"
        )


def set_up(directory: Path) -> Path:
    """Make the suite's environment, once; return its command.

    Args:
        directory: where it is kept.
    """
    command = directory / "suite" / "bin" / "wstest"
    if command.exists():
        return command
    python = find_python()
    tool = directory / "virtualenv"
    # The last releases of virtualenv that make environments of Python 2.7.
    _run(sys.executable, "-m", "pip", "install", "--upgrade", "--target", tool, "virtualenv<20.22")
    _run(sys.executable, "-m", "virtualenv", "-p", python, directory / "suite",
         PYTHONPATH=str(tool))  # fmt: skip
    # wsaccel validates UTF-8 for the suite, which without it takes hours.
    _run(directory / "suite" / "bin" / "pip", "install", "autobahntestsuite", "wsaccel")
    return command


def run(command: Path, port: int, cases: list[str], directory: Path) -> dict[str, tuple[str, str]]:
    """Run cases against a server.

    Args:
        command: of the suite.
        port: of the server, on 127.0.0.1.
        cases: their numbers, with "*" for all that begin so.
        directory: for the reports.

    Returns:
        What the suite says of each case, and of how the connection was closed.
    """
    reports = directory / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    specification = directory / "fuzzingclient.json"
    specification.write_text(
        json.dumps(
            {
                "outdir": str(reports),
                "servers": [{"agent": "hyperfastapi", "url": f"ws://127.0.0.1:{port}"}],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    subprocess.run(
        [str(command), "-m", "fuzzingclient", "-s", str(specification)],
        cwd=directory, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    index = json.loads((reports / "index.json").read_text())["hyperfastapi"]
    return {case: (said["behavior"], said["behaviorClose"]) for case, said in index.items()}
