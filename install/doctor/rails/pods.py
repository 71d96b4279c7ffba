"""What is judged of rails that pods have now, and of what new ones will get.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.rails.facts import Facts, Function

STRICT = "1"
_WHY_STRICT = (
    "where two rails share routers, an answer may come in by the other rail: it is dropped, and "
    "nothing is said"
)


def rp_filter(facts: Facts) -> Iterator[Finding]:
    """Say where reverse paths are filtered strictly."""
    strict = [port.name for port in facts.ports if port.rp_filter == STRICT]
    for name in strict:
        yield warning(
            "rp-filter",
            f"rp_filter is strict (1) on {name}",
            _WHY_STRICT,
            f"sysctl -w net.ipv4.conf.{name}.rp_filter=2",
        )
    if facts.pod_filter == STRICT:
        yield warning(
            "rp-filter",
            "a new pod's interfaces filter reverse paths strictly (net.ipv4.conf.default or all)",
            _WHY_STRICT,
            '"sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"} in the rails\' NADs',
            "or for the whole node: sysctl -w net.ipv4.conf.all.rp_filter=2",
        )
    inside = [f for f in facts.functions if f.pod and f.pod.rp_filter == STRICT]
    for function in inside:
        yield warning(
            "rp-filter",
            f"rp_filter is strict (1) on {function.holder}",
            _WHY_STRICT,
            f'"sysctl": {{"net.ipv4.conf.IFNAME.rp_filter": "2"}} in the NAD of {function.rail}, '
            "and start the pod again",
        )
    if facts.ports and not (strict or inside or facts.pod_filter == STRICT):
        yield ok("rp-filter", "no rail filters reverse paths strictly")


def attached(facts: Facts) -> Iterator[Finding]:
    """Say which pod's rail carries less than it was given for, or nothing."""
    seen = [function for function in facts.functions if function.pod]
    ill = [finding for function in seen for finding in _attached(function)]
    yield from ill
    if seen and not ill:
        yield ok("pod-rail", f"{len(seen)} rails of pods have carrier and their MTU")
    blind = [
        f for f in facts.functions if f.state == "held" and not f.pod and not f.vf.is_userspace
    ]
    if blind:
        listed = "; ".join(function.holder for function in blind)
        yield info("pod-rail", f"not seen from here: {listed}")


def _attached(function: Function) -> Iterator[Finding]:
    link = function.pod.link if function.pod else None
    if link is None:
        return
    if not link.carrier:
        yield error(
            "pod-rail",
            f"{function.holder} has no carrier",
            "the pod's rail is cut off; its other rails go on",
            f"ip -d link show dev {function.vf.pf_netdev}  # of the host: VF {function.vf.index}",
        )
    if link.mtu < function.least_mtu:
        yield error(
            "pod-rail",
            f"{function.holder} has MTU {link.mtu}, expected {function.least_mtu}",
            "somebody has changed it since the pod got it",
            f"nsenter --net={function.netns} ip link set dev {link.name} mtu {function.least_mtu}",
        )
