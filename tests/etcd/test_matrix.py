"""Our client with every release, in every shape of a cluster."""

from __future__ import annotations

import pytest

from ipam.etcd.errors import DeniedError
from ipam.etcd.interface import Etcd, Get, Keys, Put, Txn, absent
from tests.etcd.cluster import PREFIX, Shape
from tests.etcd.conftest import Connect, Start
from tests.etcd.given import WITHIN, entry, events, put
from tests.etcd.releases import NAMES, find, version

pytestmark = pytest.mark.etcd
HOSTS = ("127.0.0.1", "[::1]", "localhost")


@pytest.mark.parametrize("auth", [False, True], ids=["anybody", "auth"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_every_call_works(  # noqa: PLR0913 - the matrix has four dimensions
    name: str, size: int, *, tls: bool, auth: bool, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape(size, tls, auth))
    for host in HOSTS:
        client = connect(cluster.settings(host, attempt=5))
        use(client, f"{PREFIX}{host}/")
        if auth:
            refuse(client)


def use(etcd: Etcd, at: str) -> None:
    """Make every kind of call."""
    lease = etcd.grant(30, WITHIN)
    txn = Txn((absent(at),), (Put(at, b"1", lease),))
    outcome = etcd.txn(txn, WITHIN)
    assert outcome.done.succeeded
    assert not etcd.txn(txn, WITHIN).done.succeeded
    assert etcd.keep_alive(lease, WITHIN) == 30
    (found,) = events(etcd, Keys.below(at), outcome.revision - 1, 1)
    assert found.entry == entry(etcd, at)
    etcd.revoke(lease, WITHIN)
    assert entry(etcd, at) is None


def refuse(etcd: Etcd) -> None:
    """Be refused what the role does not have, and not for long."""
    with pytest.raises(DeniedError, match="/other"):
        put(etcd, "/other")
    with pytest.raises(DeniedError, match="/other"):
        etcd.get(Get(Keys.below("/other")), WITHIN)
    with pytest.raises(DeniedError), etcd.watch(Keys.below("/"), 0) as batches:
        next(batches)
    put(etcd, PREFIX)


@pytest.mark.parametrize("name", NAMES)
def test_a_release_is_what_its_name_says(name: str) -> None:
    if found := find(name):
        assert version(found).startswith(f"{name}.")
