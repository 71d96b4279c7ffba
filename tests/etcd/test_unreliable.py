"""The store that fails as it is told, and the one in memory where no real one is like it."""

from __future__ import annotations

import pytest

from ipam.etcd.errors import CompactedError, LeaseGoneError, UnavailableError
from ipam.etcd.interface import Get, Keys, Outcome, Put, Txn, absent
from ipam.etcd.memory import MemoryEtcd
from tests.etcd.given import WITHIN, collect, entry, put
from tests.etcd.unreliable import Call, Fault, Unreliable

CLAIM = Txn((absent("/a"),), (Put("/a", b"1"),))


@pytest.fixture
def memory() -> MemoryEtcd:
    """A store in memory."""
    return MemoryEtcd(idle=0.05)


@pytest.mark.parametrize(
    ("fault", "at_once", "in_the_end"),
    [(Fault.BEFORE, False, False), (Fault.AFTER, True, True), (Fault.LATER, False, True)],
)
def test_a_call_fails_as_the_script_says(
    memory: MemoryEtcd, fault: Fault, *, at_once: bool, in_the_end: bool
) -> None:
    etcd = Unreliable(memory)
    etcd.script = [None, fault]
    assert entry(etcd, "/a") is None
    with pytest.raises(UnavailableError):
        etcd.txn(CLAIM, WITHIN)
    assert (entry(memory, "/a") is not None) == at_once
    late = etcd.late()
    assert (entry(memory, "/a") is not None) == in_the_end
    assert [isinstance(one, Outcome) for one in late] == [True] * (fault is Fault.LATER)
    assert etcd.late() == []
    assert [one.name for one in etcd.calls] == ["get", "txn"]


def test_late_calls_come_in_their_order_and_tell_their_errors(memory: MemoryEtcd) -> None:
    etcd = Unreliable(memory)
    lease = etcd.grant(30, WITHIN)
    etcd.script = [Fault.LATER, Fault.LATER]
    with pytest.raises(UnavailableError):
        etcd.revoke(lease, WITHIN)
    with pytest.raises(UnavailableError):
        etcd.keep_alive(lease, WITHIN)
    revoked, kept = etcd.late()
    assert revoked is None
    assert isinstance(kept, LeaseGoneError)


def test_what_was_put_off_can_be_forgotten(memory: MemoryEtcd) -> None:
    etcd = Unreliable(memory)
    etcd.script = [Fault.LATER]
    with pytest.raises(UnavailableError):
        etcd.txn(CLAIM, WITHIN)
    etcd.drop_late()
    assert etcd.late() == []
    assert entry(memory, "/a") is None


def test_a_test_may_decide_by_the_call(memory: MemoryEtcd) -> None:
    def no_writes(call: Call) -> Fault | None:
        return Fault.BEFORE if isinstance(call.asked, Txn) else None

    etcd = Unreliable(memory)
    etcd.decide = no_writes
    with pytest.raises(UnavailableError):
        etcd.txn(CLAIM, WITHIN)
    assert etcd.get(Get(Keys("/a")), WITHIN).revision == 1


def test_watches_go_through(memory: MemoryEtcd) -> None:
    etcd = Unreliable(memory)
    with etcd.watch(Keys("/a"), put(etcd, "/a") - 1) as batches:
        assert len(collect(batches, 1)) == 1
    etcd.close()


def test_a_watch_that_asks_anew_has_lost_what_was_compacted(memory: MemoryEtcd) -> None:
    with memory.watch(Keys("/a"), put(memory, "/a") - 1) as batches:
        assert len(collect(batches, 1)) == 1
        memory.restart()
        put(memory, "/a")
        assert len(collect(batches, 1)) == 1
        put(memory, "/a")
        memory.compact(put(memory, "/a"))
        memory.restart()
        with pytest.raises(CompactedError):
            collect(batches, 1)


def test_a_restored_store_has_its_leases_again() -> None:
    now = 0.0
    memory = MemoryEtcd(lambda: now)
    lease = memory.grant(10, WITHIN)
    put(memory, "/a", lease=lease)
    now = 9.0
    backup = memory.backup()
    memory.revoke(lease, WITHIN)
    memory.restore(backup)
    now = 18.0
    assert entry(memory, "/a")
    now = 19.0
    assert entry(memory, "/a") is None
    assert memory.grant(10, WITHIN) != lease


def test_a_watch_sees_a_lease_end_by_the_clock() -> None:
    now = 0.0
    memory = MemoryEtcd(lambda: now, idle=0.05)
    with memory.watch(Keys("/a"), put(memory, "/a", lease=memory.grant(10, WITHIN))) as batches:
        assert next(batches).events == ()
        now = 10.0
        (gone,) = collect(batches, 1)
    assert gone.deleted


def test_compacting_twice_is_told(memory: MemoryEtcd) -> None:
    memory.compact(put(memory, "/a"))
    with pytest.raises(CompactedError):
        memory.compact(2)
