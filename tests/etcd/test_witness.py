"""Another client finds what ours has written, and the other way round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ipam.etcd.interface import Delete, Done, Get, Keys, KeyValue, Put, Txn, absent, present
from tests.etcd.cluster import Cluster, Shape
from tests.etcd.conftest import Connect, Start
from tests.etcd.given import WITHIN, events, put, revision
from tests.etcd.releases import NAMES

pytestmark = pytest.mark.etcd


def ask(cluster: Cluster, *words: str) -> Any:
    """Return what the witness says."""
    port = str(cluster.members[0].ports.client)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("witness.py"), port, *words],
        env=os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_the_witness_reads_what_we_wrote(name: str, start: Start, connect: Connect) -> None:
    cluster = start(name, Shape())
    client = connect(cluster.settings(attempt=5))
    lease = client.grant(60, WITHIN)
    first = put(client, "/a", b"1", lease)
    second = put(client, "/a", "2 ä".encode(), lease)
    nested = Txn((absent("/a"),), (), (Put("/b", b"nested"), Delete(Keys("/none"))))
    third = client.txn(Txn((present("/a"),), (nested, Put("/c", b"", lease))), WITHIN).revision
    assert ask(cluster, "read", "/") == [
        ["/a", "2 ä", first, second, 2, lease],
        ["/b", "nested", third, third, 1, 0],
        ["/c", "", third, third, 1, lease],
    ]
    assert ask(cluster, "lease", str(lease)) == [60, ["/a", "/c"]]
    client.revoke(lease, WITHIN)
    assert ask(cluster, "read", "/") == [["/b", "nested", third, third, 1, 0]]
    assert ask(cluster, "lease", str(lease)) == [0, []]


@pytest.mark.parametrize("name", NAMES)
def test_we_read_what_the_witness_wrote(name: str, start: Start, connect: Connect) -> None:
    cluster = start(name, Shape())
    client = connect(cluster.settings(attempt=5))
    before = revision(client)
    lease, succeeded = ask(cluster, "write", "/")
    assert succeeded
    last = before + 4
    found = client.get(Get(Keys.below("/")), WITHIN)
    assert found.revision == last
    assert found.found.entries == (
        KeyValue("/a", b"1", before + 1, before + 1, 1, lease),
        KeyValue("/c", b"otherwise", last, last, 1),
    )
    assert client.keep_alive(lease, WITHIN) == 60
    told = [(one.entry.key, one.deleted) for one in events(client, Keys.below("/"), before, 5)]
    assert told == [("/a", False), ("/b", False), ("/b", False), ("/c", False), ("/b", True)]
    gone = client.txn(Txn((present("/b"),), (), (Txn((absent("/b"),)),)), WITHIN).done
    assert gone == Done(succeeded=False, answers=(Done(succeeded=True, answers=()),))
