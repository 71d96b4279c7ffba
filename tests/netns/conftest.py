"""A cluster for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.cluster import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three nodes whose pods reach each other over VXLAN."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.delete()
