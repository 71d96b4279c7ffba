"""Two nodes, before and after they have proven their paths."""

from __future__ import annotations

import pytest

from tests.unit.agent.hostgw.lan import Lan
from tests.unit.agent.hostgw.pair import both, nodes


@pytest.fixture
def lan() -> Lan:
    return nodes()


@pytest.fixture
def direct(lan: Lan) -> Lan:
    lan.until(both(lan), 30)
    return lan
