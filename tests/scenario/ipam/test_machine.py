"""Any history of ADD, DEL, GC, reboots, waiting and changed exclusions, against a plain model.

Every call opens the journal anew, as every plugin process does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cni.protocol.errors import CniError, Code

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

Key = tuple[str, str, str]
"""Rail (also the network's name), container, ifname."""

SUBNETS = {"a": ip_network("10.0.0.0/29"), "b": ip_network("10.1.0.0/29")}
SLOTS = set(range(1, 7))
QUARANTINE = 30
EXCLUDED: dict[str, set[int]] = {"none": set(), "some": {3, 4}, "first": {1}}

containers = st.sampled_from([f"c{i}" for i in range(6)])
ifnames = st.sampled_from(["net1", "net2"])
rails = st.sampled_from(sorted(SUBNETS))


@dataclass(frozen=True)
class Held:
    """What the model says of an attachment."""

    slot: int
    since: int
    boot: int


class Machine(RuleBasedStateMachine):
    """A node, and what it should hold."""

    def __init__(self, new_node: Callable[[], Node]) -> None:
        super().__init__()
        self.node = new_node()
        self.boot = self.node.boot
        self.held: dict[Key, Held] = {}
        self.freed: dict[int, int] = {}
        """When each slot was last freed."""
        self.configured = dict.fromkeys(SUBNETS, "none")
        self.learnt: dict[str, str] = {}
        """What each rail excludes, as far as the node knows."""
        self.edited = False
        self.doubtful: set[int] = set()
        """Slots that may have become fresh again while they were excluded."""

    # ── what the model knows ──────────────────────────────────────────────────────────────────

    def ipam(self, rail: str) -> dict[str, Any]:
        excluded = EXCLUDED[self.configured[rail]]
        return {
            "fabric": "f",
            "rail": rail,
            "subnet": str(SUBNETS[rail]),
            "exclude": [str(SUBNETS[rail][slot]) for slot in excluded],
            "quarantine": QUARANTINE,
        }

    def free(self) -> set[int]:
        excluded = (EXCLUDED[name] for name in self.learnt.values())
        return SLOTS.difference(self.holders(), *excluded)

    def holders(self) -> dict[int, str]:
        return {held.slot: container for (_, container, _), held in self.held.items()}

    def joinable(self, rail: str, container: str) -> int | None:
        mine: dict[int, set[str]] = {}
        for key, held in sorted(self.held.items(), key=lambda item: item[1].since):
            if key[1] == container:
                mine.setdefault(held.slot, set()).add(key[0])
        return next((slot for slot, used in mine.items() if rail not in used), None)

    def rests(self, slot: int) -> bool:
        return self.freed.get(slot, -(10**18)) > self.node.now - QUARANTINE * 10**9

    def forget(self, keys: set[Key]) -> None:
        for key in keys:
            slot = self.held.pop(key).slot
            if slot not in self.holders():
                self.freed[slot] = self.node.now

    def begin_boot(self) -> None:
        """An earlier boot's claims are dead, and what rested rests anew."""
        if self.edited:
            self.doubtful |= self.freed.keys()
        self.freed = dict.fromkeys(self.freed, self.node.now)
        self.forget(set(self.held))
        self.boot = self.node.boot

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    @rule(rail=rails, container=containers, ifname=ifnames)
    def add_any(self, rail: str, container: str, ifname: str) -> None:
        self.add(rail, container, ifname, None)

    @rule(rail=rails, container=containers, ifname=ifnames, wish=st.integers(1, 6))
    def add_requested(self, rail: str, container: str, ifname: str, wish: int) -> None:
        self.add(rail, container, ifname, wish)

    @rule(rail=rails, pods=st.permutations([f"c{i}" for i in range(6)]))
    def add_many(self, rail: str, pods: list[str]) -> None:
        for container in pods:
            self.add(rail, container, "net1", None)

    def add(self, rail: str, container: str, ifname: str, wish: int | None) -> None:
        key = (rail, container, ifname)
        self.node.now += 1
        if self.node.boot != self.boot:
            self.begin_boot()
        self.learnt[rail] = self.configured[rail]
        args = f"IP={SUBNETS[rail][wish]}" if wish else ""
        more = {"ifname": ifname, "network": rail, "args": args}
        try:
            address = self.node.add(self.ipam(rail), container, **more)
        except CniError as error:
            self.must_be_impossible(key, wish, error)
        else:
            assert ip_address(address) in SUBNETS[rail]
            self.must_be_right(key, list(SUBNETS[rail]).index(ip_address(address)), wish)

    def must_be_impossible(self, key: Key, wish: int | None, error: CniError) -> None:
        assert error.code == Code.TRY_AGAIN
        rail, container, _ = key
        slot = wish or self.joinable(rail, container)
        if key in self.held:
            assert wish not in {None, self.held[key].slot}
        elif slot is None:
            assert not self.free()
        elif self.holders().get(slot) == container:
            used = any(held.slot == slot and at[0] == rail for at, held in self.held.items())
            assert used or slot in EXCLUDED[self.learnt[rail]]
        else:
            assert slot not in self.free()

    def must_be_right(self, key: Key, slot: int, wish: int | None) -> None:
        rail, container, _ = key
        assert wish in {None, slot}
        if key in self.held:
            assert slot == self.held[key].slot
            return
        assert self.holders().get(slot, container) == container
        assert all(held.slot != slot for at, held in self.held.items() if at[0] == rail)
        if wish is None:
            joined = self.joinable(rail, container)
            assert slot == joined or (joined is None and self.is_next(slot))
        self.held[key] = Held(slot, self.node.now, self.node.boot)
        self.freed.pop(slot, None)
        self.doubtful.discard(slot)

    def is_next(self, slot: int) -> bool:
        free = self.free() - self.doubtful
        if slot in self.doubtful:
            return True
        oldest = min((self.freed[s] for s in free if s in self.freed), default=0)
        if self.rests(slot):
            return all(map(self.rests, free)) and self.freed[slot] == oldest
        if self.edited:
            return slot in free
        fresh = free - self.freed.keys()
        return slot == min(fresh) if fresh else self.freed[slot] == oldest

    @rule(rail=rails, container=containers, ifname=ifnames)
    def delete(self, rail: str, container: str, ifname: str) -> None:
        self.node.now += 1
        self.node.delete(container, ifname=ifname, network=rail)
        self.forget({(rail, container, ifname)} & self.held.keys())

    @rule(
        rail=rails, kept=st.sets(st.tuples(containers, ifnames), max_size=6), age=st.integers(0, 9)
    )
    def collect(self, rail: str, kept: set[tuple[str, str]], age: int) -> None:
        """GC, begun a few ADDs ago."""
        started = self.node.now - age
        self.node.ipam.collect(replace(self.node.collection(kept, rail), started=started))
        self.forget({
            key
            for key, held in self.held.items()
            if key[0] == rail
            and key[1:] not in kept
            and (held.since <= started or held.boot != self.node.boot)
        })  # fmt: skip

    @rule(seconds=st.sampled_from([1, 10, QUARANTINE, 2 * QUARANTINE]))
    def wait(self, seconds: int) -> None:
        self.node.wait(seconds)

    @rule(rail=rails, excluded=st.sampled_from(sorted(EXCLUDED)))
    def edit(self, rail: str, excluded: str) -> None:
        """Change a network's configuration: the node learns it with the next ADD."""
        self.edited |= self.configured[rail] != excluded
        self.configured[rail] = excluded

    @rule()
    def reboot(self) -> None:
        """End all containers: the node finds that out with the next ADD."""
        self.node.reboot()

    # ── what is always true ───────────────────────────────────────────────────────────────────

    @invariant()
    def the_journal_agrees(self) -> None:
        if not self.node.journal.exists():
            return
        self.node.audit()
        rows = self.node.rows("SELECT network, container, ifname, slot FROM attachments")
        assert {row[:3]: row[3] for row in rows} == {k: held.slot for k, held in self.held.items()}
        users = {(held.slot, container) for (_, container, _), held in self.held.items()}
        assert len(users) == len(self.holders())
        assert {(slot, container) for container, _, slot in self.node.held()} == users


def test_any_history(new_node: Callable[[], Node]) -> None:
    class NewMachine(Machine):
        def __init__(self) -> None:
            super().__init__(new_node)

    run_state_machine_as_test(
        NewMachine,
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None),
    )
