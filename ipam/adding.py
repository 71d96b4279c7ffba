"""ADD: how an attachment comes to its slot.

First from what the node has, which asks nobody.  Only when that is nothing does it wait for the
registry, and then for a bounded time, with no lock of the journal held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cni.protocol.errors import CniError, Code
from ipam import allocator, topology
from ipam.allocator import Demand
from ipam.blocks import Block, Single
from ipam.holding import singles
from ipam.holding.blocks import due, expect
from ipam.holding.obtaining import inquire, obtain
from ipam.ranges import EVERY_SLOT, UNLIMITED, Fabric, Network, listing, next_in

if TYPE_CHECKING:
    from cni.protocol.request import Request
    from ipam.config import IpamConfig
    from ipam.holding.desk import Desk
    from ipam.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Given:
    """What an attachment got."""

    slot: int
    reach: tuple[Network, ...]
    """The subnets that its routes may lead to."""
    tend: bool
    """The registry is to be told something, or asked for a block before it is needed."""


@dataclass(frozen=True, slots=True)
class Addition:
    """One ADD.

    Args:
        desk: where the fabric's registry is dealt with.
        config: the request's `ipam`.
        demand: what it asks for.
    """

    desk: Desk
    config: IpamConfig
    demand: Demand

    def give(self) -> Given:
        """Give the attachment its slot; again the one that it has when it has one.

        Raises:
            CniError: code 7 when the configuration contradicts what is in use, 11 when no address
                is to be had.
        """
        self._refuse_in_blocks()
        with self.desk.open_journal() as journal:
            try:
                with journal.transaction() as tx:
                    slot = self._joined(tx) if self._by_itself else self.attempt(tx)
                    if slot is not None:
                        return self._given(tx, slot)
            except CniError:
                # What was learnt stays, also when there is no address: the next attempt knows it.
                with journal.transaction() as tx:
                    self.learn(tx)
                raise
        slot = self._single() if self._by_itself else self._pooled()
        with self.desk.keep() as tx:
            return self._given(tx, slot)

    def rehearse(self, tx: Transaction) -> bool:
        """Do what the node can do alone; tell whether that would be enough (CniError, as `give`).

        A node that owns all of a fabric is as good as having its one block.
        """
        fabric = self.learn(tx).name
        slot = self._joined(tx) if self._by_itself else self.attempt(tx)
        if slot is None and not self.config.shared:
            if not tx.blocks.of(fabric):
                tx.blocks.add(Block(fabric, EVERY_SLOT))
            slot = self.attempt(tx, hurried=True)
        return slot is not None

    def inquire(self) -> None:
        """Learn whether the registry could help, and leave it as it is (CniError, code 11)."""
        inquire(self.desk, self.config.layout.fabric, block=not self._by_itself)

    def learn(self, tx: Transaction) -> Fabric:
        """Bring the journal up to this boot and this configuration; return the fabric."""
        now, config = self.desk.now(), self.config
        tx.begin_boot(now)
        fabric = topology.learn(tx, config.layout, now.ns - config.quarantine_ns)
        shared = tx.blocks.shared(fabric.name)
        if shared and not config.shared:
            raise CniError(
                Code.INVALID_CONFIG,
                f"fabric {fabric.name} is shared by the cluster, as this node's journal knows, and "
                "the node file does not say so any more",
                "declare it under fabrics and [etcd] again: the node's own addresses would be "
                "other nodes' too",
            )
        if config.shared and not shared:
            tx.blocks.share(fabric.name)
        if config.shared and config.definition:
            expect(tx, config.definition)
        return fabric

    def attempt(self, tx: Transaction, *, hurried: bool = False) -> int | None:
        """Take a slot that is ready, None when none is."""
        demand, now = replace(self.demand, hurried=hurried), self.desk.now()
        fabric = self.learn(tx)
        slot = allocator.allocate(tx, fabric, demand, now)
        if slot is not None or not tx.blocks.usable(fabric.name, now.boot_id):
            return slot
        if tx.blocks.activate(fabric.name):
            slot = allocator.allocate(tx, fabric, demand, now)
        return slot

    @property
    def _by_itself(self) -> bool:
        return self.config.shared and (self.demand.slot is not None or bool(self.config.sticky))

    def _pooled(self) -> int:
        """Take a slot of a block when none is ready."""
        try:
            slot = obtain(
                self.desk, self.config.layout.fabric, partial(self._attempt, hurried=False)
            )
        except CniError as refusal:
            # Rather a slot whose quarantine is not over than none.
            try:
                return self._hurried()
            except CniError as full:
                raise (refusal if self.config.shared else full) from None
        return self._hurried() if slot is None else slot

    def _hurried(self) -> int:
        slot = self._attempt(hurried=True)
        if slot is None:
            raise CniError(
                Code.TRY_AGAIN,
                f"the blocks of fabric {self.config.layout.fabric} are not confirmed since this "
                "node's boot",
                "the next attempt asks the registry anew; if it stays: railctl ipam verify",
            )
        return slot

    def _attempt(self, *, hurried: bool) -> int | None:
        with self.desk.keep() as tx:
            return self.attempt(tx, hurried=hurried)

    def _single(self) -> int:
        """Claim an address by itself."""
        fabric, config = self.config.layout.fabric, self.config
        pod = self.demand.pod
        wish = singles.Wish(
            fabric,
            self.demand.slot,
            sticky=f"{pod.namespace}/{pod.name}" if config.sticky else "",
            ttl=int(config.sticky_ttl) if config.sticky else 0,
            elsewhere=config.sticky_on_lost_node == "fresh",
        )
        container_id = self.demand.attachment.container_id
        return singles.claim(self.desk, wish, container_id, self._take_single)

    def _joined(self, tx: Transaction) -> int | None:
        """Return the slot that a repeated ADD has, or that its container can share."""
        self.learn(tx)  # what an earlier boot held is nobody's
        key = self.demand.attachment
        held = tx.held(key)
        rails = tx.rails_by_slot(self.config.layout.fabric, key.container_id)
        if held is None and allocator.joinable(rails, self.demand.rail) is None:
            return None
        return self.attempt(tx)

    def _take_single(self, tx: Transaction, single: Single) -> None:
        """Write down in the journal what is then claimed in the registry."""
        fabric = topology.learn(tx, self.config.layout, 0)
        demand = replace(self.demand, slot=single.slot, single=True)
        allocator.allocate(tx, fabric, demand, self.desk.now())
        tx.outbox.put_single(single)

    def _given(self, tx: Transaction, slot: int) -> Given:
        return Given(slot, self._reach(tx), tend=due(tx))

    def _reach(self, tx: Transaction) -> tuple[Network, ...]:
        reach = topology.reach(tx, self.config.layout)
        definition = self.config.definition
        return reach + definition.prefixes if definition else reach

    def _refuse_in_blocks(self) -> None:
        slot, definition = self.demand.slot, self.config.definition
        if slot is None or definition is None or not self.config.shared:
            return
        if next_in(definition.requestable, slot) != slot:
            rail = self.config.layout.rail
            runs = ", ".join(
                f"{rail.addresses(run.first)[0].ip}-{rail.addresses(run.last)[0].ip}"
                for run in definition.requestable
            )
            raise CniError(
                Code.INVALID_CONFIG,
                f"{listing(rail.addresses(slot))} was asked for, expected an address of the static "
                f"ranges of fabric {definition.name}: {runs or 'it has none'}",
                "the other addresses belong to nodes, in blocks; set static in the node files",
            )


def demand_of(config: IpamConfig, request: Request, slot: int | None) -> Demand:
    """Return what a request asks for.

    Args:
        config: its `ipam`.
        request: the request.
        slot: that of the addresses that it names.

    Raises:
        CniError: code 4, when it wants an address that stays with a pod, and names no pod.
    """
    pod = request.pod
    if config.sticky and not (pod.namespace and pod.name):
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_ARGS names no pod, and ipam.sticky is {config.sticky!r}",
            "expected K8S_POD_NAMESPACE and K8S_POD_NAME, as Kubernetes sets them",
        )
    definition = config.definition
    return Demand(
        attachment=request.attachment,
        pod=pod,
        rail=config.layout.rail.name,
        quarantine=config.quarantine_ns,
        slot=slot,
        within=definition.usable if definition else UNLIMITED,
        sandbox=request.sandbox,
    )
