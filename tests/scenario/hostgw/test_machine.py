"""Whatever happens in whatever order: no direct path without a proof of that request.

And main, and what others have made, are never touched.
"""

from __future__ import annotations

import tempfile
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cni.kernel.types import KernelError, Route, Rule
from tests.scenario.hostgw.worlds import OVERLAY, PEERS, RESULT, UPLINK, MemoryWorld

_addresses = st.sampled_from(sorted(set(PEERS.values())))
_networks = st.sampled_from([*PEERS, "10.42.3.0/24", "203.0.113.0/24"])
_configurations = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["wifi", "always", "off"]),
        "agentless": st.sampled_from([True, True, False]),
        "table": st.sampled_from([142, 142, 1142]),
        "strict": st.booleans(),
        "podNetworks": st.sampled_from([[], ["10.42.0.0/16"]]),
    }
)


class Home(RuleBasedStateMachine):
    """A node whose neighbours come and go, and where others change routes and rules."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = MemoryWorld(Path(self.folder.name))
        self.world.begin()
        self.world.be_wireless()
        self.there = set(PEERS.values())
        self.others_routes: set[Route] = set()
        self.others_rules: set[Rule] = set()

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(address=_addresses)
    def somebody_comes_or_goes(self, address: str) -> None:
        change = self.world.vanish if address in self.there else self.world.appear
        change(address)
        self.there ^= {address}

    @rule(network=_networks, table=st.sampled_from([142, 254, 1142]))
    def another_program_routes(self, network: str, table: int) -> None:
        by = "fd00:1::1" if ":" in network else "192.168.1.1"
        index = self.world.link(UPLINK).index
        route = Route(ip_network(network), index, ip_address(by), table, priority=2000, protocol=99)
        if route not in self.others_routes:
            self.world.host.add_route(route)
            self.others_routes.add(route)

    @rule(protocol=st.sampled_from([0, 99]), network=_networks)
    def another_program_makes_a_rule(self, protocol: int, network: str) -> None:
        anywhere = ip_network("::/0" if ":" in network else "0.0.0.0/0")
        made = Rule(anywhere, 142, 5000, ip_network(network), protocol)
        if made not in self.others_rules:
            self.world.host.add_rule(made)
            self.others_rules.add(made)

    @rule()
    def another_program_takes_our_rules(self) -> None:
        for found in self.world.host.rules():
            if found.protocol == 142:
                self.world.host.remove_rule(found)

    @rule(cidr=st.sampled_from(list(PEERS)))
    def flannel_forgets_a_peer(self, cidr: str) -> None:
        routes = self.world.kernel.host.netns.routes
        tunnel = self.world.link(OVERLAY).index
        routes[:] = [r for r in routes if not (r.index == tunnel and r.dst == ip_network(cidr))]

    @rule(
        command=st.sampled_from(["ADD", "DEL", "GC", "STATUS"]),
        keys=_configurations,
        crash=st.none() | st.integers(0, 6),
    )
    def a_request(self, command: str, keys: dict[str, Any], crash: int | None) -> None:
        world, left = self.world, crash
        before = world.main()

        def refuse(verb: str) -> None:
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    raise KernelError(verb, 1, "not today")

        world.kernel.machine.before_change = refuse
        reply = world.call(command, **keys)
        world.kernel.machine.before_change = lambda _: None
        if not keys["strict"] or command == "DEL":
            assert reply.exit_code == 0
        if reply.exit_code == 0 and command == "ADD":
            assert reply.document == RESULT
        assert world.main() == before
        if crash is None:
            direct = world.direct(keys["table"])
            assert set(direct.values()) <= self.there
            routed = {str(r.dst) for r in before if r.protocol != 99}
            assert direct.keys() <= routed
            if keys["mode"] == "off" or not keys["agentless"]:
                assert not direct
                assert not world.rules()

    @invariant()
    def others_are_as_they_were(self) -> None:
        if hasattr(self, "world"):
            assert set(self.world.host.rules()) >= self.others_rules
            found = {r for table in (142, 254, 1142) for r in self.world.host.table(table)}
            assert self.others_routes <= found
            own = ip_interface("192.168.1.10/24")
            assert own in self.world.host.addresses(self.world.link(UPLINK).index)


TestHome = Home.TestCase
TestHome.settings = settings(max_examples=100, stateful_step_count=15, deadline=None)
