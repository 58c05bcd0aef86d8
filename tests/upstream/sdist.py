"""Fetching a suite: its sdist is downloaded once, checked, and unpacked afresh for every run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from .suites import Suite

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "upstream"


def fetch(suite: Suite, cache: Path = CACHE) -> Path:
    """Return the path of the suite's sdist, downloading it into the cache if need be.

    Raises:
        RuntimeError: if pip cannot download it, or if its digest is not the pinned one.
    """
    path = cache / f"{suite.name}-{suite.version}.tar.gz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            _download(suite, directory)
            (Path(directory) / path.name).rename(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != suite.sha256:
        raise RuntimeError(
            f"{path} has the SHA-256 digest {digest}, not {suite.sha256}: delete it and try again"
        )
    return path


def _download(suite: Suite, directory: str) -> None:
    requirement = f"{suite.name}=={suite.version}"
    options = ["--no-binary", ":all:", "--no-deps", "--quiet", "--dest", directory]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def unpack(suite: Suite, sdist: Path, directory: Path) -> Path:
    """Unpack the sdist and return its root.

    The package itself is left out, so that the tests can only import the installed one.
    """
    root = f"{suite.name}-{suite.version}"
    with tarfile.open(sdist) as archive:
        package = f"{root}/{suite.name}/"
        members = [m for m in archive.getmembers() if not m.name.startswith(package)]
        archive.extractall(directory, members=members, filter="data")
    return directory / root
