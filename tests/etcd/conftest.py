"""Everything in the tests here starts servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest

from ipam.etcd.client import EtcdClient
from ipam.etcd.settings import Settings
from tests.etcd.cluster import Cluster, Shape
from tests.etcd.given import release

Connect: TypeAlias = Callable[[Settings], EtcdClient]
Start: TypeAlias = Callable[[str, Shape], Cluster]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a cluster of a release; it ends with the test."""
    numbers = count()
    with ExitStack() as undo:
        yield lambda name, shape: undo.enter_context(
            Cluster(release(name), tmp_path / f"cluster{next(numbers)}", shape)
        )


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a client; it is closed with the test."""
    with ExitStack() as undo:
        yield lambda settings: undo.enter_context(closing(EtcdClient(settings)))
