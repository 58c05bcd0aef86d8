"""``python -m tests.acceptance CHECK``: one check, on servers of its own.

rotation    100 renewals of the certificate under load; no request may fail
sslyze      sslyze's scan; it may find nothing weak
h2spec      h2spec, strict, without TLS and with it; one miss is known and named
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from . import certificates, h2spec, scanner
from .served import Served

_HOW = {
    "sslyze": "install it in an environment of its own: pip install sslyze==6.3.1",
    "h2spec": "build it from its sources, release 2.6.0",
}


def _program(name: str) -> str:
    """Find a program on PATH.

    Raises:
        RuntimeError: naming the remedy, if it is not there.
    """
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not on PATH; {_HOW[name]}")
    return found


def _h2spec(directory: Path) -> int:
    program = _program("h2spec")
    status = 0
    for tls in (False, True):
        print("with TLS" if tls else "without TLS", flush=True)
        with Served(directory, tls=tls) as served:
            status |= h2spec.judge(served.port, program, directory, tls=tls)
    return status


def main() -> int:
    """Run the command; returns its exit status: 0 if the check has passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("check", choices=("rotation", "sslyze", "h2spec"))
    parser.add_argument("--times", type=int, default=100, help="renewals (default 100)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acceptance-") as temporary:
        directory = Path(temporary)
        try:
            if given.check == "h2spec":
                return _h2spec(directory)
            if given.check == "sslyze":
                program = _program("sslyze")
                with Served(directory) as served:
                    return scanner.scan(served, program, directory)
            with Served(directory) as served:
                return certificates.rotate(served, given.times)
        except RuntimeError as error:
            print(f"acceptance: {error}", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
