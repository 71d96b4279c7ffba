"""A world of nodes; after each test its addresses are audited once more."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

from ipam.registry import etcd
from tests.scenario.cluster.world import World


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], World]]:
    """Make a cluster without machines, in which chance is always the same."""
    lottery = random.Random(1)  # noqa: S311 - places, no secrets
    monkeypatch.setattr(etcd, "random", SimpleNamespace(Random=lambda: lottery))
    numbers = count()
    memory = Path("/dev/shm")  # noqa: S108 - disks are simulated too: nobody waits for one
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield lambda: World(Path(folder, f"world{next(numbers)}"))


@pytest.fixture
def world(new_world: Callable[[], World]) -> Iterator[World]:
    """One of them."""
    world = new_world()
    yield world
    world.audit()
