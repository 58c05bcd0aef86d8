"""docs/behaviour.md: each rule names a test, and the test is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "behaviour.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rules() -> list[str]:
    """The rows of the page's tables."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    return [row for row in rows if not row.startswith(("| situation", "| ---"))]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.split("|")[1].strip()[:60])
def test_each_rule_is_proved_by_tests_that_there_are(rule: str) -> None:
    named = _NAMED.findall(rule.split("|")[3])
    assert named
    for module, name in named:
        tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
        assert name in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, module
