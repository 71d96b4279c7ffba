"""Whatever happens in whatever order: nothing goes straight without a proof that counts.

And nothing of ours is ever in main, nor is anything of others touched.  `Air.inspect` says what is
required, between any two changes of a kernel; here is what happens.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cni.agent.hostgw.keys import Key
from cni.agent.hostgw.path import State
from cni.hostgw.config import HostgwConfig
from cni.hostgw.decision import MARKS
from cni.hostgw.refresh import refresh
from cni.kernel.types import Route, Rule
from tests.scenario.hostgw.air import TICK, Air
from tests.scenario.hostgw.station import BAD, GOOD, NEW, Station

_stations = st.integers(0, 2)
_numbers = st.integers(0, 10**6)
_kinds = st.sampled_from(["direct", "node", "overlay"])
_keys = st.sampled_from([[GOOD], [GOOD, NEW], [NEW, GOOD], [NEW], [BAD]])
_verbs = ["route add", "rule add", "route del", "rule del", "element", "add table", "rp_filter"]


class Cluster(RuleBasedStateMachine):
    """Two or three nodes, the air between them, and all that may go wrong."""

    @initialize(count=st.sampled_from([2, 2, 3]), versions=st.sampled_from([(4,), (4,), (4, 6)]))
    def begin(self, count: int, versions: tuple[int, ...]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.air = Air(Path(self.folder.name), count, versions)
        self.is_over = False
        for station in self.air.stations:
            station.start()
        self.air.pass_time(5)

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(ticks=st.sampled_from([1, 1, 2, 4, 8, 12, 13, 24]))
    def time_passes(self, ticks: int) -> None:
        self.air.pass_time(ticks * TICK)

    # ── The network ──────────────────────────────────────────────────────────────────────────

    @rule(kind=_kinds, one=_stations, other=_stations)
    def a_way_is_cut_or_mended(self, kind: str, one: int, other: int) -> None:
        self.air.cuts ^= {(kind, one, other)}

    @rule(one=_stations)
    def a_node_is_cut_off(self, one: int) -> None:
        for other in range(len(self.air.stations)):
            for kind in ("direct", "node", "overlay"):
                self.air.cuts |= {(kind, one, other), (kind, other, one)}

    @rule()
    def all_ways_are_mended(self) -> None:
        self.air.cuts.clear()

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 2.9, 3.5]))
    def packets_take_long(self, seconds: float) -> None:
        self.air.delay = seconds

    @rule(every=st.sampled_from([0, 2, 3, 7]))
    def packets_are_lost(self, every: int) -> None:
        self.air.lossy = every

    @rule(which=_numbers, how_many=st.sampled_from([1, 10, 100]))
    def what_was_recorded_comes_again(self, which: int, how_many: int) -> None:
        heard = self.air.heard
        begin = which % len(heard) if which % 3 else -how_many  # the last ones
        for packet in heard[begin:][:how_many]:
            self.air.post(packet)

    @rule(which=_numbers, one=_stations)
    def what_was_recorded_comes_to_another(self, which: int, one: int) -> None:
        packet = self.air.heard[which % len(self.air.heard)]
        station = self._station(one)
        attached = station.attached
        held = [*station.addresses.values(), *(attached.addresses.values() if attached else ())]
        for address in held:
            self.air.post(replace(packet, target=address))

    @rule(answers=st.booleans())
    def a_stranger_answers(self, *, answers: bool) -> None:
        self.air.stranger_answers = answers

    # ── The nodes ────────────────────────────────────────────────────────────────────────────

    @rule(one=_stations, other=_stations)
    def flannel_forgets_a_peer(self, one: int, other: int) -> None:
        if (station := self._station(one)) is not self._station(other):
            with station.outside():
                for place in self._station(other).places.values():
                    station.forget(place)

    @rule(one=_stations)
    def flannel_knows_all_peers(self, one: int) -> None:
        self.air.introduce(self._station(one))

    @rule(one=_stations, other=_stations, at=_stations)
    def flannel_says_a_peer_is_elsewhere(self, one: int, other: int, at: int) -> None:
        station, there = self._station(one), self._station(at)
        if station is not self._station(other):
            with station.outside():
                for version, place in self._station(other).places.items():
                    station.learn(place, there.addresses[version])

    @rule(one=_stations, up=st.booleans())
    def an_uplink_goes_or_comes(self, one: int, *, up: bool) -> None:
        with self._somebody_else(one) as station:
            station.set_uplink(up=up)

    @rule(one=_stations)
    def an_uplink_flaps(self, one: int) -> None:
        with self._somebody_else(one) as station:
            station.set_uplink(up=False)
            station.set_uplink(up=True)

    @rule(one=_stations, last=st.sampled_from([10, 11, 12, 20, 21]))
    def a_node_gets_another_address(self, one: int, last: int) -> None:
        taken = {a for s in self.air.stations for a in s.addresses.values()}
        if ip_address(f"192.168.1.{last}") not in taken:
            with self._somebody_else(one) as station:
                station.be_at(last)
            for other in self.air.stations:
                if other is not station:
                    self.air.introduce(other)

    @rule(one=_stations, which=_numbers)
    def another_program_takes_something_of_ours(self, one: int, which: int) -> None:
        with self._somebody_else(one) as station:
            host = station.host
            found: list[Route | Rule] = [*host.table(142), *host.rules()]
            ours = [r for r in found if r.protocol == 142 and r not in station.foreign]
            if ours:
                taken = ours[which % len(ours)]
                if isinstance(taken, Route):
                    host.remove_route(taken)
                else:
                    host.remove_rule(taken)

    @rule(one=_stations)
    def another_program_takes_all_rules_of_ours(self, one: int) -> None:
        with self._somebody_else(one) as station:
            for found in station.host.rules():
                if found.protocol == 142 and found not in station.foreign:
                    station.host.remove_rule(found)

    @rule(one=_stations, flush=st.booleans())
    def another_program_takes_the_marks(self, one: int, *, flush: bool) -> None:
        with self._somebody_else(one) as station:
            if MARKS in station.host.netns.markings:
                change = station.kernel.flush_table if flush else station.kernel.delete_table
                change(MARKS)

    @rule(one=_stations)
    def a_plugin_runs_without_the_agent(self, one: int) -> None:
        with self._somebody_else(one) as station:
            was_proven = bool(station.host.marked(MARKS))
            before = (station.host.table(142), station.host.rules())
            refresh(station.node, HostgwConfig())
            if was_proven:
                assert (station.host.table(142), station.host.rules()) == before

    # ── The agents ───────────────────────────────────────────────────────────────────────────

    @rule(one=_stations, changes=st.integers(0, 6))
    def an_agent_dies_at_a_verb(self, one: int, changes: int) -> None:
        self._station(one).crash_in = changes

    @rule(one=_stations)
    def an_agent_is_killed(self, one: int) -> None:
        self._station(one).die()

    @rule(one=_stations, mode=st.sampled_from(["wifi", "wifi", "always", "observe"]))
    def an_agent_starts(self, one: int, mode: str) -> None:
        station = self._station(one)
        if station.prover is None:
            station.start(mode)

    @rule(one=_stations)
    def an_agent_ends(self, one: int) -> None:
        station = self._station(one)
        had_begun = station.prover and station.prover._watch
        is_hindered = station.crash_in is not None or station.refuses
        station.stop()
        self.air.carry(station)
        if had_begun and not is_hindered:
            assert not station.host.marked(MARKS)
            assert list(self.air.direct(station)) == []

    @rule(one=_stations, seconds=st.sampled_from([0.5, 2.0, 3.5, 20.0]))
    def an_agent_hangs(self, one: int, seconds: float) -> None:
        station = self._station(one)
        station.hangs_until = station.now + seconds

    @rule(one=_stations, seconds=st.sampled_from([0.0, 0.0, 0.3, 1.5, 4.0]))
    def a_kernel_is_slow(self, one: int, seconds: float) -> None:
        self._station(one).slow = seconds

    @rule(one=_stations, verb=st.sampled_from(["", "", *_verbs]))
    def a_kernel_refuses(self, one: int, verb: str) -> None:
        self._station(one).refuses = verb

    @rule(one=_stations, gone=st.booleans())
    def a_pod_of_an_agent_goes_or_is_another(self, one: int, *, gone: bool) -> None:
        station = self._station(one)
        if station.prover and gone:
            station.detach()
        elif station.prover:
            station.attach()

    @rule(one=_stations, keys=_keys)
    def keys_are_changed(self, one: int, keys: list[Key]) -> None:
        self._station(one).keys = keys

    @rule(
        one=_stations, other=_stations, rules=st.booleans(), changes=st.none() | st.integers(0, 4)
    )
    def troubles_come_together(
        self, one: int, other: int, changes: int | None, *, rules: bool
    ) -> None:
        """Cut a direct way just when something of ours is taken, and the agent may die of it."""
        station, there = self._station(one), self._station(other)
        if station is not there:
            self.air.cuts |= {("direct", station.number, there.number)}
            self.air.stranger_answers = not rules
            self.air.pass_time(6 * TICK + 0.1, 0.05)
            if rules:
                if station.prover:
                    station.prover.look_soon()
                self.air.pass_time(0.05, 0.05)
                self.another_program_takes_something_of_ours(one, 0)
                self.another_program_takes_all_rules_of_ours(one)
            self.air.pass_time(0.4, 0.05)
            station.crash_in = changes
            self.air.pass_time(16 * TICK)

    # ── And in the end ───────────────────────────────────────────────────────────────────────

    @precondition(lambda self: not self.is_over)
    @rule()
    def all_is_well_again(self) -> None:
        """Put everything right: all nodes reach each other directly soon."""
        self.is_over = True
        self.air.cuts.clear()
        self.air.delay, self.air.lossy, self.air.stranger_answers = 0.0, 0, False
        for station in self.air.stations:
            recover(station)
        for station in self.air.stations:
            self.air.introduce(station)
        self.air.pass_time(45, 2 * TICK)
        for station in self.air.stations:
            everybody = (len(self.air.stations) - 1) * len(station.places)
            assert station.prover
            paths = {str(c): p.path for c, p in station.prover.peers.all.items()}
            assert len(list(self.air.direct(station))) == everybody, paths
            assert {path.state for path in paths.values()} == {State.DIRECT}

    def _station(self, number: int) -> Station:
        return self.air.stations[number % len(self.air.stations)]

    @contextmanager
    def _somebody_else(self, one: int) -> Iterator[Station]:
        """Let somebody change a kernel of which the agent cannot know yet."""
        station = self._station(one)
        self.air.unnoticed.add(station.number)
        with station.outside():
            yield station


def recover(station: Station) -> None:
    """Let a node be as it should be."""
    station.slow, station.refuses, station.crash_in = 0.0, "", None
    station.hangs_until, station.keys = 0.0, [GOOD]
    with station.outside():
        station.set_uplink(up=True)
    if station.prover and station.prover.mode != "observe" and station.attached:
        return
    station.die()
    station.start()


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
