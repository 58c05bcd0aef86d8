"""Files that are sent and uploaded: the same bytes each time, of no format."""

import random
from pathlib import Path

FILES = Path(__file__).resolve().parents[2] / "build" / "bench-files"
LARGE_SIZE = 1_000_000
SMALL_SIZE = 10_000

LARGE_FILE = FILES / "large.bin"
SMALL_FILE = FILES / "small.bin"


def content(size: int) -> bytes:
    """Return that many bytes."""
    return random.Random(size).randbytes(size)


def _write(path: Path, size: int) -> None:
    if not path.exists() or path.stat().st_size != size:
        FILES.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(size))


_write(LARGE_FILE, LARGE_SIZE)
_write(SMALL_FILE, SMALL_SIZE)
