"""Each attack for a second: nobody else notices, memory stays, and the attacker is ended.

How long answers take is for `python -m tests.attacks` to judge, on a machine with nothing else to
do.
"""

from __future__ import annotations

import pytest

from .attack import ATTACKS, Attack
from .measure import GROWTH_MAX, measure

_NAMES = [attack.name for attack in ATTACKS]


@pytest.mark.parametrize("attack", ATTACKS, ids=_NAMES)
def test_attack_harms_no_other_client(attack: Attack) -> None:
    result = measure(attack, 1.0)
    assert result.errors == []
    assert result.seconds, "the well-behaved client was not served"
    assert result.growth < GROWTH_MAX
    if attack.holds:
        assert result.connections == result.counters["h2_connections"] - 1
    else:
        assert result.counters[attack.counter] > 0
