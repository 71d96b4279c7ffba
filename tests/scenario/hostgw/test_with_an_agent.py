"""A request where an agent proves paths all the time: in it, and beside it."""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from cni.hostgw import refresh
from cni.hostgw.decision import MARKS
from cni.hostgw.refresh import is_proven_by_an_agent
from cni.kernel.marking import Marking
from cni.kernel.types import KernelError, Route, Rule
from cni.protocol.errors import Code
from tests.scenario.hostgw.worlds import PEERS, RESULT, UPLINK, MemoryWorld, World

PODS = ip_network("10.42.1.0/24")
SOURCES = frozenset({ip_network("10.42.0.0/24")})
MARKING = Marking(MARKS, 0x01000000, frozenset({(4, 24)}), SOURCES)


class Agent:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ails: list[str] = []

    def pods_changed(self) -> None:
        self.told.append("pods")

    def collected(self, network: str) -> None:
        self.told.append(f"gc of {network}")

    def impairments(self) -> list[str]:
        return self.ails


class Defective(Agent):
    """Cannot be told anything."""

    def pods_changed(self) -> None:
        raise RuntimeError("a defect")


def with_agent(world: World) -> Agent:
    agent = Agent()
    world.agent = agent
    return agent


def agent_has_proven(world: World) -> tuple[set[Route], set[Rule]]:
    """Let there be what an agent makes; return it."""
    host, index = world.host, world.link(UPLINK).index
    route = Route(PODS, index, ip_address("192.168.1.11"), 142, protocol=142, mtu=1450)
    anywhere = ip_network("0.0.0.0/0")
    rules = (
        Rule(anywhere, 142, 5000, protocol=142, mark=0x01000000, mask=0x01000000),
        Rule(ip_network("10.42.0.9/32"), 142, 4999, protocol=142, ip_protocol=17, port=9754),
        Rule(ip_network("10.42.0.9/32"), 254, 4998, protocol=142, ip_protocol=17, port=9755),
    )
    host.set_marking(MARKING)
    host.add_route(route)
    for rule in rules:
        host.add_rule(rule)
    host.mark(MARKS, {PODS: 30.0})
    return ours(world)


def ours(world: World) -> tuple[set[Route], set[Rule]]:
    return (
        {route for route in world.host.table(142) if route.protocol == 142},
        {rule for rule in world.host.rules() if rule.protocol == 142},
    )


# ── In the agent ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("agentless", [True, False])
@pytest.mark.parametrize("command", ["ADD", "DEL", "GC", "STATUS", "CHECK"])
def test_the_agent_is_told_and_nothing_is_proven(
    memory: MemoryWorld, command: str, *, agentless: bool
) -> None:
    agent = with_agent(memory)
    before = (memory.main(), ours(memory), memory.filter(UPLINK), memory.kernel.uptime())
    reply = memory.call(command, agentless=agentless, strict=True)
    assert reply.exit_code == 0
    assert agent.told == {"CHECK": [], "GC": ["gc of cbr0", "pods"]}.get(command, ["pods"])
    assert (memory.main(), ours(memory), memory.filter(UPLINK), memory.kernel.uptime()) == before


def test_the_result_is_handed_on(memory: MemoryWorld) -> None:
    with_agent(memory)
    assert memory.call().document == RESULT


def test_what_an_agent_holds_is_no_left_over(memory: MemoryWorld) -> None:
    with_agent(memory)
    before = agent_has_proven(memory)
    for command in ("ADD", "DEL", "GC", "STATUS", "CHECK"):
        assert memory.call(command, agentless=False, strict=True).exit_code == 0
        assert memory.call(command, mode="off", strict=True).exit_code == 0
    assert ours(memory) == before


@pytest.mark.parametrize("strict", [True, False])
def test_only_a_strict_status_is_about_what_ails_the_paths(
    memory: MemoryWorld, *, strict: bool
) -> None:
    agent = with_agent(memory)
    agent.ails = ["/etc/railcni/hostgw.key is missing", "no pod"]
    reply = memory.call("STATUS", strict=strict)
    assert reply.exit_code == int(strict)
    if strict:
        assert reply.document is not None
        assert reply.document["code"] == Code.NOT_AVAILABLE
        assert reply.document["msg"] == "/etc/railcni/hostgw.key is missing; no pod"
        assert reply.document["details"] == "see `railctl peers`"
    for command in ("ADD", "DEL", "GC", "CHECK"):
        assert memory.call(command, strict=strict).exit_code == 0


def test_a_gc_that_is_malformed_tells_nobody(memory: MemoryWorld) -> None:
    agent = with_agent(memory)
    bad: dict[str, Any] = {"cni.dev/valid-attachments": [{"containerID": 3}]}
    assert memory.call("GC", **bad).exit_code == 1
    assert agent.told == []


@pytest.mark.parametrize("strict", [True, False])
def test_a_defect_of_the_agent_fails_no_pod(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture, *, strict: bool
) -> None:
    memory.agent = Defective()
    reply = memory.call(strict=strict)
    assert reply.exit_code == int(strict)
    if not strict:
        assert reply.document == RESULT
        assert "failure 1 since the boot" in caplog.text


# ── Beside the agent ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("given", [{"agentless": False}, {"agentless": True}, {"mode": "off"}])
@pytest.mark.parametrize("command", ["ADD", "DEL", "GC", "STATUS"])
def test_what_an_agent_has_just_proven_is_left_to_it(
    memory: MemoryWorld, command: str, given: dict[str, Any]
) -> None:
    before = agent_has_proven(memory)
    notes, filtered = memory.node.notes.read(memory.kernel.boot_id()), memory.filter(UPLINK)
    assert memory.call(command, strict=True, **given).exit_code == 0
    assert ours(memory) == before
    assert memory.host.marked(MARKS)
    assert memory.node.notes.read(memory.kernel.boot_id()) == notes
    assert memory.filter(UPLINK) == filtered


def test_check_finds_nothing_amiss_with_it(memory: MemoryWorld) -> None:
    agent_has_proven(memory)
    for agentless in (True, False):
        assert memory.call("CHECK", strict=True, agentless=agentless).exit_code == 0


def test_what_has_expired_is_a_left_over(memory: MemoryWorld) -> None:
    agent_has_proven(memory)
    memory.kernel.advance(30)
    assert memory.call(agentless=False).document == RESULT
    assert ours(memory) == (set(), set())


def test_and_gives_way_to_what_a_request_proves(memory: MemoryWorld) -> None:
    agent_has_proven(memory)
    memory.kernel.advance(30)
    assert memory.call().document == RESULT
    assert memory.direct() == PEERS
    assert {rule.mark for rule in ours(memory)[1]} == {0}


def test_a_table_without_a_mark_proves_nothing(memory: MemoryWorld) -> None:
    assert not is_proven_by_an_agent(memory.host)
    memory.host.set_marking(MARKING)
    assert not is_proven_by_an_agent(memory.host)
    memory.host.mark(MARKS, {PODS: 1.0})
    assert is_proven_by_an_agent(memory.host)
    memory.kernel.advance(1.0)
    assert not is_proven_by_an_agent(memory.host)


def test_nor_do_marks_of_others(memory: MemoryWorld) -> None:
    memory.host.set_marking(Marking("others", 2, frozenset({(4, 24)}), SOURCES))
    memory.host.mark("others", {PODS: 30.0})
    assert not is_proven_by_an_agent(memory.host)


def test_without_nftables_nobody_has_proven_anything(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    memory.kernel.remove_nftables()
    with pytest.raises(KernelError):
        memory.host.marked(MARKS)
    with caplog.at_level(logging.WARNING):
        assert memory.call().document == RESULT
    assert memory.direct() == PEERS
    assert refresh.is_proven_by_an_agent(memory.host) is False
