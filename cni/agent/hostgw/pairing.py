"""Which peers this node wants a direct path to.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cni.agent.hostgw.echo import Word
from cni.agent.hostgw.settings import Mode
from cni.hostgw.terrain import Candidate
from cni.kernel.types import Address, Network


@dataclass(frozen=True, slots=True)
class Own:
    """This node."""

    mode: Mode = "wifi"
    radios: frozenset[str] = frozenset()
    """The names of its wireless uplinks."""
    probes: Mapping[int, Address] = field(default_factory=dict)
    """By IP version, the pod's address of its own."""
    no_probe: str = ""
    """Why there is none."""
    mtu: int = 0
    """Of its link, in octets: no pod here sends more at once; 0 while it is not known."""
    networks: frozenset[Network] = frozenset()
    """Those that it is in: what is from there are this node's pods."""

    def is_wireless(self, candidate: Candidate) -> bool:
        """Return whether the uplink that leads to a peer is a radio."""
        return candidate.uplink.name in self.radios


def obstacle(candidate: Candidate, word: Word | None, own: Own) -> str:
    """Return in words why a peer is not wanted, empty when it is.

    Args:
        candidate: the peer, that may be next door.
        word: what its agent has said lately, None for nothing.
        own: this node.
    """
    if word is None:
        return "no agent answers on its node"
    if word.leaving:
        return "its agent has said goodbye"
    if own.mode == "wifi" and not own.is_wireless(candidate) and not word.wireless:
        return "both ends are wired"
    return _missing_probe(candidate.peer.cidr, word, own)


def _missing_probe(cidr: Network, word: Word, own: Own) -> str:
    if cidr.version not in own.probes:
        lack = f"it has no address of IPv{cidr.version}" if own.probes else "it is not attached yet"
        return f"this node has no pod to probe from: {own.no_probe or lack}"
    if word.probe is None:
        return "its agent has no pod to be probed"
    if word.probe not in cidr:
        return f"its agent is probed at {word.probe}, which is in another network"
    return ""
