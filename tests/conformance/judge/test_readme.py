"""The README tells how many tests there are, and what the suite owes its reader."""

import importlib.metadata
import re
import subprocess
import sys

from ..areas import HERE, about, area_of, replaced, table

REQUIREMENTS = HERE.parent / "requirements.txt"


def test_the_counts_in_the_readme_are_those_of_the_suite():
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance", "--check"],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
    )
    # Older versions of FastAPI know less, and tests of what they do not know are not there.
    newest = re.findall(r"^fastapi==([\d.]+)", REQUIREMENTS.read_text(), re.MULTILINE)[0]
    is_newest = importlib.metadata.version("fastapi") == newest
    assert done.returncode in ((0,) if is_newest else (0, 1)), done.stdout + done.stderr


def test_a_module_is_an_area_and_so_is_a_folder():
    assert area_of(HERE / "test_security.py") == "security"
    assert area_of(HERE / "parameters" / "test_types.py") == "parameters"
    assert about("parameters") == "Path, query, header and cookie parameters"


def test_a_table_replaces_the_one_before():
    first = replaced(EMPTY, table({"parameters": 2}))
    second = replaced(first, table({"parameters": 3}))
    assert "| parameters | 3 | Path, query" in second and "| **all** | **3** |" in second
    assert second.startswith("before\n") and second.endswith("after\n") and "| 2 |" not in second


EMPTY = (
    "before\n<!-- counted by python -m tests.conformance -->\n<!-- end of what is counted -->\n"
    "after\n"
)
