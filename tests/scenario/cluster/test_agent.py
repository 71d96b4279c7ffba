"""rail-ipam's part in a node's agent: upkeep, heartbeat, reclaiming; what it shows and reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace

import pytest

from cni.agent.interface import Family
from ipam.agent import reclaiming, stock, upkeep
from ipam.agent.part import IpamPart
from ipam.registry.heartbeat import LEASE
from tests.scenario.cluster.given import BLOCKS, LOCAL, NODE_FILE, SECOND, refused
from tests.scenario.cluster.world import Machine, World


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nobody, and let no look hold."""
    monkeypatch.setattr(upkeep, "TOGETHER", 0.0)
    monkeypatch.setattr(stock, "_AGE", 0.0)


@pytest.fixture
def agent_of() -> Iterator[Callable[..., Agent]]:
    """Start a machine's agent."""
    with ExitStack() as running:
        yield lambda machine, **settings: running.enter_context(closing(Agent(machine, **settings)))


class Agent:
    """The part, on a machine."""

    def __init__(self, machine: Machine, *, reclaim: bool = False) -> None:
        self.machine = machine
        self.part = IpamPart(
            machine.paths,
            reclaim=reclaim,
            reclaim_after=100.0,
            wire=lambda: replace(machine.process(), keep_open=True),
        )
        # The world's clock is everybody's, and it stands still.
        self.part._upkeep._clock = lambda: machine.now / SECOND
        if self.part._reclaiming:
            self.part._reclaiming._clock = lambda: machine.now / SECOND

    def turn(self, chore: str) -> None:
        """Let one of its chores be done once."""
        [run] = [one.run for one in self.part.chores if one.name == chore]
        run()

    def figure(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of a family."""
        return {sample.labels: sample.value for sample in self.families()[name].samples}

    def families(self) -> dict[str, Family]:
        return {family.name: family for family in self.part.figures()}

    def close(self) -> None:
        self.part.close()


AgentOf = Callable[..., Agent]


def beating(world: World) -> dict[str, str]:
    """Return the boot of each node that has a heartbeat."""
    found = world.document("heartbeats/")
    return {name: record["boot"] for name, record in found.items()}


# ── upkeep ────────────────────────────────────────────────────────────────────────────────────────


def test_the_registry_is_told_and_a_spare_is_kept(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    pods = node.adds(6)
    agent.turn("upkeep")
    assert world.mirror() == {pod.slot: pod.container for pod in pods}
    assert len(node.blocks("spare")) == 1


def test_blocks_that_nothing_needs_go_back(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    for pod in node.adds(9):
        node.delete(pod)
    agent.turn("upkeep")
    assert len(world.owners()) > 1
    world.wait(301)
    agent.turn("upkeep")
    assert len(world.owners()) == 1


def test_a_request_wakes_it(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    given = node.request("ADD", "c9", "a")
    agent.part.warm.allocate(given)  # before there are threads
    agent.part.waken = agent.turn
    agent.part.warm.allocate(given)
    assert "c9" in world.mirror().values()
    agent.part.warm.release(node.request("DEL", "c9", "a"))
    assert world.mirror() == {}


def test_while_etcd_is_away_it_pauses_longer_and_longer_and_says_so_once(
    world: World,
    agent_of: AgentOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "ipam")
    node = world.machine()
    agent = agent_of(node)
    node.add()
    node.line.down = True
    attempts: list[float] = []
    for _ in range(100):
        calls = len(node.line.calls)
        agent.turn("upkeep")
        if len(node.line.calls) > calls:
            attempts.append(world.seconds)
        world.wait(1)
    assert attempts == [0, 1, 3, 7, 15, 31, 61, 91]
    node.line.down = False
    world.wait(30)
    agent.turn("upkeep")
    node.add()
    agent.turn("upkeep")
    assert len(world.mirror()) == 2
    said = [record.getMessage() for record in caplog.records if "up to date" in record.getMessage()]
    assert len(said) == 2
    assert said[0].startswith("the registry is not up to date: ")
    assert said[1] == "the registry is up to date again"
    node.line.down = True
    node.add()
    agent.turn("upkeep")
    world.wait(1)  # and not the longest pause at once
    node.line.down = False
    agent.turn("upkeep")
    assert len(world.mirror()) == 3


def test_it_leaves_the_work_to_a_process_that_is_at_it(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.add()
    with node.process().locks.upkeep() as alone:
        assert alone
        for _ in range(6):
            agent.turn("upkeep")
            assert agent.part.problems() == []
            world.wait(10)
        agent.turn("upkeep")
        assert world.mirror() == {}
        [problem] = agent.part.problems()
        assert "another process has been at the upkeep of addresses for 60 s" in problem
    world.wait(1)
    agent.turn("upkeep")
    assert len(world.mirror()) == 1
    assert agent.part.problems() == []


def test_a_node_without_a_journal_gets_none(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    agent.turn("upkeep")
    agent.turn("heartbeat")
    assert not node.paths.journal.exists()
    assert beating(world) == {}
    assert agent.figure("etcd_up") == {(): 1}
    assert agent.part.problems() == []


def test_an_idle_node_writes_nothing(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.add()
    agent.turn("upkeep")
    log = node.paths.journal.with_name("journal.db-wal")
    before, calls = log.stat(), len(node.line.calls)
    agent.turn("upkeep")
    after = log.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert len(node.line.calls) == calls


# ── heartbeat ─────────────────────────────────────────────────────────────────────────────────────


def test_it_beats_until_the_agent_ends(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.add()
    for _ in range(5):
        agent.turn("heartbeat")
        world.wait(LEASE / 3)
    assert beating(world) == {"n1": node.boot}
    agent.close()
    assert beating(world) == {}
    agent.turn("heartbeat")
    assert beating(world) == {}


def test_a_journal_that_is_lost_ends_its_heartbeat(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.adds(3)
    agent.turn("heartbeat")
    node.lose_journal()
    assert "has a heartbeat" in refused(node.add).msg
    agent.turn("heartbeat")
    node.add()
    assert world.document("heartbeats/")["n1"]["journal"] == node.journal_id


def test_a_node_file_that_changes_moves_it(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.add()
    agent.turn("heartbeat")
    node.declare(NODE_FILE, "renamed")
    agent.turn("heartbeat")
    assert beating(world) == {"renamed": node.boot}
    node.declare(LOCAL)
    agent.turn("heartbeat")
    assert beating(world) == {}


def test_a_reload_leaves_no_gap_in_it(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.add()
    agent.turn("heartbeat")
    before = world.entries("heartbeats/")
    agent.part.warm.reload()
    agent.turn("heartbeat")
    [former], [present] = before, world.entries("heartbeats/")
    assert present.create_revision == former.create_revision
    assert present.lease != former.lease


def test_a_clone_is_a_problem_in_words(
    world: World, agent_of: AgentOf, caplog: pytest.LogCaptureFixture
) -> None:
    one = world.machine()
    one.add()
    agent_of(one).turn("heartbeat")
    clone = world.machine("n1")
    agent = agent_of(clone)
    refused(clone.add)
    for _ in range(3):
        agent.turn("heartbeat")
    [problem] = agent.part.problems()
    assert "another session beats as node n1" in problem
    assert "give each its own name" in problem
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    world.wait(LEASE)
    agent.turn("heartbeat")
    assert agent.part.problems() == []


# ── reclaiming ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def left_behind(world: World) -> Machine:
    """A node that has rebooted, joined for a single address, and is gone."""
    node = world.machine()
    node.add(ip="10.60.0.5")
    node.upkeep()
    node.reboot()
    node.add()
    assert world.static()[5]["node"] == node.name
    return node


def reclaimer(world: World, agent_of: AgentOf) -> Agent:
    """Return an agent that reclaims."""
    node = world.machine()
    node.add()
    agent: Agent = agent_of(node, reclaim=True)
    agent.turn("heartbeat")
    return agent


def later(world: World, agent: Agent, seconds: float) -> None:
    """Let time pass, in which the agent's node lives."""
    world.wait(seconds)
    agent.turn("heartbeat")
    agent.turn("reclaim")


def test_what_a_node_left_goes_back_when_it_has_been_silent_for_long(
    world: World, agent_of: AgentOf, left_behind: Machine
) -> None:
    agent = reclaimer(world, agent_of)
    agent.turn("reclaim")
    later(world, agent, 99)
    assert world.static()[5]["node"] == left_behind.name
    later(world, agent, 1)
    assert world.static() == {}
    assert left_behind.name in world.owners().values()  # of its last boot: nothing proves it over


def test_who_has_beaten_in_between_is_not_lost(
    world: World, agent_of: AgentOf, left_behind: Machine
) -> None:
    agent = reclaimer(world, agent_of)
    agent.turn("reclaim")
    left_behind.beat(10)
    later(world, agent, 9)
    later(world, agent, 91)
    assert world.static()
    later(world, agent, 100)
    assert world.static() == {}


def test_who_has_joined_in_between_is_not_lost(
    world: World, agent_of: AgentOf, left_behind: Machine
) -> None:
    agent = reclaimer(world, agent_of)
    agent.turn("reclaim")
    later(world, agent, 99)
    left_behind.reboot()
    left_behind.add()
    later(world, agent, 99)
    later(world, agent, 99)
    assert world.static()
    later(world, agent, 1)
    assert world.static() == {}


def test_without_proof_nothing_goes_back(world: World, agent_of: AgentOf) -> None:
    gone = world.machine()
    gone.add()
    agent = reclaimer(world, agent_of)
    before = world.owners()
    agent.turn("reclaim")
    calls = len(agent.machine.line.calls)
    later(world, agent, 1000)
    assert world.owners() == before
    assert agent.part._reclaiming
    assert agent.part._reclaiming.condition.setback is None
    dear = len(agent.machine.line.calls) - calls
    later(world, agent, 99)  # what stands of it is not read again with each look
    assert len(agent.machine.line.calls) - calls < 2 * dear


def test_two_agents_reclaim_at_once(
    world: World, agent_of: AgentOf, left_behind: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = reclaimer(world, agent_of)
    two = reclaimer(world, agent_of)
    give_back = reclaiming._give_back

    def overtaken(*arguments: object) -> None:
        monkeypatch.setattr(reclaiming, "_give_back", give_back)
        two.turn("reclaim")
        assert world.static() == {}
        give_back(*arguments)  # type: ignore[arg-type]

    for agent in (one, two):
        agent.turn("reclaim")
    world.wait(100)
    for agent in (one, two):
        agent.turn("heartbeat")
    monkeypatch.setattr(reclaiming, "_give_back", overtaken)
    one.turn("reclaim")
    assert world.static() == {}
    assert left_behind.name in world.owners().values()


def test_it_is_off_unless_asked_for(world: World, agent_of: AgentOf) -> None:
    agent = agent_of(world.machine())
    assert [chore.name for chore in agent.part.chores] == ["upkeep", "heartbeat"]


def test_one_look_into_the_journal_holds_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_AGE", 2.0)
    node = world.machine()
    node.add()
    shelf = stock.Shelf(lambda: nullcontext(node.process()), lambda: world.seconds)

    def held() -> int:
        survey = shelf.look()
        assert survey
        return survey.stocks[0].held

    assert held() == 1
    node.add()
    world.wait(1.9)
    assert held() == 1
    world.wait(0.1)
    assert held() == 2


# ── figures and problems ──────────────────────────────────────────────────────────────────────────


def test_its_figures(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    assert agent.figure("journal_up") == {(): 1}
    pods = node.adds(6)
    assert agent.figure("outbox_entries") == {(): 6}
    agent.turn("upkeep")
    node.delete(pods[0])
    slots = {state: count for (_, state), count in agent.figure("slots").items()}
    assert slots == {"held": 5, "free": 2 + 4, "quarantined": 1}
    world.wait(61)
    slots = {state: count for (_, state), count in agent.figure("slots").items()}
    assert slots == {"held": 5, "free": 2 + 4 + 1, "quarantined": 0}
    blocks = {state: count for (_, state), count in agent.figure("blocks").items() if count}
    assert blocks == {"owned": 2, "spare": 1}
    assert agent.figure("fabric_blocks") == {("backend",): BLOCKS}
    assert agent.figure("outbox_entries") == {(): 1}
    answered = agent.figure("etcd_requests")["answered",]
    node.line.down = True
    agent.turn("heartbeat")
    requests = agent.figure("etcd_requests")
    assert agent.figure("etcd_up") == {(): 0}
    assert (requests["answered",], requests["unavailable",]) == (answered, 1)
    assert agent.families()["etcd_requests"].kind == "counter"


def test_what_is_not_confirmed_since_the_boot_is_not_free(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    node.adds(2)
    node.reboot()
    agent = agent_of(node)
    assert agent.figure("slots")["backend", "free"] == 0


def test_a_node_alone_is_asked_for_no_etcd(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    node.declare(LOCAL)
    agent = agent_of(node)
    node.add()
    agent.turn("heartbeat")
    agent.turn("upkeep")
    assert agent.families().keys() == {
        "journal_up", "slots", "blocks", "fabric_blocks", "outbox_entries",
    }  # fmt: skip
    assert agent.figure("fabric_blocks") == {}
    assert agent.figure("slots")["backend", "free"] == 61
    assert agent.part.problems() == []
    for _ in range(61):
        node.add()
    assert agent.part.problems() == ["fabric backend is full: 62 slots are held"]


def test_no_slot_and_no_etcd_is_a_problem(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.adds(4)
    agent.turn("heartbeat")
    assert agent.part.problems() == []
    node.line.down = True
    agent.turn("heartbeat")
    [problem] = agent.part.problems()
    assert "fabric backend has no free slot on this node, and etcd" in problem
    refused(node.add)
    node.delete(next(iter(node.pods.values())))
    assert agent.part.problems() == []  # its quarantine would be broken


def test_a_frozen_registry_is_a_problem(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    agent = agent_of(node)
    node.adds(4)
    world.freeze()
    agent.turn("upkeep")
    [problem] = agent.part.problems()
    assert "a backup is restored" in problem
    assert "accept-restore" in problem


def test_a_journal_that_cannot_be_read_is_a_problem(world: World, agent_of: AgentOf) -> None:
    node = world.machine()
    node.add()
    agent = agent_of(node)
    agent.turn("upkeep")
    node.lose_journal()
    node.paths.journal.parent.mkdir()
    node.paths.journal.write_text("no database, but a text that is long enough to be looked at" * 9)
    assert agent.figure("journal_up") == {(): 0}
    assert "slots" not in agent.families()
    assert agent.part.problems() == ["the journal of addresses cannot be read: railctl ipam verify"]
    node.lose_journal()
