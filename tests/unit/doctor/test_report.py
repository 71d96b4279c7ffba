"""What a node tells of its findings, and what is made of all nodes' reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cni import __version__
from cni.host.paths import Paths
from cni.kernel.fake import FakeKernel, FakeSysfs
from install.doctor.findings import Finding, Severity, error, info, ok, warning
from install.doctor.part import DoctorPart
from install.doctor.report import judge, report, same
from ipam.etcd.interface import Delete, Get, Keys, Txn
from ipam.etcd.memory import MemoryEtcd
from ipam.registry.records import NodeRecord
from ipam.registry.reports import LEASE, ReportRecord, tell
from ipam.wiring import Wiring

WITHIN = 5.0
BAD = error("pf-mtu", "ens1 has MTU 1500", "it drops", "ip link set dev ens1 mtu 9000", "two", "3")
FINDINGS = [ok("carrier", "ens1 has carrier"), warning("pause", "on", "why"), BAD, info("x", "y")]
TOLD = report("gpu-1", "dmi:1", FINDINGS, "then")


def record(node: str, hardware: str = "dmi:1") -> NodeRecord:
    return NodeRecord(node=node, hardware=hardware, boot="b", journal="j", version="1", since="")


def said(findings: list[Finding]) -> set[tuple[str, Severity, str]]:
    return {(one.node, one.severity, one.check) for one in findings}


def test_a_report_has_the_worst_first_and_counts_the_rest() -> None:
    assert [one.check for one in TOLD.findings] == ["pf-mtu", "pause"]
    assert TOLD.findings[0].mend == ("ip link set dev ens1 mtu 9000", "two")
    assert TOLD.counts == {"error": 1, "info": 1, "ok": 1, "warning": 1}
    assert TOLD.version == __version__


def test_a_report_is_short_however_much_is_wrong() -> None:
    many = [error("c" * 20, "é" * 5000, "w", "m" * 5000, "n" * 5000) for _ in range(500)]
    told = report("gpu-1", "dmi:1", many, "then")
    assert len(told.encode()) < 16_000
    assert told.counts == {"error": 500}
    (more,) = (one for one in judge({}, {"gpu-1": record("gpu-1")}, {"gpu-1": told})
               if one.check == "more")  # fmt: skip
    assert more.what == "492 more findings"


def test_the_same_findings_later_are_the_same() -> None:
    assert same(TOLD, report("gpu-1", "dmi:1", FINDINGS, "now"))
    assert not same(TOLD, report("gpu-1", "dmi:1", FINDINGS[:3], "then"))


def test_all_nodes_each_by_its_name() -> None:
    beats = {name: record(name) for name in ("gpu-1", "gpu-2", "gpu-3")}
    reports = {
        "gpu-1": TOLD, "gpu-2": report("gpu-2", "dmi:1", [ok("a", "b")], "then"),
        "gone": report("gone", "dmi:1", [BAD], "then"),
    }  # fmt: skip
    found = judge({**beats, "gone": record("gone")}, beats, reports)
    assert said(found) == {
        ("gpu-1", Severity.ERROR, "pf-mtu"),
        ("gpu-1", Severity.WARNING, "pause"),
        ("gpu-2", Severity.OK, "well"),
        ("gpu-3", Severity.INFO, "unreported"),
        ("gone", Severity.WARNING, "silent"),
        ("gone", Severity.ERROR, "pf-mtu"),
    }


def test_two_machines_of_one_name_are_told() -> None:
    found = judge({}, {"gpu-1": record("gpu-1", "dmi:2")}, {"gpu-1": TOLD})
    assert ("gpu-1", Severity.WARNING, "identity") in said(found)


def test_a_severity_of_a_later_version_counts_as_a_warning() -> None:
    later = TOLD.findings[0].model_copy(update={"severity": "fatal"})
    told = TOLD.model_copy(update={"findings": (later,), "counts": {"fatal": 1}})
    found = judge({}, {"gpu-1": record("gpu-1")}, {"gpu-1": told})
    assert ("gpu-1", Severity.WARNING, "pf-mtu") in said(found)


def test_counts_that_cannot_be_say_nothing() -> None:
    for counts in ({}, {"error": -5}):
        told = TOLD.model_copy(update={"counts": counts})
        found = judge({}, {"gpu-1": record("gpu-1")}, {"gpu-1": told})
        assert [one.check for one in found] == ["pf-mtu", "pause"]


# ── telling ──────────────────────────────────────────────────────────────────────────────────────


class Clock:
    """A time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(etcd: MemoryEtcd, key: str = "k") -> tuple[bytes, int, int] | None:
    found = etcd.get(Get(Keys(key)), WITHIN).found.entries
    return (found[0].value, found[0].lease, found[0].version) if found else None


def test_what_stands_is_not_put_again_and_ends_with_its_lease() -> None:
    clock = Clock()
    etcd = MemoryEtcd(clock)
    lease = tell(etcd, "k", b"1", 0, WITHIN)
    clock.now = 0.8 * LEASE
    assert tell(etcd, "k", b"1", lease, WITHIN) == lease
    assert entry(etcd) == (b"1", lease, 1)
    clock.now = 1.6 * LEASE
    assert tell(etcd, "k", b"2", lease, WITHIN) == lease
    assert entry(etcd) == (b"2", lease, 2)
    clock.now = 3 * LEASE
    assert entry(etcd) is None
    assert tell(etcd, "k", b"2", lease, WITHIN) != lease
    assert entry(etcd)


def test_what_another_agent_left_under_its_own_lease_is_taken_over() -> None:
    etcd = MemoryEtcd()
    former = tell(etcd, "k", b"1", 0, WITHIN)
    lease = tell(etcd, "k", b"1", 0, WITHIN)
    assert lease != former
    assert entry(etcd) == (b"1", lease, 2)


def test_what_was_deleted_is_put_again() -> None:
    etcd = MemoryEtcd()
    lease = tell(etcd, "k", b"1", 0, WITHIN)
    etcd.txn(Txn(then=(Delete(Keys("k")),)), WITHIN)
    tell(etcd, "k", b"1", lease, WITHIN)
    assert entry(etcd) == (b"1", lease, 1)


# ── in the agent ─────────────────────────────────────────────────────────────────────────────────

FILE = """
node = "gpu-1"
nodeId = "rack7-3"
[etcd]
endpoints = ["http://127.0.0.1:1"]
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/node.toml").write_text(FILE)
    return Paths(tmp_path / "state", tmp_path / "logs", tmp_path / "config")


class Agent:
    """A node whose PF cuts off what rails carry, and its doctor."""

    def __init__(self, paths: Paths) -> None:
        self.etcd = MemoryEtcd()
        self.kernel = FakeKernel()
        self.kernel.add_physical_function("ens1", pci="0000:3b:00.0", mtu=1500)
        self.kernel.add_virtual_function("ens1", pci="0000:3b:10.0")
        self._wiring = replace(Wiring(paths), connect=lambda _: self.etcd, sys=paths.state)
        self.part = DoctorPart(paths, self.kernel, FakeSysfs(self.kernel), self._using)

    @contextmanager
    def _using(self) -> Iterator[Wiring]:
        yield self._wiring

    def told(self) -> ReportRecord:
        found = entry(self.etcd, "/railcni/reports/gpu-1")
        assert found
        return ReportRecord.decode("key", found[0])


def test_the_agent_tells_what_is_wrong_with_its_node(paths: Paths) -> None:
    agent = Agent(paths)
    (chore,) = agent.part.chores
    chore.run()
    told = agent.told()
    assert told.hardware == "id:rack7-3"
    assert "ens1 has MTU 1500, expected at least 9000" in {one.what for one in told.findings}

    chore.run()
    assert agent.told() == told

    link = agent.kernel.host.find("ens1")
    assert link
    agent.kernel.host.set_mtu(link.index, 9000)
    chore.run()
    assert not any(one.check == "pf-mtu" for one in agent.told().findings)


def test_a_node_without_etcd_tells_nobody(paths: Paths) -> None:
    paths.node_file.write_text('node = "gpu-1"\n')
    agent = Agent(paths)
    agent.part.run()
    assert entry(agent.etcd, "/railcni/reports/gpu-1") is None


def test_what_is_in_the_way_is_logged_and_the_chore_goes_on(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(paths)
    paths.node_file.write_text(FILE.replace("nodeId", "# nodeId"))
    agent.part.run()  # nothing tells this machine from others
    assert "nodeId is missing" in caplog.text
    assert entry(agent.etcd, "/railcni/reports/gpu-1") is None
