"""Run FastAPI's or Starlette's own, unmodified tests over a server's socket.

    python -m tests.upstream fastapi --server hyper --bare
    python -m tests.upstream starlette --server uvicorn-h11 -- -k websocket

Nothing is installed: `pip install -r tests/upstream/requirements.txt` beforehand. The sdist is
downloaded once into `.cache/upstream`. The exit status is 0 only if every failure is excused in
`excused.txt` and enough requests really crossed the socket.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import sdist
from .over_socket import outcomes, paths, usage
from .over_socket.settings import Settings
from .suites import SUITES, Suite
from .verdict import conditions, judge, read_excused

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
PYTEST_RAN = (0, 1)  # all passed, or some failed; anything else is no result


def parse_arguments(arguments: list[str]) -> tuple[Suite, Settings, str, list[str]]:
    """The suite, the settings of the run, the number of processes, and pytest's arguments."""
    pytest_arguments: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, pytest_arguments = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument(
        "--server",
        default="hyper",
        help="hyper, uvicorn, uvicorn-h11, none (in process) or module:attribute of a factory",
    )
    parser.add_argument(
        "--bare", action="store_true", help="hand the server the application itself, unwrapped"
    )
    parser.add_argument(
        "--http2", action="store_true", help="speak HTTP/2 to the server, with prior knowledge"
    )
    parser.add_argument(
        "--install",
        action=argparse.BooleanOptionalAction,
        help="make fastapi.FastAPI hyperfastapi's class; default: unless the server is uvicorn",
    )
    parser.add_argument("--jobs", default="2", help="test processes (pytest -n); default: 2")
    given = parser.parse_args(arguments)
    if given.bare and given.server == "none":
        parser.error("--bare needs a server: in process there is nothing to unwrap")
    suite = SUITES[given.suite]
    install = given.install
    if install is None:
        install = suite.apps > 0 and not given.server.startswith("uvicorn")
    settings = Settings(server=given.server, bare=given.bare, install=install, http2=given.http2)
    return suite, settings, given.jobs, pytest_arguments


def require_installed(suite: Suite) -> None:
    """Check that the suite's own version is installed.

    Raises:
        RuntimeError: naming the remedy, if it is not.
    """
    try:
        installed = importlib.metadata.version(suite.name)
        importlib.metadata.version("pytest-xdist")
    except importlib.metadata.PackageNotFoundError as missing:
        installed = f"no {missing.name}"
    if installed != suite.version:
        raise RuntimeError(
            f"this needs {suite.name} {suite.version} and its test requirements, but {installed} "
            f"is installed: pip install -r {os.path.relpath(REQUIREMENTS)}"
        )


def run_pytest(
    suite: Suite, settings: Settings, directory: Path, jobs: str, arguments: list[str]
) -> int:
    """Run pytest in the unpacked sdist and return its exit status."""
    environment = os.environ | settings.environment()
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    command = [sys.executable, "-P", "-m", "pytest", "-p", "over_socket", "-p", "no:cacheprovider"]
    command += ["-n", jobs, "-q", "--tb=short", *suite.arguments, *arguments]
    if not any(argument.startswith("tests") for argument in arguments):
        command.append("tests")
    return subprocess.run(command, cwd=directory, env=environment).returncode


def main(arguments: list[str]) -> int:
    suite, settings, jobs, pytest_arguments = parse_arguments(arguments)
    try:
        require_installed(suite)
        archive = sdist.fetch(suite)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="upstream-") as temporary:
        root = sdist.unpack(suite, archive, Path(temporary))
        report = str(Path(temporary) / "outcomes")
        settings = dataclasses.replace(settings, report=report)
        status = run_pytest(suite, settings, root, jobs, pytest_arguments)
        seen, use, share = outcomes.read(report), usage.read(report), paths.read(report)
    excused = read_excused(conditions(suite, settings, is_root=os.geteuid() == 0))
    verdict = judge(suite, settings, seen, use, share, excused, complete=not pytest_arguments)
    if status not in PYTEST_RAN:
        verdict.problems.append(f"pytest ended with status {status}")
    where = "in process" if not settings.over_socket else f"over {settings.server}"
    ways = [way for way in ("bare", "http2") if getattr(settings, way)]
    print(f"\n{suite.name} {suite.version} {where}", *(f"({way})" for way in ways))
    print("\n".join(f"  {line}" for line in verdict.lines()))
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
