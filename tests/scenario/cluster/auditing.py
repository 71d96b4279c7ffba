"""What is always true of a cluster, whatever has happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scenario.cluster.world import Machine


def audit(machines: Sequence[Machine]) -> None:
    """Fail when two live pods have one address, or when two could come to it."""
    holders: dict[int, str] = {}
    for machine in machines:
        for pod in machine.pods.values():
            holder = holders.setdefault(pod.slot, pod.container)
            assert holder == pod.container, f"{pod} on {machine.name}: {holder} has it too"
    for machine in machines:
        free, taken = machine.free(), holders.keys()
        assert not free & taken, f"{machine.name} would give out {free & taken}, which live"
        for other in machines:
            if other is not machine:
                assert not free & other.free(), f"{machine.name} and {other.name}"
        audit_journal(machine)


def audit_journal(machine: Machine) -> None:
    """Fail unless each slot of an owned block is fresh, resting or held, one of them only."""
    if not machine.paths.journal.exists():
        return
    assert machine.rows("PRAGMA integrity_check") == [("ok",)]
    assert machine.rows("PRAGMA foreign_key_check") == []
    unused = {
        slot
        for (slot,) in machine.rows("SELECT slot FROM claims EXCEPT SELECT slot FROM attachments")
    }
    retired = machine.rows("SELECT first, last FROM blocks WHERE state IN ('retired', 'lost')")
    assert all(any(f <= slot <= e for f, e in retired) for slot in unused), "nobody uses it"
    owned = machine.rows("SELECT first, last FROM blocks WHERE state = 'owned' ORDER BY first")
    slots = [slot for first, last in owned if last < 10**9 for slot in range(first, last + 1)]
    if len(owned) and owned[-1][1] >= 10**9:
        return  # one node that owns everything: tests/scenario/ipam looks after it
    free = [
        slot
        for first, last in machine.rows(
            "SELECT first, last FROM fresh UNION ALL SELECT slot, slot FROM freed"
        )
        for slot in range(first, last + 1)
    ]
    claimed = [slot for (slot,) in machine.rows("SELECT slot FROM claims")]
    in_owned = [slot for slot in claimed if slot in set(slots)]
    assert sorted(free + in_owned) == slots, machine.name
