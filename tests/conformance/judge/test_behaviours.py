"""Each behaviour that is known has a test that names it."""

from ..areas import HERE
from ..behaviours import BEHAVIOURS, named

OTHERS = ("parity", "server", "package", "glue")


def test_no_behaviour_is_without_a_test():
    tests = named(HERE, *(HERE.parent / each for each in OTHERS))
    missing = {number: text for number, text in BEHAVIOURS.items() if number not in tests}
    assert not missing


def test_no_test_names_a_behaviour_that_is_not_listed():
    assert set(named(HERE, HERE.parent / "parity")) <= set(BEHAVIOURS)
