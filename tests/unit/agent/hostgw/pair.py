"""Two nodes next door to each other, and what spoils the network between them."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.pairing import Own
from cni.agent.hostgw.path import State, Times
from cni.kernel.types import Address
from tests.unit.agent.hostgw.cluster import UPLINK, near
from tests.unit.agent.hostgw.lan import Lan, Node, Sent

A, B = ip_address("192.168.1.10"), ip_address("192.168.1.11")
A6, B6 = ip_address("fd00:1::10"), ip_address("fd00:1::11")
PODS_A, PODS_B = "10.42.0.0/24", "10.42.1.0/24"
PODS6_A, PODS6_B = "fd42:0:0:0::/64", "fd42:0:0:1::/64"
PROBES_A = {4: ip_address("10.42.0.9"), 6: ip_address("fd42:0:0:0::9")}
PROBES_B = {4: ip_address("10.42.1.9"), 6: ip_address("fd42:0:0:1::9")}
RADIO = frozenset({UPLINK.name})


def nodes(
    *, radios: tuple[bool, bool] = (True, True), modes: tuple[str, str] = ("wifi", "wifi"),
    dual: bool = False, times: Times | None = None,
) -> Lan:  # fmt: skip
    """Return two nodes that may be next door to each other."""

    def own(at: int, probes: dict[int, Address]) -> Own:
        kept = probes if dual else {4: probes[4]}
        return Own(modes[at], RADIO if radios[at] else frozenset(), kept)  # type: ignore[arg-type]  # of any mode

    to_b, to_a = [near(PODS_B, B, A)], [near(PODS_A, A, B)]
    if dual:
        to_b.append(near(PODS6_B, B6, A6))
        to_a.append(near(PODS6_A, A6, B6))
    a = Node(own(0, PROBES_A), *to_b, times=times)
    b = Node(own(1, PROBES_B), *to_a, times=times)
    return Lan({"a": a, "b": b})


def both(lan: Lan, state: State = State.DIRECT) -> Callable[[], bool]:
    def holds() -> bool:
        states = {p.path.state for node in lan.nodes.values() for p in node.peers.all.values()}
        return states == {state}

    return holds


def blocked(way: Way, source: Address | None = None) -> Callable[[Sent], bool]:
    return lambda sent: sent.way is way and source in {None, sent.source}
