"""What the project's own tests are excused from, and that none of them excuses itself."""

import ast
from pathlib import Path

import pytest

from tests import releases

TESTS = Path(releases.__file__).parent
_SKIPS = {"skip", "skipif", "importorskip", "xfail"}


def modules() -> list[Path]:
    """The test modules that are the project's own."""
    return [path for path in sorted(TESTS.rglob("test_*.py")) if "upstream" not in path.parts]


def functions(path: Path) -> set[str]:
    """The names of a module's tests."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("line", releases.listed(), ids=lambda line: f"{line[1]}-{line[3]}")
def test_each_line_names_tests_that_there_are(line: tuple[str, ...]) -> None:
    module, _, name = line[3].partition("::")
    path = TESTS.parent / module
    assert path.is_file()
    assert not name or name.partition("[")[0] in functions(path)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_module_skips_or_leaves_out_a_test_by_itself(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    skips = [n for n in attributes if n.attr in _SKIPS and ast.unparse(n).startswith("pytest.")]
    assert not skips, f"line {skips[0].lineno}: excused.txt is the place for it"
    for node in tree.body:
        if isinstance(node, ast.If | ast.Try):
            found = [n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)]
            assert not [name for name in found if name.startswith("test_")], node.lineno


@pytest.mark.parametrize("condition", ["own:fastapi>0.1", "own:fastapi==0.1", "own:fastapi"])
def test_only_older_releases_can_be_excused(tmp_path: Path, condition: str) -> None:
    path = tmp_path / "excused.txt"
    path.write_text(f"{condition}\ttests/test_x.py\ta reason\n")
    with pytest.raises(ValueError, match="is not kind:package<release"):
        releases.listed(path)


def test_an_excuse_is_for_a_module_a_test_or_one_of_its_cases() -> None:
    excuses = {"tests/test_a.py": "1", "tests/test_b.py::test_b": "2"}
    excuses["tests/test_b.py::test_c[1]"] = "3"
    assert releases.reason_for("tests/test_a.py::test_any[1]", excuses) == "1"
    assert releases.reason_for("tests/test_b.py::test_b[1-2]", excuses) == "2"
    assert releases.reason_for("tests/test_b.py::test_b", excuses) == "2"
    assert releases.reason_for("tests/test_b.py::test_c[1]", excuses) == "3"
    assert releases.reason_for("tests/test_b.py::test_c[2]", excuses) is None
    assert releases.reason_for("tests/test_b.py::test_b_too", excuses) is None
    assert releases.reason_for("tests/test_ab.py::test_b", excuses) is None


def test_releases_that_are_installed_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"fastapi": "0.164.2", "starlette": "1.10", "python-multipart": "0.0.34"}
    installed["websockets"] = "17.0"
    monkeypatch.setattr(releases.importlib.metadata, "version", installed.__getitem__)
    reasons = set(releases.excused(releases.OWN).values())
    assert "there are no form_limits" in reasons and "there is no max_body_size" not in reasons
    assert releases.excused(releases.BRIDGED) == {}
