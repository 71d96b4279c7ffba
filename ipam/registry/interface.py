"""What a node asks of the registry, in types of its own.

A registry answers for one node, within one request's time; the journal remembers in between.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cni.protocol.request import Pod
from ipam.blocks import Block, Intent, Single
from ipam.ranges import Span


class RegistryError(Exception):
    """The registry cannot do what was asked; the message is for a person."""

    advice = ""
    """What to do about it."""


class DisagreementError(RegistryError):
    """This node and the registry do not mean the same by a fabric, or by a node's name."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class FrozenError(RegistryError):
    """No block may be claimed until an operator says so."""

    advice = "see railctl ipam accept-restore"

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered
        """This node has put its blocks back."""


class RestoredError(RegistryError):
    """etcd knows less than it did: it was restored from a backup."""

    advice = FrozenError.advice

    def __init__(self, seen: int, revision: int) -> None:
        super().__init__(
            f"etcd is at revision {revision}, and this node has seen revision {seen}: it was "
            "restored from a backup, and may have forgotten who owns which block"
        )


class FullError(RegistryError):
    """Every block of a fabric is taken."""

    advice = (
        "stop pods that use it, reclaim the blocks of nodes that are gone (railctl ipam reclaim), "
        "or let it grow (railctl fabric change)"
    )


class TakenError(RegistryError):
    """An address that is claimed by itself has a holder."""

    advice = "delete the holder, or ask for another address"

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost
        """The holder's node has no heartbeat."""


@dataclass(frozen=True, slots=True)
class Node:
    """Who asks."""

    name: str
    hardware: str
    boot_id: str
    journal_id: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A claim as others see it."""

    fabric: str
    slot: int
    container_id: str
    pod: Pod
    addresses: tuple[str, ...]
    """Its slot's, on every rail of the fabric, whether the pod uses the rail or not."""
    since: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the mirror is to say of a slot: who holds it, or nobody."""

    block: Block
    slot: int
    claim: Mirrored | None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of changes to the mirror."""

    lost: tuple[Block, ...] = ()
    """Blocks that are no longer this node's: nothing was told of their slots."""
    renewed: tuple[Block, ...] = ()
    """Blocks that have changed since, by a request of ours: nothing was told of their slots yet."""
    frozen: bool = False
    """Claims are forbidden, and this node has yet to put its blocks back."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What the registry says of a node's blocks after its boot."""

    confirmed: tuple[Block, ...] = ()
    lost: tuple[Block, ...] = ()
    adopted: tuple[Block, ...] = ()
    """Of an earlier boot of this machine, with a journal that is gone: now this one's."""
    retired: tuple[Block, ...] = ()
    """Of this boot, with a journal that is gone."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Blocks that nobody had when it was asked."""

    spans: tuple[Span, ...]
    revision: int
    """Of the fabric's definition."""
    taken: float
    """Share of the blocks looked at that are taken: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What putting a node's blocks back came to."""

    kept: tuple[Block, ...] = ()
    conflicts: tuple[Block, ...] = ()
    """Somebody else has them."""
    refused: tuple[str, ...] = ()
    """Why addresses that were claimed one by one could not be had again."""


Held: TypeAlias = tuple[Single, Mirrored]
"""An address claimed by itself, and who has it."""


class Registry(Protocol):
    """Who owns which block.

    Raises:
        RegistryError, EtcdError: each of these calls; after either, it is not known whether what
            was asked for was done, or will be.
    """

    def join(self, fabrics: Sequence[str], known: Sequence[Block]) -> Joined:
        """Confirm a node's blocks after its boot, and write down its boot.

        Args:
            fabrics: those to look into.
            known: the blocks of theirs that the journal has as this node's.

        Raises:
            DisagreementError: another machine that is alive has this node's name or journal, or a
                fabric is not the same there.
            FrozenError: etcd is being restored.
        """
        ...

    def propose(self, fabric: str) -> Proposal:
        """Look for blocks to claim (DisagreementError, FullError)."""
        ...

    def claim(self, intent: Intent, revision: int) -> Block | None:
        """Claim one of some blocks; None when others were faster (FrozenError).

        Args:
            intent: the blocks, in the order in which they are tried.
            revision: of the fabric's definition, as it was proposed.
        """
        ...

    def settle(self, intent: Intent) -> Block | None:
        """Return what a claim has got whose answer never came; it gets nothing any more."""
        ...

    def give_back(self, block: Block) -> bool:
        """Return a block; False when the mirror has claims in it, and it stays."""
        ...

    def publish(self, changes: Sequence[Change]) -> Told:
        """Tell the mirror of claims."""
        ...

    def claims_in(self, block: Block) -> list[Mirrored]:
        """Return what the mirror has in a block."""
        ...

    def restore(
        self,
        fabrics: Sequence[str],
        blocks: Sequence[Block],
        held: Sequence[Held],
        joined: Collection[str] = (),
    ) -> Restored:
        """Put back what a restored etcd may have forgotten; nobody claims until then.

        Args:
            fabrics: those of the node.
            blocks: all that its journal has as its own in them, or where its pods may be.
            held: the addresses that it has claimed one by one.
            joined: the fabrics in which it knows all that lost journals of this boot had.
        """
        ...


class Singles(Protocol):
    """Addresses that are claimed one by one, cluster-wide; errors as a registry's."""

    def hold(self, single: Single, claim: Mirrored) -> None:
        """Claim an address for a container (TakenError); again without effect."""
        ...

    def former_slot(self, fabric: str, pod: str) -> int | None:
        """Return the slot that a pod (`namespace/name`) had and gets again."""
        ...

    def free_slot(self, fabric: str) -> int:
        """Return a slot of the static ranges that nobody has (FullError)."""
        ...

    def release(self, single: Single) -> None:
        """End the claim on an address by itself, unless another container has it by now."""
        ...
