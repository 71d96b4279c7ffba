"""Where things are in etcd: docs/registry.md shows it with `etcdctl`.

PREFIX fabrics/backend                        what the fabric is
       nodes/gpu-017                          which machine has this name, and its boot
       heartbeats/gpu-017                     it is alive (with a lease)
       reports/gpu-017                        what its doctor has found (with a lease)
       writers/2f9c…                          the turn of one journal: orders its writes
       blocks/backend/0000001232              who owns the block that begins at this slot
       resting/backend/0000001232             a block that nobody may claim yet (with a lease)
       claims/backend/0000001234              who holds this slot: the mirror
       static/backend/0000065290              an address claimed by itself
       sticky/backend/training/worker-3       the slot that this pod gets again
       frozen                                 no block may be claimed: etcd was restored
       answers/gpu-017                        this node has put its blocks back since then
"""

from __future__ import annotations

from dataclasses import dataclass

from ipam.etcd.interface import Keys
from ipam.ranges import Span

_DIGITS = 10
"""Of a slot in a key: all have as many, so that their order as text is their order as numbers."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys under one prefix."""

    prefix: str
    """Ends with `/`."""

    @property
    def frozen(self) -> str:
        """Return the key that forbids claims."""
        return f"{self.prefix}frozen"

    def fabric(self, name: str = "") -> str:
        """Return a fabric's key, or what all of them begin with."""
        return f"{self.prefix}fabrics/{name}"

    def node(self, name: str = "") -> str:
        """Return a node's key, or what all of them begin with."""
        return f"{self.prefix}nodes/{name}"

    def heartbeat(self, node: str = "") -> str:
        """Return the key that lives as long as a node's agent, or what all of them begin with."""
        return f"{self.prefix}heartbeats/{node}"

    def report(self, node: str = "") -> str:
        """Return the key of what a node's doctor has found, or what all of them begin with."""
        return f"{self.prefix}reports/{node}"

    def writer(self, journal_id: str = "") -> str:
        """Return the key whose revision orders one journal's writes."""
        return f"{self.prefix}writers/{journal_id}"

    def answer(self, node: str = "") -> str:
        """Return a node's answer to `frozen`, or what all of them begin with."""
        return f"{self.prefix}answers/{node}"

    def block(self, fabric: str, span: Span) -> str:
        """Return a block's key."""
        return self._slot("blocks", fabric, span.first)

    def blocks(self, fabric: str, span: Span | None = None) -> Keys:
        """Return the keys of a fabric's blocks, or of those that begin in a run of slots."""
        return self._run("blocks", fabric, span)

    def resting(self, fabric: str, span: Span) -> str:
        """Return the key that keeps a block from being claimed."""
        return self._slot("resting", fabric, span.first)

    def claim(self, fabric: str, slot: int) -> str:
        """Return a slot's key in the mirror."""
        return self._slot("claims", fabric, slot)

    def claims(self, fabric: str, span: Span | None = None) -> Keys:
        """Return the keys of a fabric's slots in the mirror, or of those in a run."""
        return self._run("claims", fabric, span)

    def static(self, fabric: str, slot: int) -> str:
        """Return the key of an address that is claimed by itself."""
        return self._slot("static", fabric, slot)

    def statics(self, fabric: str, span: Span | None = None) -> Keys:
        """Return the keys of all such addresses of a fabric, or of those in a run."""
        return self._run("static", fabric, span)

    def sticky(self, fabric: str, pod: str) -> str:
        """Return the key of a pod (`namespace/name`) that gets its slot again."""
        return f"{self.prefix}sticky/{fabric}/{pod}"

    def _slot(self, kind: str, fabric: str, slot: int) -> str:
        return f"{self.prefix}{kind}/{fabric}/{slot:0{_DIGITS}}"

    def _run(self, kind: str, fabric: str, span: Span | None) -> Keys:
        if span is None:
            return Keys.below(f"{self.prefix}{kind}/{fabric}/")
        return Keys(self._slot(kind, fabric, span.first), self._slot(kind, fabric, span.last + 1))


def slot_of(key: str) -> int:
    """Return the slot that a block's, a claim's or a static address's key ends with."""
    return int(key.rpartition("/")[2])
