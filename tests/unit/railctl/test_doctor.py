"""`railctl doctor wifi`: what a person reads, and how it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cni.kernel.adapters import Radio
from cni.kernel.types import KernelError, Route
from install.doctor.findings import warning
from install.doctor.wifi.facts import Series
from install.doctor.wifi.measuring import Target
from install.doctor.wifi.node import Node
from install.railctl import app
from install.railctl.doctor import write
from install.railctl.output import Output
from tests.scenario.hostgw.worlds import OVERLAY, UPLINK, MemoryWorld


@dataclass
class Network:
    """What would be measured on a node in memory."""

    world: MemoryWorld
    node: float = 0.5
    """Milliseconds to a peer's node, and over the overlay."""
    overlay: float = 0.6

    def measure(self, targets: Sequence[Target]) -> list[Series]:
        return [Series(20, (self.overlay if one.index else self.node,) * 20) for one in targets]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A node that railctl finds in order."""
    world = MemoryWorld(tmp_path)
    world.begin()
    made = Network(world)
    kernel, host = world.kernel, world.host
    for device in (OVERLAY, "flannel-v6.1"):
        kernel.offload_checksums(device, on=False)
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.set_sysctl(key, "1")
    host.set_mtu(world.link("cni0").index, 1450)
    host.set_mtu(world.link("flannel-v6.1").index, 1430)
    kernel.make_wireless(UPLINK, Radio(power_save=False, signal=-50, ssid="home"))
    node = Node(kernel, world.sysfs, made.measure, "6.18.0", tmp_path / "agent.toml")
    monkeypatch.setattr(sys.modules["install.railctl.doctor"], "this_node", lambda: node)
    return made


def doctor(*options: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["doctor", "wifi", *options])
    assert result.exit_code == expect, result.output
    return result


def document(*options: str, expect: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        doctor(*options, "--output", "json", expect=expect).output
    )
    return found


@pytest.mark.usefixtures("network")
def test_a_node_that_is_well() -> None:
    found = document("--strict")
    assert {one["severity"] for one in found} == {"ok"}
    assert all(set(one) == {"severity", "check", "what", "why", "mend"} for one in found)
    assert doctor().output.count("both paths are well") == 3


def test_a_warning_counts_for_who_is_strict(network: Network) -> None:
    network.world.kernel.make_wireless(UPLINK, Radio(power_save=True))
    (warning,) = (one for one in document() if one["severity"] == "warning")
    assert warning["check"] == "power-save"
    assert warning["mend"][0] == f"iw dev {UPLINK} set power_save off"
    doctor("--strict", expect=1)
    first, why, mend, *_ = doctor().output.splitlines()
    assert first == f"warning  {UPLINK} saves power"
    assert why.startswith("         frames for this node wait")
    assert mend == f"         → iw dev {UPLINK} set power_save off"


def test_an_error_ends_with_one(network: Network) -> None:
    network.world.host.set_sysctl("ipv4/ip_forward", "0")
    assert document(expect=1)[0]["check"] == "forwarding"
    assert doctor(expect=1).output.startswith("error    net.ipv4.ip_forward is 0\n")


def test_underlay_and_overlay_are_told_apart(network: Network) -> None:
    network.node = network.overlay = 150
    assert {one["what"].rpartition(" ")[2] for one in paths()} == {"underlay"}
    network.node = 0.5
    assert {one["what"].rpartition(" ")[2] for one in paths()} == {"overlay"}


def paths() -> list[dict[str, Any]]:
    return [one for one in document() if one["check"] == "path"]


@pytest.mark.parametrize(
    ("option", "words"), [("--wireless", "wireless"), ("--wired", "wired")]
)  # fmt: skip
@pytest.mark.usefixtures("network")
def test_who_knows_better_what_the_uplink_is(option: str, words: str) -> None:
    (uplink,) = (one for one in document(option) if one["check"] == "uplink")
    assert f"{UPLINK} is the uplink, {words}" in uplink["what"]


def test_isolation_is_named_for_a_radio_alone(network: Network) -> None:
    network.world.vanish("192.168.1.12")
    checks = {one["check"] for one in document(expect=1) if one["severity"] == "error"}
    assert checks == {"layer-2"}
    network.world.appear("192.168.1.1")
    index = network.world.link(UPLINK).index
    default = Route(ip_network("0.0.0.0/0"), index, ip_address("192.168.1.1"))
    network.world.host.add_route(default)
    checks = {one["check"] for one in document(expect=1) if one["severity"] == "error"}
    assert checks == {"isolation"}


@pytest.mark.usefixtures("network")
def test_a_named_overlay_that_is_none() -> None:
    found = document("--overlay", "cni0", expect=1)
    (backend,) = (one for one in found if one["check"] == "backend")
    assert "cni0 is bridge" in backend["what"]


def test_a_kernel_that_refuses_all_is_one_line(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise KernelError("ip link show", 1, "Operation not permitted")

    monkeypatch.setattr(network.world.kernel.host, "links", refuse)
    result = doctor(expect=1)
    assert result.output == "railctl: [Errno 1] ip link show: Operation not permitted\n"


def test_what_other_nodes_tell_is_text_and_no_command_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = warning("x", "a\x1b[2J\nok       all is well", "b\x07", "c\x1b]0;d\x07")
    write([told], Output.TEXT)
    assert capsys.readouterr().out.splitlines() == [
        r"warning  a\x1b[2J",
        "         ok       all is well",
        r"         b\x07",
        r"         → c\x1b]0;d\x07",
    ]
