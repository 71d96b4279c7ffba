"""What is judged of a node beside its rails; and what is looked up, below a root of our own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from cni import wire
from cni.agent.config import Endpoint
from cni.host.paths import Paths
from cni.kernel.adapters import LACP, Bond
from cni.kernel.clock import Clock
from cni.kernel.fake import FakeKernel
from install.doctor.findings import Finding, Severity, worst
from install.doctor.host.asking import ask
from install.doctor.host.checks import check
from install.doctor.host.cni import wanted_programs
from install.doctor.host.facts import Agent, Aggregate, Facts, Program
from install.doctor.host.gathering import Node, gather
from install.platforms.multus import Multus
from install.platforms.platform import Name, Platform
from install.platforms.root import Root
from tests.unit.doctor.rails_given import link

E, W, I, OK = Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.OK  # noqa: E741
BIN, CONF = PurePosixPath("/opt/cni/bin"), PurePosixPath("/etc/cni/net.d")
BUILD = "0123456789abcdef"
MULTUS = Multus(CONF / "00-multus.conf", comes_first=True, type="multus", binary=BIN / "multus")
SRIOV = Program("rail-sriov", exists=True, executable=True, target="/x", build=BUILD)
PORTS = (link(2, "lan0", master=9), link(3, "lan1", master=9))
BOND = Aggregate(
    link(9, "bond4", "bond"), Bond(LACP, 2, "02:00:00:00:00:aa"), PORTS, leads_out=True
)
RIGHT = Clock(synchronised=True, error=0.01)
DRIFTS = Clock(synchronised=False, error=16.0)
ANSWERS = Agent(has_socket=True, refusal="", pages="127.0.0.1:9753", problems=())
WELL = Facts(
    BUILD, Platform(Name.KUBEADM, BIN, CONF), networks=("00-multus.conf", "10-flannel.conflist"),
    multus=MULTUS, programs=(SRIOV,), agent=ANSWERS, bonds=(BOND,), clock=RIGHT,
    wants_rails=True,
)  # fmt: skip


def bad(facts: Facts) -> list[Finding]:
    return [one for one in check(facts) if one.severity > OK]


def agent(**changes: object) -> Facts:
    return replace(WELL, agent=replace(ANSWERS, **changes))  # type: ignore[arg-type]


def bond(**changes: object) -> Facts:
    return replace(WELL, bonds=(replace(BOND, **changes),))  # type: ignore[arg-type]


def multus(**changes: object) -> Facts:
    return replace(WELL, multus=replace(MULTUS, **changes))  # type: ignore[arg-type]


def program(**changes: object) -> Facts:
    return replace(WELL, programs=(replace(SRIOV, **changes),))  # type: ignore[arg-type]


def test_a_node_that_is_well() -> None:
    findings = check(WELL)
    assert worst(findings) == OK, bad(WELL)
    assert {one.check for one in findings} == {
        "runtime", "primary", "multus", "programs", "agent", "lacp", "clock",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "severity", "check_name", "words", "mend"),
    [
        (
            replace(WELL, platform=None, platform_problem="several runtimes; say it: --cni-bin"),
            W, "runtime", "several runtimes", "",
        ),
        (replace(WELL, networks=()), E, "primary", "no network in /etc/cni/net.d", "primary"),
        (replace(WELL, multus=None), E, "multus", "no Multus in /opt/cni/bin", "DaemonSet"),
        (multus(binary=None), E, "multus", "asks for multus, and /opt/cni/bin has none", "kubectl"),
        (multus(config=None), E, "multus", "no network in /etc/cni/net.d asks for it", "logs"),
        (
            replace(multus(comes_first=False, config=CONF / "50-multus.conf"),
                    networks=("10-flannel.conflist", "50-multus.conf")),
            E, "multus", "the runtime takes 10-flannel.conflist", "00-50-multus.conf",
        ),
        (program(exists=False, target=""), E, "programs", "rail-sriov is missing", "rail-install"),
        (
            program(exists=False, target="/opt/v/railcni"),
            E, "programs", "leads to /opt/v/railcni, which is not there", "rail-install",
        ),
        (program(executable=False), E, "programs", "/x is not executable", "chmod 0755 /x"),
        (program(build=""), I, "programs", "does not tell its build", "rail-install"),
        (program(build="feed"), W, "programs", "build feed, and this railctl of", "doctor"),
        (replace(WELL, agent=Agent()), W, "agent", "no rail-agent answers", "systemctl status"),
        (agent(refusal="other bundle"), W, "agent", "does not serve this build", "restart"),
        (agent(refusal=None), E, "agent", "has a socket, and does not answer", "restart"),
        (agent(pages="", problems=None), I, "agent", "serves no pages", ""),
        (agent(problems=None), W, "agent", "no page answers at 127.0.0.1:9753", "curl"),
        (agent(problems=("ens1 is down",)), W, "agent-says", "ens1 is down", ""),
        (
            bond(bond=Bond(1)),
            W, "lacp", "the frontend's bond bond4 is active-backup, expected 802.3ad", "802.3ad",
        ),
        (bond(bond=Bond(LACP, 1), leads_out=False), E, "lacp", "bond4 has no LACP partner", "cat"),
        (bond(bond=Bond(LACP, 1, "02:00:00:00:00:aa")), W, "lacp", "uses 1 of 2 ports", "Aggreg"),
        (
            bond(ports=(PORTS[0], replace(PORTS[1], carrier=False))),
            W, "lacp", "lan1 of the frontend's bond bond4 has no carrier", "ethtool lan1",
        ),
        (replace(WELL, clock=DRIFTS), W, "clock", "nobody corrects", "chrony"),
        (replace(WELL, clock=replace(RIGHT, error=2.5)), W, "clock", "wrong by 2.5 s", "chrony"),
        (replace(WELL, unknown=("adjtimex: denied",)), W, "unknown", "denied", ""),
    ],
)  # fmt: skip
def test_what_is_wrong(
    facts: Facts, severity: Severity, check_name: str, words: str, mend: str
) -> None:
    about = [one for one in bad(facts) if words in one.what]
    assert [(one.severity, one.check) for one in about] == [(severity, check_name)], bad(facts)
    assert mend in "\n".join(about[0].mend)


def test_a_node_that_wants_no_rails_needs_no_multus() -> None:
    assert bad(replace(WELL, multus=None, wants_rails=False, programs=())) == []


@pytest.mark.parametrize(
    ("asked", "wants_rails", "names"),
    [
        (set(), False, []),
        (set(), True, ["rail-sriov", "rail-ipam"]),
        ({"flannel", "rail-hostgw"}, False, ["rail-hostgw"]),
        ({"rail-hostgw", "rail-sriov"}, True, ["rail-sriov", "rail-ipam", "rail-hostgw"]),
    ],
)
def test_which_programs_must_be_there(
    asked: set[str],
    wants_rails: bool,  # noqa: FBT001 - a parameter of the test
    names: list[str],
) -> None:
    assert wanted_programs(asked, wants_rails=wants_rails) == names


# ── what is looked up ────────────────────────────────────────────────────────────────────────────

NETWORK = {"name": "cbr0", "plugins": [{"type": "flannel"}, {"type": "rail-hostgw"}]}


class Installed:
    """A node's root with containerd's folders, and a bundle as rail-install puts it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kernel = FakeKernel()
        self.bin, self.conf = root / "opt/cni/bin", root / "etc/cni/net.d"
        self.version = self.bin / f"railcni.d/versions/0.1.0-{BUILD}"
        for folder in (self.version, self.conf):
            folder.mkdir(parents=True)
        (self.version / "railcni").touch(0o755)
        (self.bin / "railcni.d/current").symlink_to(f"versions/0.1.0-{BUILD}")
        for name in ("rail-sriov", "rail-ipam", "rail-hostgw"):
            (self.bin / name).symlink_to("railcni.d/current/railcni")
        (self.conf / "10-flannel.conflist").write_text(json.dumps(NETWORK))

    def look(self, *, wants_rails: bool = True, rails: tuple[str, ...] = ()) -> Facts:
        node = Node(self.kernel, Root(self.root), BUILD, lambda: ANSWERS, lambda: RIGHT)
        return gather(node, (None, None), rails, wants_rails=wants_rails)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_programs_are_known_by_the_bundle_that_they_lead_to(installed: Installed) -> None:
    facts = installed.look()
    assert [(one.name, one.build, one.executable) for one in facts.programs] == [
        (name, BUILD, True) for name in ("rail-sriov", "rail-ipam", "rail-hostgw")
    ]
    assert facts.networks == ["10-flannel.conflist"]
    assert {one.check for one in bad(facts)} == {"multus"}


def test_a_copy_does_not_tell_its_build(installed: Installed) -> None:
    (installed.bin / "rail-sriov").unlink()
    (installed.bin / "rail-sriov").touch(0o644)
    (installed.bin / "rail-ipam").unlink()
    (installed.version / "railcni").unlink()
    sriov, ipam, hostgw = installed.look().programs
    assert (sriov.exists, sriov.executable, sriov.build) == (True, False, "")
    assert (ipam.exists, ipam.target) == (False, "")
    assert (hostgw.exists, hostgw.target) == (False, str(installed.version / "railcni"))


def test_only_what_the_networks_ask_for_must_be_there(installed: Installed) -> None:
    (installed.conf / "20-torn.conf").write_text("{")
    assert [one.name for one in installed.look(wants_rails=False).programs] == ["rail-hostgw"]
    (installed.conf / "10-flannel.conflist").write_text('{"plugins": [{"type": "flannel"}]}')
    assert installed.look(wants_rails=False).programs == []


def test_a_root_without_a_runtime(tmp_path: Path) -> None:
    node = Node(FakeKernel(), Root(tmp_path), BUILD, lambda: ANSWERS, lambda: RIGHT)
    facts = gather(node, (None, None), (), wants_rails=True)
    assert facts.platform is None
    assert "no container runtime is found" in facts.platform_problem
    said = gather(node, (BIN, CONF), (), wants_rails=True)
    assert said.platform
    assert (said.platform.cni_bin, said.platform.cni_conf) == (BIN, CONF)


def test_bonds_that_are_no_rails(installed: Installed) -> None:
    kernel = installed.kernel
    for name, port in (("bond4", "lan0"), ("bond1", "ens1")):
        kernel.add_bond(name, Bond(LACP))
        kernel.add_physical(port)
        kernel.set_master(port, name)
    facts = installed.look(rails=("ens1",))
    assert [(one.link.name, [port.name for port in one.ports]) for one in facts.bonds] == [
        ("bond4", ["lan0"])
    ]
    assert not facts.bonds[0].leads_out


def test_what_cannot_be_looked_at_is_said(installed: Installed) -> None:
    def refuse() -> Clock:
        raise PermissionError("adjtimex: denied")

    node = Node(installed.kernel, Root(installed.root), BUILD, lambda: ANSWERS, refuse)
    facts = gather(node, (None, None), (), wants_rails=True)
    assert (facts.clock, facts.unknown) == (None, ("adjtimex: denied",))


# ── the agent ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def listening(paths: Paths, answer: bytes) -> Iterator[list[wire.Call]]:
    """Answer one call on the agent's socket; nothing, where the answer is empty."""
    calls: list[wire.Call] = []
    paths.state.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(paths.state / "agent.sock"))
        listener.listen()

        def serve() -> None:
            listener.accept()[0].close()  # the look whether anybody listens
            connection, _ = listener.accept()
            with connection:
                data = connection.recv(1 << 16)
                calls.append(wire.Call(data[wire.HEADER :]))
                connection.sendall(answer)
                connection.recv(1)  # until it hangs up

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield calls
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [(wire.READY, ""), (wire.refusal("other bundle"), "other bundle"), (wire.GO, None)],
)
def test_the_agent_is_asked_and_nothing_is_begun(
    tmp_path: Path, answer: bytes, refusal: str | None
) -> None:
    paths = Paths(tmp_path / "state", tmp_path / "logs", tmp_path / "config")
    with listening(paths, answer) as calls:
        found = ask(paths, None, b"build")
    assert (found.has_socket, found.refusal, found.pages) == (True, refusal, "")
    (call,) = calls
    assert (call.build, call.program) == (b"build", "rail-sriov")
    assert Paths.of(call.environ) == paths
    assert "CNI_COMMAND" not in call.environ


def test_a_socket_that_a_dead_agent_left_is_none(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(tmp_path / "agent.sock"))
    found = ask(paths, Endpoint("127.0.0.1", 1), b"build")
    assert (found.has_socket, found.refusal, found.problems) == (False, None, None)
    assert ask(Paths(tmp_path / "none"), None, b"build") == Agent()
