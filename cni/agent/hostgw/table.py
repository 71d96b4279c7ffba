"""What the kernel is to hold for the paths: routes, rules and the table of marks.  Pure.

priority-2  from PROBE to port+1    main    what is measured over the overlay stays on it
priority-1  from PROBE to port      ours    what is to be proven goes where it is to be proven
            from PROBE from port    ours    and so does its answer, to whatever port
priority    marked                  ours    what is proven goes there as well
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from cni.agent.hostgw.settings import HostgwSettings
from cni.hostgw import decision
from cni.hostgw.decision import MARKS, PROTOCOL, Place, Wanted
from cni.hostgw.terrain import Candidate
from cni.kernel.marking import Marking
from cni.kernel.types import MAIN_TABLE, Address, Network, Rule


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernel is to hold."""

    wanted: Wanted
    marking: Marking | None


def plan(
    candidates: Collection[Candidate],
    known: Iterable[Network],
    probes: Mapping[int, Address],
    sources: frozenset[Network],
    settings: HostgwSettings,
) -> Plan:
    """Return what the kernel is to hold.

    Args:
        candidates: those that a direct path is wanted to, proven or not.
        known: the pod networks of everybody that may be next door.
        probes: this node's own pod, by IP version.
        sources: this node's own pod networks: what is from elsewhere (a Service's masqueraded
            traffic) is not marked.
        settings: the numbers that are ours, and whether anything may be marked.
    """
    marks = settings.mode != "observe"
    place = Place(settings.table, settings.priority, settings.pod_networks)
    routes = tuple(decision.route(candidate, place) for candidate in candidates)
    versions = sorted({candidate.peer.cidr.version for candidate in candidates})
    rules = [
        rule for version in versions for rule in _rules(version, probes, settings, marks=marks)
    ]
    sizes = frozenset((network.version, network.prefixlen) for network in known)
    marking = Marking(MARKS, settings.mark, sizes, sources)
    return Plan(Wanted(routes, tuple(rules)), marking if marks and sizes and sources else None)


def _rules(
    version: int, probes: Mapping[int, Address], settings: HostgwSettings, *, marks: bool
) -> Iterable[Rule]:
    anywhere = ip_network("0.0.0.0/0" if version == 4 else "::/0")  # noqa: PLR2004 - of IP
    if marks:
        yield Rule(
            anywhere, settings.table, settings.priority, protocol=PROTOCOL,
            mark=settings.mark, mask=settings.mark,
        )  # fmt: skip
    if version in probes:
        probe = ip_network(probes[version])
        ours, port, main = settings.priority - 1, settings.port, settings.priority - 2
        udp = socket.IPPROTO_UDP
        yield Rule(probe, settings.table, ours, protocol=PROTOCOL, ip_protocol=udp, port=port)
        yield Rule(
            probe, settings.table, ours, protocol=PROTOCOL, ip_protocol=udp, source_port=port
        )  # fmt: skip
        yield Rule(probe, MAIN_TABLE, main, protocol=PROTOCOL, ip_protocol=udp, port=port + 1)
