"""The registry of a cluster, in etcd."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from ipam.blocks import Block, Intent, Session
from ipam.definition import Definition
from ipam.etcd.interface import Etcd
from ipam.registry.deadline import Deadline
from ipam.registry.interface import (
    Change,
    Held,
    Joined,
    Mirrored,
    Node,
    Proposal,
    Restored,
    Told,
)
from ipam.registry.keys import Layout
from ipam.registry.membership import Membership
from ipam.registry.mirror import Mirror
from ipam.registry.restoration import Restoration
from ipam.registry.singles import Singles
from ipam.registry.territory import Territory
from ipam.registry.writer import Writer


class EtcdRegistry:
    """The registry as one node sees it, for the time of one request.

    Args:
        etcd: the store.
        prefix: what all keys begin with; ends with `/`.
        definitions: this node's fabrics.
        node: who asks.
        session: where its journal stands; the caller saves it afterwards, also after an error.
        deadline: when to give up.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it deals with
        self,
        etcd: Etcd,
        prefix: str,
        definitions: Mapping[str, Definition],
        node: Node,
        session: Session,
        deadline: Deadline,
    ) -> None:
        layout, lottery = Layout(prefix), random.Random()  # noqa: S311 - places, no secrets
        writer = Writer(etcd, session, node.name, layout.writer(node.journal_id), deadline)
        self._membership = Membership(writer, layout, node, session)
        self._territory = Territory(writer, layout, node, session, definitions, lottery)
        self._mirror = Mirror(writer, layout, node, session)
        self.singles = Singles(etcd, writer, layout, node, deadline, definitions, lottery)
        self._restoration = Restoration(
            writer, layout, node, session, self._membership, self.singles
        )

    def join(self, fabrics: Sequence[str], known: Sequence[Block]) -> Joined:
        """Confirm a node's blocks after its boot."""
        for fabric in fabrics:
            self._territory.agree(fabric)
        return self._membership.join(fabrics, known)

    def propose(self, fabric: str) -> Proposal:
        """Look for blocks to claim."""
        return self._territory.propose(fabric)

    def claim(self, intent: Intent, revision: int) -> Block | None:
        """Claim one of them."""
        return self._territory.claim(intent, revision)

    def settle(self, intent: Intent) -> Block | None:
        """Return what a claim has got whose answer never came."""
        return self._territory.settle(intent)

    def give_back(self, block: Block) -> bool:
        """Return a block."""
        return self._territory.give_back(block)

    def publish(self, changes: Sequence[Change]) -> Told:
        """Tell the mirror of claims."""
        return self._mirror.publish(changes)

    def claims_in(self, block: Block) -> list[Mirrored]:
        """Return what the mirror has in a block."""
        return self._mirror.claims_in(block)

    def restore(
        self,
        fabrics: Sequence[str],
        blocks: Sequence[Block],
        held: Sequence[Held],
        joined: Collection[str] = (),
    ) -> Restored:
        """Put everything back after etcd was restored from a backup."""
        return self._restoration.restore(fabrics, blocks, held, joined)
