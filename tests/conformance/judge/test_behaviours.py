"""Each behaviour that is known has a test that names it."""

from ..areas import HERE
from ..behaviours import BEHAVIOURS, named


def test_no_behaviour_is_without_a_test():
    tests = named(HERE, HERE.parent / "parity")
    missing = {number: text for number, text in BEHAVIOURS.items() if number not in tests}
    assert not missing


def test_no_test_names_a_behaviour_that_is_not_listed():
    assert set(named(HERE)) <= set(BEHAVIOURS)
