"""What is judged of the peers: on layer 2, and by the time that packets take.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from install.doctor.findings import Finding, Severity
from install.doctor.wifi.blame import judge
from install.doctor.wifi.facts import Facts, Reach

_MEND_UNDERLAY = "mend the network between the nodes first: signal, power saving, access point"
_MEND_OVERLAY = (
    "see that nothing drops UDP 8472 between the nodes (nft list ruleset), here and there",
    "and the checksums and MTU of the overlay's device",
)


def peers(facts: Facts) -> Iterator[Finding]:
    """Say of each peer which path works, and what is to blame where one does not."""
    if not facts.reached:
        yield Finding(
            Severity.WARNING,
            "peers",
            "the overlay knows no peer",
            "this is the only node, or flannel does not run",
            ("ip route show; bridge fdb show",),
        )
    for one in facts.reached:
        yield from _measured(one)
    if facts.unmeasured:
        yield Finding(Severity.INFO, "peers", f"{facts.unmeasured} more peers were not measured")


def layer_2(facts: Facts) -> Iterator[Finding]:
    """Say who is next door, and who should be and is not."""
    for one in facts.reached:
        who = f"{one.peer.address} (pods {one.peer.cidr})"
        if one.refusal:
            yield Finding(
                Severity.INFO, "layer-2", f"no direct path to {one.peer.cidr}: {one.refusal}"
            )
        elif one.answers:
            yield Finding(Severity.OK, "layer-2", f"{who} answers on {one.uplink}")
    for uplink in facts.uplinks:
        near = [
            one
            for one in facts.reached
            if one.uplink == uplink.link.name and not one.refusal and one.answers is not None
        ]
        silent = [str(one.peer.address) for one in near if not one.answers]
        if not silent:
            continue
        if uplink.wireless and uplink.gateway_answers:
            yield _isolated(uplink.link.name, silent)
        else:
            yield Finding(
                Severity.ERROR,
                "layer-2",
                f"{', '.join(silent)} on {uplink.link.name}'s own subnet: no answer on layer 2",
                "they are off, or another network; neither path works",
                (f"arping -I {uplink.link.name} {silent[0]}",),
            )


def direct(facts: Facts) -> Iterator[Finding]:
    """Say whose pods are reached straight now."""
    if facts.direct:
        networks = ", ".join(str(route.dst) for route in facts.direct)
        yield Finding(
            Severity.INFO,
            "direct",
            f"rail-hostgw has direct routes to {networks}",
            "which of them are proven now, where an agent runs: railctl peers",
        )


def _isolated(device: str, silent: list[str]) -> Finding:
    return Finding(
        Severity.ERROR,
        "isolation",
        f"the router answers on {device}, and {', '.join(silent)} not: client isolation, probably",
        "an access point with client isolation passes nothing between its stations, VXLAN neither; "
        "or those nodes are off",
        ("switch client (AP, station) isolation off for this SSID, or use another SSID",),
    )


def _measured(one: Reach) -> Iterator[Finding]:
    if one.node is None or one.overlay is None:
        return
    verdict = judge(one.node, one.overlay, answers=one.answers)
    mend = {"underlay": (_MEND_UNDERLAY,), "overlay": _MEND_OVERLAY}.get(verdict.culprit, ())
    said = f"{one.peer.cidr}: {verdict.words}"
    if verdict.culprit != "nobody":
        said += f": blame the {verdict.culprit}"
    yield Finding(
        verdict.severity,
        "path",
        said,
        f"to the node {one.peer.address}: {one.node}; over {one.peer.overlay.name} to "
        f"{one.gateway}: {one.overlay}",
        mend,
    )
