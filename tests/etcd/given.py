"""What the tests with real servers are given."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ipam.etcd.interface import Batch, Etcd, Event, Get, Keys, KeyValue, Put, Txn
from tests.etcd.releases import Release, find

WITHIN = 10.0
"""Seconds: far more than any call takes when nothing is wrong."""


def release(name: str) -> Release:
    """Return a release; skip the test where there is none, but fail it in CI."""
    found = find(name)
    if found:
        return found
    reason = f"there is no etcd {name} on this machine: make etcd"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def put(etcd: Etcd, key: str, value: bytes = b"", lease: int = 0) -> int:
    """Put a key, whatever there was; return the revision."""
    return etcd.txn(Txn(then=(Put(key, value, lease),)), WITHIN).revision


def entry(etcd: Etcd, key: str) -> KeyValue | None:
    """Return a key as it is, None when it is not there."""
    found = etcd.get(Get(Keys(key)), WITHIN).found
    return found.entries[0] if found.entries else None


def revision(etcd: Etcd) -> int:
    """Return the store's revision."""
    return etcd.get(Get(Keys("any")), WITHIN).revision


def events(etcd: Etcd, keys: Keys, after: int, count: int) -> list[Event]:
    """Return the first events after a revision; waits for them."""
    with etcd.watch(keys, after) as batches:
        return collect(batches, count)


def collect(batches: Iterator[Batch], count: int) -> list[Event]:
    """Return the next events of a watch, at least so many; gives up after many empty batches."""
    found: list[Event] = []
    empty = 0
    while len(found) < count and empty < 20:
        batch = next(batches)
        assert all(one.entry.mod_revision <= batch.revision for one in batch.events)
        found += batch.events
        empty += not batch.events
    return found
