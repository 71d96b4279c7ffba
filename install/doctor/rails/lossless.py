"""What is judged of lossless Ethernet, which RoCE needs: PFC, ETS, DSCP trust, pause.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cni.kernel.adapters import Bridging
from install.doctor.findings import Finding, info, ok, warning
from install.doctor.rails.facts import Facts, Port

_ONE = "3"
"""The priority that examples take: 26 is its usual DSCP."""


def priorities(facts: Facts) -> Iterator[Finding]:
    """Say which priorities of each Ethernet port are lossless, and whether packets get there."""
    for port in _roce(facts):
        bridging = port.bridging
        if bridging is None or bridging.lossless is None:
            yield info(
                "pfc",
                f"{port.name} does not tell the kernel its priorities",
                "whether RoCE is lossless there cannot be seen from here",
                f"mlnx_qos -i {port.name}  # or the adapter's own tool",
            )
            continue
        yield _lossless(port, bridging.lossless)
        if bridging.lossless:
            yield _trust(port, bridging, bridging.lossless)
            yield from _shares(port, bridging, bridging.lossless)


def pause(facts: Facts) -> Iterator[Finding]:
    """Say where pause frames stop all traffic, and not a priority's alone."""
    for port in _roce(facts):
        if port.pause is None:
            continue
        on = [w for w, is_on in (("rx", port.pause.receives), ("tx", port.pause.sends)) if is_on]
        if not on:
            yield ok("pause", f"{port.name} has global pause off")
            continue
        yield warning(
            "pause",
            f"{port.name} has global pause on ({', '.join(on)})",
            "one slow receiver stops every priority of the port, storage's and NCCL's alike; with "
            "PFC beside it what happens is the adapter's choice",
            f"ethtool -A {port.name} autoneg off rx off tx off",
        )


def _roce(facts: Facts) -> Iterator[Port]:
    """Yield the ports that RoCE may run on: InfiniBand is lossless by its credits."""
    for port in facts.ports:
        if port.link and not port.is_infiniband:
            yield port


def _lossless(port: Port, lossless: frozenset[int]) -> Finding:
    listed = ", ".join(map(str, sorted(lossless)))
    if not lossless:
        return warning(
            "pfc",
            f"no priority of {port.name} is lossless",
            "RoCE sends a whole window again for one lost packet: under incast the rail's rate "
            "falls to a fraction",
            f"dcb pfc set dev {port.name} prio-pfc all:off {_ONE}:on",
            "and the same priority on the switch, with its watchdog",
        )
    if len(lossless) > 1:
        return warning(
            "pfc",
            f"priorities {listed} of {port.name} are lossless, expected one",
            "each takes its share of the buffers, and pauses spread further; the storage's class "
            "is another one, and on its own rails",
            f"dcb pfc set dev {port.name} prio-pfc all:off {_ONE}:on",
        )
    return ok("pfc", f"priority {listed} of {port.name} is lossless")


def _trust(port: Port, bridging: Bridging, lossless: frozenset[int]) -> Finding:
    wanted = min(lossless)
    if not bridging.dscp:
        return warning(
            "trust",
            f"{port.name} does not go by a packet's DSCP",
            "RoCE's packets have no VLAN tag to go by: they arrive in priority 0, which is lossy",
            f"dcb app replace dev {port.name} dscp-prio 26:{wanted}",
            f"mlnx_qos -i {port.name} --trust dscp  # of older drivers",
        )
    mapped = sorted(dscp for dscp, priority in bridging.dscp.items() if priority in lossless)
    if not mapped:
        return warning(
            "trust",
            f"no DSCP of {port.name} leads to its lossless priority {wanted}",
            "no packet is ever in it",
            f"dcb app replace dev {port.name} dscp-prio 26:{wanted}",
        )
    listed = ", ".join(map(str, mapped[:8])) + (", …" if len(mapped) > 8 else "")  # noqa: PLR2004
    return ok("trust", f"{port.name} goes by DSCP: {listed} → lossless")


def _shares(port: Port, bridging: Bridging, lossless: frozenset[int]) -> Iterator[Finding]:
    if bridging.classes is None or bridging.shares is None:
        return
    own = {bridging.classes[priority] for priority in lossless}
    lossy = {bridging.classes[p] for p in range(len(bridging.classes)) if p not in lossless}
    if own & lossy:
        yield warning(
            "ets",
            f"on {port.name} the lossless priority shares traffic class {min(own & lossy)} with "
            "lossy ones",
            "a pause of it stops those as well, and their bursts fill its buffer",
            f"dcb ets set dev {port.name} prio-tc {min(lossless)}:{min(lossless)}",
        )
        return
    told = ", ".join(f"class {tc}: {bridging.shares[tc]} %" for tc in sorted(own))
    yield ok("ets", f"the lossless priority of {port.name} has a traffic class of its own ({told})")
