"""The areas of the suite: the modules and folders of this directory."""

from __future__ import annotations

import ast
import collections
from pathlib import Path

import pytest

HERE = Path(__file__).parent
README = HERE.parent.parent / "README.md"
_BEGIN = "<!-- counted by python -m tests.conformance -->\n"
_END = "<!-- end of what is counted -->\n"
# Tests of the suite itself.
_NO_AREA = "judge"


def area_of(path: Path) -> str:
    """The area of a test module: its folder, or its own name without `test_`.

    Args:
        path: the module's file, below this directory.
    """
    first = path.relative_to(HERE).parts[0]
    return first.removesuffix(".py").removeprefix("test_")


def about(area: str) -> str:
    """What an area is about: the first line of its docstring."""
    folder = HERE / area / "__init__.py"
    source = folder if folder.exists() else HERE / f"test_{area}.py"
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


class _Collected:
    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.counts.update(area_of(item.path) for item in session.items)


def counted() -> dict[str, int]:
    """Collect the suite and count the tests of each area.

    Raises:
        RuntimeError: the suite can't be collected.
    """
    collected = _Collected()
    status = pytest.main(
        ["--collect-only", "-qq", "--no-summary", "-p", "no:cacheprovider", str(HERE)], [collected]
    )
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the suite can't be collected: {status!r}")
    del collected.counts[_NO_AREA]
    return dict(sorted(collected.counts.items()))


def table(counts: dict[str, int]) -> str:
    """The counts as a Markdown table, with a sum."""
    lines = ["| area | tests | about |", "| --- | ---: | --- |"]
    lines += [f"| {area} | {count} | {about(area)} |" for area, count in counts.items()]
    lines.append(f"| **all** | **{sum(counts.values())}** | |")
    return "\n".join(lines) + "\n"


def replaced(readme: str, lines: str) -> str:
    """The README with another table in it.

    Raises:
        ValueError: the README has no place for one.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"no lines {_BEGIN!r} and {_END!r}")
    return before + begin + "\n" + lines + "\n" + end + after
