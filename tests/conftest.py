"""Excuses older releases from tests of what they do not have; see releases.py."""

from __future__ import annotations

import pytest

from . import releases


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bridged: the routes of the test need not be compiled")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    own, bridged = releases.excused(releases.OWN), releases.excused(releases.BRIDGED)
    for item in items:
        test_id = item.nodeid
        reason = releases.reason_for(test_id, own)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
        if releases.reason_for(test_id, bridged) is not None:
            item.add_marker("bridged")
