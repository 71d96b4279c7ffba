"""Blocks and what a node remembers of its dealings with the registry: plain values."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ipam.ranges import Span


class State(enum.Enum):
    """What a node may do with a block."""

    OWNED = "owned"
    """Give its slots out, once it is confirmed in this boot."""
    SPARE = "spare"
    """Nothing yet: it is kept for when the owned ones are used up."""
    RETURNING = "returning"
    """Nothing: its return is under way, and may have been carried out."""
    RETIRED = "retired"
    """Nothing: a journal that was lost may have claims in it."""
    LOST = "lost"
    """Nothing: the registry says that it is somebody else's, or nobody's."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of slots that the registry lists for this node."""

    fabric: str
    span: Span
    epoch: int = 0
    """The revision at which it was claimed: tells it from the same block claimed anew."""
    revision: int = 0
    """The revision of its last change."""

    def __str__(self) -> str:
        return f"block {self.span.first}-{self.span.last} of fabric {self.fabric}"


@dataclass(frozen=True, slots=True)
class Tenure:
    """A block as the journal has it."""

    block: Block
    state: State


@dataclass(frozen=True, slots=True)
class Intent:
    """A claim of one of several blocks, written down before it is sent."""

    fabric: str
    token: str
    """Goes into the block's record: by it a claim recognises what it has done before."""
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Single:
    """An address that is claimed by itself, in the fabric's static range."""

    fabric: str
    slot: int
    container_id: str
    sticky: str = ""
    """`namespace/name` of the pod that gets it again; empty for a requested address."""
    ttl: int = 0
    """Seconds that a sticky address is kept for its pod after its release."""


@dataclass(frozen=True, slots=True)
class Dirty:
    """A slot whose claim in the mirror may differ from the journal's."""

    seq: int
    fabric: str
    slot: int


@dataclass(slots=True)
class Session:
    """Where this journal stands with the registry."""

    journal_id: str
    revision: int = 0
    """The last change of this journal's writer key."""
    seen: int = 0
    """The highest revision that any answer had: a lower one later tells of a restored backup."""
    frozen: int = 0
    """The revision of the `frozen` key to which this node has answered, 0 for none."""
