"""Looking, proving and changing: what every request of rail-hostgw does, in this order.

Other than an agent, a request sees only one moment.  What it proves it installs, what it cannot
prove it withdraws, and between two requests nothing is watched: the weaker variant (ADR 17).
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from cni.hostgw import decision, filtering
from cni.hostgw.config import HostgwConfig
from cni.hostgw.decision import MARKS, Found, Place, Wanted
from cni.hostgw.kept import Kept
from cni.hostgw.node import Node
from cni.hostgw.prospect import Prospect, look_around
from cni.hostgw.proving import prove
from cni.hostgw.taking import take
from cni.hostgw.terrain import Candidate
from cni.hostgw.uplink import radios
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError, Code

log = logging.getLogger(__name__)

_FILTERED = 4
"""Only IPv4 has reverse-path filters."""
_LOCK_PATIENCE = 10.0
"""Seconds to wait for another request that is at it; each of them takes less than one."""


def refresh(node: Node, config: HostgwConfig) -> None:
    """Make the host's routes what a proof of this moment allows.

    Raises:
        CniError: code 7 for a pod network that cannot be served, when nothing of ours is left; 11
            when other requests are at it for too long.
        KernelError: the kernel refused something; all else is done.
    """
    if is_proven_by_an_agent(node.kernel.host):
        return
    arrived = node.kernel.uptime()
    with node.locks.host_routes(_LOCK_PATIENCE):
        kept = node.notes.read(node.kernel.boot_id())
        digest = config.digest()
        if kept.proved > arrived and kept.digest == digest:
            return  # another request has proved all of it while this one waited
        began = node.kernel.uptime()
        kept = claim_table(node, kept, config.table)
        kept = _refresh(node, config, kept)
        node.notes.write(kept.model_copy(update={"proved": began, "digest": digest}))


def prospect(node: Node, config: HostgwConfig) -> Prospect:
    """Return who might be reached directly, if they answer."""
    if not config.agentless or config.mode == "off":
        return Prospect()
    return look_around(node.kernel.host, config)


def differences(node: Node, config: HostgwConfig) -> list[str]:
    """Say what of ours on the host is not as a request would have left it; prove nothing."""
    if is_proven_by_an_agent(node.kernel.host):
        return []
    found = find(node.kernel.host, config.table)
    possible = prospect(node, config)
    chosen = _chosen(node, config, possible.candidates)
    wanted = decision.wanted(chosen, possible.known, Place.of(config))
    return list(decision.differences(wanted, found, config.table))


def _refresh(node: Node, config: HostgwConfig, kept: Kept) -> Kept:
    host = node.kernel.host
    try:
        seen = prospect(node, config)
        _tell(seen)
        kept = loosen(node, seen.candidates, kept)
        proven = prove(host, _chosen(node, config, seen.candidates))
    except Exception:
        withdraw(host, config.table)  # nobody knows whether what stands is still right
        raise
    wanted = decision.wanted(proven, seen.known, Place.of(config))
    if len(wanted.routes) < len(proven):
        log.warning("the peers' pod networks span too much for one rule: state podNetworks")
    take(host, decision.steps(wanted, find(host, config.table), config.table))
    if config.mode == "off":
        left = filtering.restore(host, kept.rp_filter)
        kept = kept.model_copy(update={"rp_filter": left})
    if seen.refusal:
        raise CniError(Code.INVALID_CONFIG, seen.refusal, "or take rail-hostgw out of the conflist")
    return kept


def loosen(node: Node, candidates: Collection[Candidate], kept: Kept) -> Kept:
    """Loosen what stands before a direct path, and before one that only its other end takes.

    Args:
        node: where.
        candidates: who may be next door.
        kept: what is remembered; what is loosened is written there first.
    """
    near = [one for one in candidates if one.peer.cidr.version == _FILTERED]
    devices = {name for one in near for name in (one.uplink.name, one.peer.overlay.name)}
    tighter = filtering.tighter(node.kernel.host, devices)
    if tighter.keys() - kept.rp_filter.keys():  # noted before it is changed, once in a boot
        kept = kept.model_copy(update={"rp_filter": {**tighter, **kept.rp_filter}})
        node.notes.write(kept)
    filtering.loosen(node.kernel.host, tighter)
    return kept


def claim_table(node: Node, kept: Kept, table: int) -> Kept:
    """Note our table before anything is in it, and take back what is in those of other times."""
    if table not in kept.tables:
        kept = kept.model_copy(update={"tables": (*kept.tables, table)})
        node.notes.write(kept)
    for former in kept.tables:
        if former != table:
            withdraw(node.kernel.host, former)
    return kept.model_copy(update={"tables": (table,)})


def withdraw(host: Namespace, table: int) -> None:
    """Take back all of ours in a table, and the rules that lead there."""
    take(host, decision.steps(Wanted(), find(host, table), table))


def is_proven_by_an_agent(host: Namespace) -> bool:
    """Return whether an agent has proven something just now; its marks do not outlive it long."""
    try:
        return bool(host.marked(MARKS))
    except KernelError:
        return False  # there are no nftables, or none that we may look at


def _tell(seen: Prospect) -> None:
    for cidr, reason in seen.refused.items():
        log.warning("%s takes the overlay: %s", cidr, reason)
    for cidr, reason in seen.distant.items():
        log.info("%s takes the overlay: %s", cidr, reason)


def _chosen(node: Node, config: HostgwConfig, candidates: Collection[Candidate]) -> list[Candidate]:
    """Return those that the mode is about."""
    if config.mode == "always":
        return list(candidates)
    names = {one.uplink.name for one in candidates}
    wireless = radios(names, config.uplink.wireless, node.sysfs)
    return [one for one in candidates if one.uplink.name in wireless]


def find(host: Namespace, table: int) -> Found:
    """Return the whole table, and all rules."""
    return Found(host.table(table), host.rules())
