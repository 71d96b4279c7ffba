"""What can happen to a direct path: each is brought about, and mended again.

The first two nodes are wireless; most of it happens to the second.  Where there are no agents, what
is done to agents is not done.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from tests.netns.agent import Agent
from tests.netns.cluster import Node
from tests.netns.flannel import OVERLAYS, UPLINK
from tests.netns.scene import DIRECT, Site

_MOVED = 22
"""What the address of a node that moves ends in."""
_AWAY = 0.2
"""Seconds for which flannel takes a peer away."""
_FILTERS = ("all", "default", UPLINK, *OVERLAYS.values())
_OTHER_KEY = "a0" * 32


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that happens."""

    strike: Callable[[Site], AbstractContextManager[None]]
    """Brings it about, and mends it in the end."""
    becomes: tuple[str, ...]
    """The states, one of which the first node's path to the second gets into."""
    loses: bool = True
    """Whether packets may be lost by it."""

    @property
    def name(self) -> str:
        """What happens, in words."""
        return self.strike.__name__.replace("_", " ")


@contextmanager
def peer_dies_and_returns(site: Site) -> Iterator[None]:
    """It is not heard of any more: no carrier is lost."""
    lan, port = site.cluster.lan, site.nodes[1].port
    lan.ip("link", "set", port, "nomaster")
    try:
        yield
    finally:
        lan.ip("link", "set", port, "master", "lan")


@contextmanager
def direct_path_is_blocked(site: Site) -> Iterator[None]:
    """What comes from pods straight is dropped, by a node and in its own words."""
    pods = {4: "10.42.0.0/16", 6: "fd00:42::/56"}
    with _firewall(site.nodes[1], "raw", "PREROUTING", lambda f: ("-i", UPLINK, "-s", pods[f])):
        yield


@contextmanager
def one_direction_is_blocked(site: Site) -> Iterator[None]:
    """What the first node's pods send straight is dropped by the second; not the other way."""
    one, two, *_ = site.nodes
    with _firewall(two, "raw", "PREROUTING", lambda f: ("-i", UPLINK, "-s", one.pod_network(f))):
        yield


@contextmanager
def forwarding_is_blocked(site: Site) -> Iterator[None]:
    """FORWARD drops what comes by the uplink; what comes by the overlay is let through."""
    with _firewall(site.nodes[1], "filter", "FORWARD", lambda _: ("-i", UPLINK)):
        yield


@contextmanager
def what_begins_is_blocked(site: Site) -> Iterator[None]:
    """FORWARD lets in by the uplink only what belongs to a connection that is known."""
    new = ("-i", UPLINK, "-m", "conntrack", "--ctstate", "NEW")
    with _firewall(site.nodes[1], "filter", "FORWARD", lambda _: new):
        yield


@contextmanager
def rule_is_deleted(site: Site) -> Iterator[None]:
    """Another program takes our rules for its own, as systemd-networkd does."""
    for family in OVERLAYS:
        for _ in site.agents[:1]:
            site.nodes[0].host.ip(f"-{family}", "rule", "delete", "priority", "5000")
    yield


@contextmanager
def flannel_replaces_routes(site: Site) -> Iterator[None]:
    """It writes all of its routes again, and one peer goes and comes."""
    one, two, *_ = site.nodes
    for other in site.cluster.others(one):
        one.flannel.add(other)
    one.flannel.remove(two)
    time.sleep(_AWAY)
    one.flannel.add(two)
    yield


@contextmanager
def uplink_goes_down_and_up(site: Site) -> Iterator[None]:
    """The kernel drops all routes by it, and its IPv6 addresses."""
    two = site.nodes[1]
    two.host.ip("link", "set", UPLINK, "down")
    try:
        yield
    finally:
        two.host.ip("link", "set", UPLINK, "up")
        two.take_address(6)


@contextmanager
def node_address_changes(site: Site) -> Iterator[None]:
    """Flannel begins anew on the node, and tells the others."""
    two = site.nodes[1]
    _move(site, two, _MOVED)
    try:
        yield
    finally:
        _move(site, two, 10 + two.number)


@contextmanager
def agent_is_killed(site: Site) -> Iterator[None]:
    """By SIGKILL, on the second node."""
    with ExitStack() as starting:
        for agent in site.agents[1:2]:
            agent.kill()
            starting.callback(agent.start)
        yield


@contextmanager
def own_agent_is_killed(site: Site) -> Iterator[None]:
    """By SIGKILL, on the first node."""
    with ExitStack() as starting:
        for agent in site.agents[:1]:
            agent.kill()
            starting.callback(agent.start)
        yield


@contextmanager
def agent_hangs(site: Site) -> Iterator[None]:
    """By SIGSTOP, on the second node."""
    with ExitStack() as going_on:
        for agent in site.agents[1:2]:
            agent.send(signal.SIGSTOP)
            going_on.callback(agent.send, signal.SIGCONT)
        yield


@contextmanager
def agent_is_upgraded(site: Site) -> Iterator[None]:
    """It ends, and says so; another one starts."""
    for agent in site.agents[1:2]:
        agent.stop()
        agent.start()
    yield


@contextmanager
def agents_disagree(site: Site) -> Iterator[None]:
    """One wants it always, the other never."""
    with _restarted(site.agents[:1], mode="always"), _restarted(site.agents[1:2], mode="off"):
        yield


@contextmanager
def keys_differ(site: Site) -> Iterator[None]:
    """The second node has got another key."""
    with _restarted(site.agents[1:2], key=_OTHER_KEY):
        yield


@contextmanager
def filters_are_strict_at_start(site: Site) -> Iterator[None]:
    """`rp_filter` is 1 everywhere when agents start; the control stays as it is."""
    for agent in site.agents[:2]:
        agent.stop()
    for agent in site.agents[:2]:
        for device in _FILTERS:
            agent.node.sysctl(f"ipv4/conf/{device}/rp_filter", "1")
    for agent in site.agents[:2]:
        agent.start()
    yield


TROUBLES = (
    Trouble(peer_dies_and_returns, ("probing",)),
    Trouble(direct_path_is_blocked, ("holddown",)),
    Trouble(one_direction_is_blocked, ("holddown",)),
    Trouble(forwarding_is_blocked, ("holddown",)),
    Trouble(what_begins_is_blocked, ("holddown",)),
    Trouble(rule_is_deleted, ("probing",), loses=False),
    Trouble(flannel_replaces_routes, ("overlay", "probing", DIRECT)),
    Trouble(uplink_goes_down_and_up, ("probing",)),
    Trouble(node_address_changes, ("overlay", "probing")),
    Trouble(agent_is_killed, ("probing",), loses=False),
    Trouble(own_agent_is_killed, ("",), loses=False),
    Trouble(agent_hangs, ("probing",), loses=False),
    Trouble(agent_is_upgraded, ("overlay", "probing"), loses=False),
    Trouble(agents_disagree, ("overlay",), loses=False),
    Trouble(keys_differ, ("overlay",), loses=False),
    Trouble(filters_are_strict_at_start, (DIRECT,), loses=False),
)


@contextmanager
def _firewall(
    node: Node, table: str, chain: str, match: Callable[[int], tuple[str, ...]]
) -> Iterator[None]:
    """Have a node drop packets of both families."""
    programs = {4: "iptables", 6: "ip6tables"}
    with ExitStack() as mending:
        for family, program in programs.items():
            rule = (chain, *match(family), "-j", "DROP")
            node.host.run(program, "-t", table, "-A", *rule)
            mending.callback(node.host.run, program, "-t", table, "-D", *rule)
        yield


@contextmanager
def _restarted(agents: list[Agent], **more: str) -> Iterator[None]:
    """Restart agents, and again with their own settings in the end."""
    for agent in agents:
        agent.stop()
        agent.start(**more)
    try:
        yield
    finally:
        for agent in agents:
            agent.stop()
            agent.start()


def _move(site: Site, node: Node, host: int) -> None:
    node.flannel.stop()
    node.move(host)
    node.flannel.start(site.cluster.others(node))
    for other in site.cluster.others(node):
        other.flannel.add(node)
