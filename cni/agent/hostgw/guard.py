"""Lets in what comes straight from a peer's pods only if the peer's own MAC has sent it.

Looser filters, which direct paths need, let anybody on the LAN send in a pod's name; ADR 20 says
what this guards against, and what not.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from cni.hostgw.decision import GUARDS
from cni.hostgw.terrain import Candidate
from cni.kernel.guarding import Origin
from cni.kernel.interface import Namespace
from cni.kernel.types import Address, KernelError, Network

log = logging.getLogger(__name__)

LASTING = 40.0
"""Seconds that a guard outlives the last look: some looks may fail."""
_ETHERNETS = 17
"""Characters of a MAC of Ethernet; others are not looked for in a packet."""


def origins(
    candidates: Collection[Candidate], macs: Mapping[tuple[int, Address], str]
) -> dict[Network, Origin]:
    """Return what is to be guarded: the networks of those whose MAC is known.  Pure.

    Args:
        candidates: the peers that a direct path is wanted to.
        macs: who has an address on a link, by the link's index and the address.
    """
    found = {}
    for candidate in candidates:
        index = candidate.uplink.index
        mac = macs.get((index, candidate.peer.address), "")
        if len(mac) == _ETHERNETS:
            found[candidate.peer.cidr] = Origin(index, mac)
    return found


class Guard:
    """What this agent guards in the host's kernel.

    Args:
        host: the host's namespace.
        is_wanted: whether anything is to be guarded.
    """

    def __init__(self, host: Namespace, *, is_wanted: bool) -> None:
        self._host = host
        self._is_wanted = is_wanted
        self._held: Mapping[Network, Origin] = {}
        self.problem = ""
        """Why nothing is guarded that should be, in words."""

    def renew(self, candidates: Collection[Candidate]) -> None:
        """Guard the networks of some peers, and no others, for the next while.

        What the kernel refuses is tried again with the next look: until then what was guarded
        expires, and pods reach each other all the same.
        """
        if not self._is_wanted:
            return
        problem = ""
        try:
            wanted = origins(candidates, self._macs(candidates))
            self._host.guard(GUARDS, wanted, LASTING)
        except KernelError as error:
            problem = f"anybody on the LAN may send in a pod's name: {error}"
        else:
            self._tell(wanted)
            self._held = wanted
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem

    def withdraw(self) -> None:
        """Guard nothing any more; what the kernel does not let go of expires."""
        self._held = {}
        try:
            self._host.unguard(GUARDS)
        except KernelError as error:
            log.debug("nothing is guarded: %s", error)

    def _macs(self, candidates: Collection[Candidate]) -> dict[tuple[int, Address], str]:
        return {
            (index, neighbour.address): neighbour.mac
            for index in {candidate.uplink.index for candidate in candidates}
            for neighbour in self._host.neighbours(index)
        }

    def _tell(self, wanted: Mapping[Network, Origin]) -> None:
        """Log who is let in that was not before."""
        for network, origin in wanted.items():
            before = self._held.get(network)
            if before is None:
                log.info("%s comes from %s alone", network, origin.mac)
            elif before.mac != origin.mac:
                log.warning(
                    "%s comes from %s now, and no more from %s", network, origin.mac, before.mac
                )
