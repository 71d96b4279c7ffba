"""What is judged of long packets on rails.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cni.kernel.types import Address
from install.doctor.echo import FAMILIES
from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.path.facts import Outcome, Pod, Probe, Rail

_DEFAULT = 1500
_NEARLY = 100
"""Bytes that a tunnel or a tag takes away."""
_WHY = (
    "NCCL and storage send packets of the rail's MTU: these are lost, and the job hangs or crawls"
)


def judge(
    pod: Pod, tried: Sequence[tuple[Probe, Outcome]], strangers: Sequence[Address]
) -> list[Finding]:
    """Return what came of it, for each rail.

    Args:
        pod: that packets were sent from.
        tried: the ways and what came of them.
        strangers: addresses of the peer that are on none of its rails.
    """
    if not tried and not strangers:
        return [_alone(pod)]
    found = [_judged(probe, outcome) for probe, outcome in tried]
    reached = {probe.rail.ifname for probe, _ in tried}
    if pod.netns:  # elsewhere any device may look like a rail
        found += [_left_out(rail) for rail in pod.rails if rail.ifname not in reached]
    found += [
        error(
            "rail-mtu",
            f"{address} is on no rail of {pod.title}",
            "nothing was sent to it",
            f"its rails: {', '.join(f'{r.title} {_listed(r)}' for r in pod.rails) or 'none'}",
        )
        for address in strangers
    ]
    return found


def _judged(probe: Probe, outcome: Outcome) -> Finding:
    rail, way = probe.rail, f"{probe.rail.title}: {probe.source} → {probe.target}"
    payload = rail.wanted - FAMILIES[probe.target.version].overhead
    if outcome.refused:
        return error("rail-mtu", f"{way}: nothing can be sent: {outcome.refused}", _WHY)
    if outcome.answered:
        return _through(way, payload, outcome)
    if not outcome.largest:
        return error(
            "rail-mtu",
            f"{way}: no answer, not even to short packets",
            "the peer's rail is down, has another address, or is not connected with this one",
            f"ip neighbour show dev {rail.ifname}  # in the pod; FAILED: nobody has that address",
            "railctl doctor on the peer's node",
        )
    return _limited(probe, outcome, way, payload)


def _through(way: str, payload: int, outcome: Outcome) -> Finding:
    words = f"{way}: {payload} bytes come through whole"
    if outcome.answered == outcome.sent:
        return ok("rail-mtu", words)
    lost = outcome.sent - outcome.answered
    return warning(
        "rail-mtu",
        f"{words}, but {lost} of {outcome.sent} packets were lost",
        "RoCE sends a whole window again for one of them",
        "look at errors and pauses on the way: ethtool -S DEVICE, and the switch's counters",
    )


def _limited(probe: Probe, outcome: Outcome, way: str, payload: int) -> Finding:
    limit, rail = outcome.largest, probe.rail
    about = "" if outcome.least_lost == limit + 1 else "about "
    words = f"{way}: {payload} bytes do not come through; the path's MTU is {about}{limit}"
    if not outcome.sent:
        return error(
            "rail-mtu",
            f"{words}: this pod's own {rail.ifname} has {rail.mtu}, expected {rail.wanted}",
            _WHY,
            f'"mtu": {rail.wanted} in the NAD of the rail, and start the pod again',
            "railctl doctor: the PF must have as much",
        )
    return error("rail-mtu", words, _WHY, *_causes(limit, rail))


def _causes(limit: int, rail: Rail) -> tuple[str, ...]:
    there = "on the peer's node: railctl doctor  # MTU of the PF and of the pod's rail"
    switch = f"on the switches: the MTU of both ports, of the VLAN and of its SVI, ≥ {rail.wanted}"
    if limit <= _DEFAULT:
        return (f"{limit} is a default that somebody has not raised: one of these", there, switch)
    if rail.wanted - limit <= _NEARLY:
        lacking = rail.wanted - limit
        return (
            f"{lacking} bytes are lacking: a tag or a tunnel on the way takes them",
            f"{switch} + {lacking}",
            there,
        )
    return (switch, there)


def _alone(pod: Pod) -> Finding:
    return error(
        "rail-mtu",
        f"the peer is {pod.title} itself",
        "nothing was sent: nothing would leave it",
        "name another pod: --mtu ADDRESS, or NAMESPACE/NAME",
    )


def _left_out(rail: Rail) -> Finding:
    return info(
        "rail-mtu",
        f"{rail.title} was not tried: the peer's address on it is not known",
        "name one: --mtu ADDRESS once more",
    )


def _listed(rail: Rail) -> str:
    return " ".join(map(str, rail.addresses))
