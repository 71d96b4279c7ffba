"""What is judged of the registry, from facts; and what is looked up, in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from install.doctor.findings import Finding, Severity, worst
from install.doctor.registry.certificates import ends
from install.doctor.registry.checks import check
from install.doctor.registry.facts import Certificate, Endpoint, Facts
from install.doctor.registry.gathering import Node, gather
from ipam.etcd.errors import DeniedError, UnavailableError
from ipam.etcd.interface import Get, Listing, Outcome, Put, Txn
from ipam.etcd.memory import ALL, MemoryEtcd
from ipam.node_file import Etcd as Where
from ipam.node_file import NodeFile
from ipam.registry.keys import Layout
from ipam.registry.records import FrozenRecord, NodeRecord
from tests.etcd.certificates import Authority

E, W, I, OK = Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.OK  # noqa: E741
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OURS, THEIRS = "dmi:4c4c4544-0042-3510-8052-003787390885", "dmi:4c4c4544-0042-3510-8052-0001"
SINCE = "2026-11-23T02:12:03+00:00"


def record(node: str, hardware: str = OURS, boot: str = "b1", version: str = "0.1") -> NodeRecord:
    return NodeRecord(
        node=node, hardware=hardware, boot=boot, journal="j", version=version, since=SINCE
    )


OWN, OTHER = record("gpu-1"), record("gpu-2", THEIRS)
WELL = Facts(
    NOW, "gpu-1", OURS, "b1", "/railcni/",
    endpoints=(Endpoint("https://a:2379", seconds=0.002, certificate_ends=NOW + timedelta(300),
                        offset=0.0),),
    certificates=(Certificate("ca", "/ca.pem", NOW + timedelta(3000)),),
    seconds=0.003, write_problem="",
    nodes={"gpu-1": OWN, "gpu-2": OTHER}, heartbeats={"gpu-1": OWN, "gpu-2": OTHER},
)  # fmt: skip
DOWN = Endpoint("https://b:2379", "connection refused")


def bad(facts: Facts) -> list[Finding]:
    return [one for one in check(facts) if one.severity > OK]


def lasting(days: float) -> Facts:
    return replace(WELL, certificates=(Certificate("ca", "/ca.pem", NOW + timedelta(days)),))


def test_a_registry_that_is_well() -> None:
    assert worst(check(WELL)) == I
    assert {one.check for one in bad(WELL)} == {"certificate"}  # until when, said in passing


@pytest.mark.parametrize(
    ("facts", "severity", "check_name", "words", "mend"),
    [
        (replace(WELL, endpoints=(DOWN,)), E, "etcd", "https://b:2379 does not answer", "curl"),
        (
            replace(WELL, endpoints=(*WELL.endpoints, DOWN)),
            W, "etcd", "does not answer: connection refused", "/version",
        ),
        (
            replace(WELL, read_problem="etcd does not permit it"),
            E, "etcd-rights", "/railcni/ cannot be read: etcd does not permit", "grant-permission",
        ),
        (
            replace(WELL, write_problem="etcd does not permit it"),
            E, "etcd-rights", "/railcni/ cannot be written", "readwrite /railcni/",
        ),
        (replace(WELL, seconds=0.25), W, "etcd-latency", "takes 250 ms, expected below 100", "SSD"),
        (replace(WELL, frozen="restored"), E, "etcd-frozen", "restored", "accept-restore"),
        (replace(WELL, unreadable=("x is none of",)), E, "etcd-foreign", "x is none of", ""),
        (lasting(-1), E, "certificate", "ca /ca.pem has expired on 2026-11-25", "renew"),
        (lasting(10), W, "certificate", "ca /ca.pem expires in 10 days", "renew"),
        (
            replace(WELL, certificates=(Certificate("certificate", "/c", problem="is away"),)),
            E, "certificate", "certificate /c: is away", "certificate in the node file",
        ),
        (
            replace(WELL, endpoints=(replace(WELL.endpoints[0], certificate_ends=NOW),)),
            E, "certificate", "the certificate of https://a:2379 has expired", "renew",
        ),
        (
            replace(WELL, endpoints=(replace(WELL.endpoints[0], offset=-40.0),)),
            W, "etcd-clock", "40 s behind this node's", "chronyc",
        ),
        (
            replace(WELL, hardware="", hardware_problem="nodeId is missing", hardware_cure="set"),
            E, "identity", "nodeId is missing", "set",
        ),
        (
            replace(WELL, heartbeats={"gpu-1": record("gpu-1", THEIRS), "gpu-2": OTHER}),
            E, "node-name", f"another machine is alive as node gpu-1: {THEIRS}", "hostnamectl",
        ),
        (
            replace(WELL, nodes={"gpu-1": record("gpu-1", THEIRS)}, heartbeats={}),
            W, "node-name", "as another machine, which is silent", "railctl ipam reclaim gpu-1",
        ),
        (
            replace(WELL, nodes={"gpu-1": OWN, "gpu-9": record("gpu-9")},
                    heartbeats={"gpu-1": OWN, "gpu-9": record("gpu-9")}),
            E, "identity", "node gpu-9 is alive, and has this machine's identity", "nodeId",
        ),
        (
            replace(WELL, nodes={"gpu-1": OWN, "gpu-9": record("gpu-9")}),
            I, "node-name", "this machine was node gpu-9 before", "railctl ipam reclaim gpu-9",
        ),
        (
            replace(WELL, heartbeats={"gpu-2": OTHER}),
            W, "heartbeat", "node gpu-1 has no heartbeat, and 1 others", "rail-agent",
        ),
        (
            replace(WELL, heartbeats={"gpu-1": record("gpu-1", boot="b0")}),
            I, "heartbeat", "of its former boot", "",
        ),
        (
            replace(WELL, heartbeats={**WELL.heartbeats, "gpu-3": record("gpu-3", THEIRS)}),
            E, "identity", "nodes gpu-2 and gpu-3 have one identity", "nodeId",
        ),
        (
            replace(WELL, heartbeats={"gpu-1": OWN, "gpu-2": record("gpu-2", THEIRS, "b", "0.2")}),
            I, "versions", "0.1: 1 nodes; 0.2: 1 nodes", "",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong(
    facts: Facts, severity: Severity, check_name: str, words: str, mend: str
) -> None:
    about = [one for one in bad(facts) if words in one.what]
    assert [(one.severity, one.check) for one in about] == [(severity, check_name)], bad(facts)
    assert mend in "\n".join(about[0].mend)


def test_where_nobody_answers_no_role_is_to_be_granted() -> None:
    facts = replace(WELL, endpoints=(DOWN, DOWN), read_problem="nobody answers")
    assert "etcd-rights" not in {one.check for one in bad(facts)}


def test_without_any_heartbeat_nobody_is_silent() -> None:
    facts = replace(WELL, heartbeats={})
    assert "heartbeat" not in {one.check for one in check(facts)}


# ── what is looked up ────────────────────────────────────────────────────────────────────────────

WHERE = Where.model_validate({"endpoints": ["http://127.0.0.1:2379"]})
FILE = NodeFile(node="gpu-1", nodeId="rack7-3", etcd=WHERE)
WITHIN = 5.0


class Reading(MemoryEtcd):
    """A store that this node may only read."""

    def txn(self, txn: Txn, within: float) -> Outcome:
        if any(isinstance(one, Put) for one in txn.then):
            raise DeniedError("etcd does not permit a put")
        return super().txn(txn, within)


class Away(MemoryEtcd):
    """A store that does not answer."""

    def get(self, get: Get, within: float) -> Listing:
        del get, within
        raise UnavailableError("no endpoint answers", ("http://127.0.0.1:2379",))


def look(etcd: MemoryEtcd, tmp_path: Path) -> Facts:
    def endpoints(_: object) -> Sequence[Endpoint]:
        return [Endpoint("http://127.0.0.1:2379")]

    return gather(Node(lambda _: etcd, endpoints, "b1", tmp_path), FILE, WHERE)


def test_what_stands_in_the_registry_and_nothing_is_changed(tmp_path: Path) -> None:
    etcd, layout = MemoryEtcd(), Layout("/railcni/")
    frozen = FrozenRecord(node="gpu-2", reason="restored", since=SINCE)
    puts = (
        Put(layout.node("gpu-1"), OWN.encode()), Put(layout.heartbeat("gpu-2"), OTHER.encode()),
        Put(layout.node("gpu-3"), b"{}"), Put(layout.frozen, frozen.encode()),
    )  # fmt: skip
    etcd.txn(Txn(then=puts), WITHIN)
    before = etcd.get(Get(ALL), WITHIN)

    facts = look(etcd, tmp_path)

    assert etcd.get(Get(ALL), WITHIN) == before
    assert (facts.nodes, facts.heartbeats) == ({"gpu-1": OWN}, {"gpu-2": OTHER})
    assert (facts.hardware, facts.node, facts.write_problem) == ("id:rack7-3", "gpu-1", "")
    assert facts.frozen == f"restored (by gpu-2, {SINCE})"
    assert [words.partition(" ")[0] for words in facts.unreadable] == ["/railcni/nodes/gpu-3"]
    assert facts.seconds is not None


def test_who_may_only_read_is_told(tmp_path: Path) -> None:
    facts = look(Reading(), tmp_path)
    assert (facts.read_problem, facts.write_problem) == ("", "etcd does not permit a put")


def test_a_registry_that_does_not_answer(tmp_path: Path) -> None:
    facts = look(Away(), tmp_path)
    assert "http://127.0.0.1:2379" in facts.read_problem
    assert facts.write_problem is None


def test_a_machine_that_nothing_tells_from_others(tmp_path: Path) -> None:
    file = FILE.model_copy(update={"node_id": None})
    facts = gather(Node(lambda _: MemoryEtcd(), lambda _: [], "b1", tmp_path), file, WHERE)
    assert "nodeId is missing" in facts.hardware_problem


def test_until_when_a_certificate_is_valid(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    client = authority.client().certificate
    said = {file: ends(file.read_bytes()) for file in (authority.certificate, client)}
    for end in said.values():
        assert timedelta(0) < end - datetime.now(UTC) < timedelta(days=36600)
    both = authority.certificate.read_bytes() + client.read_bytes()
    assert ends(both) == min(said.values())


@pytest.mark.parametrize(
    "pem",
    [
        b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    ],
)  # fmt: skip
def test_what_is_no_certificate(pem: bytes) -> None:
    with pytest.raises(ValueError, match="certificate"):
        ends(pem)
