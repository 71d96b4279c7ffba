"""A NAD of sriov-cni works when only its `type` is changed, and what igb cannot do is said."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from tests.spec.node import Namespace, wait_until
from tests.spec.runtime import DEBIANS, NOTHING, PROGRAMS, Reply, Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF, VF
from tests.vm.suite.machine import Machine, MachineRuntime, Supply, rail

NAD: dict[str, Any] = {
    "cniVersion": "0.3.1",
    "name": "sriov-advanced",
    "type": "sriov",
    "mac": "CA:FE:C0:FF:EE:00",
    "vlan": 100,
    "vlanQoS": 3,
    "vlanProto": "802.1q",
    "min_tx_rate": 0,
    "max_tx_rate": 100,
    "spoofchk": "off",
    "trust": "on",
    "link_state": "auto",
    "logLevel": "info",
    "logFile": "/tmp/sriov.log",  # noqa: S108 -- as people have it; no such file is made
    "ipam": {
        "type": "host-local",
        "subnet": "10.56.217.0/24",
        "rangeStart": "10.56.217.171",
        "rangeEnd": "10.56.217.181",
        "routes": [{"dst": "0.0.0.0/0"}],
        "gateway": "10.56.217.1",
    },
}
"""Every key of sriov-cni's documentation, but deviceID, which Multus adds."""
IMPOSED = {
    "vlan_list": [{"vlan": 100, "qos": 3}],
    "rate": {"max_tx": 100, "min_tx": 0},
    "spoofchk": False,
    "trust": True,
    "link_state": "auto",
}
"""The same, as iproute2 tells it."""
LOG = Path("/var/log/railcni/sriov.log")


def test_a_nad_of_sriov_cni_works_by_changing_its_type(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    """Two pods at a time: one has the NAD's MAC, the other one that its runtime asks for."""
    migrated = NAD | {"type": "rail-sriov"}
    with_mac = migrated | {"runtimeConfig": {"mac": "ca:fe:c0:ff:ee:01"}}
    lent, pods = vfs(rail_a, 2), (machine.pod(), machine.pod())
    requests = [
        (config | {"deviceID": vf.address}, Slot(pod.path, f"c{vf.number}"))
        for config, vf, pod in zip((migrated, with_mac), lent, pods, strict=True)
    ]
    before = [vf.state() for vf in lent]

    added = runtime.at_once("ADD", requests)
    for vf, pod, reply, mac in zip(
        lent, pods, added, ("ca:fe:c0:ff:ee:00", "ca:fe:c0:ff:ee:01"), strict=True
    ):
        assert pod.link("net1")["address"] == mac
        assert rail_a.settings()[vf.number].items() >= (IMPOSED | {"address": mac}).items()
        assert_addressed(pod, reply)
    assert LOG.read_text(encoding="utf-8").count("left out the route 0.0.0.0/0") == 2
    assert not Path(NAD["logFile"]).exists()

    assert [reply.exit_code for reply in runtime.at_once("DEL", requests)] == [0, 0]
    assert [vf.state() for vf in lent] == before
    assert [runtime.leftovers(pod) for pod in pods] == [NOTHING] * 2


def assert_addressed(pod: Namespace, reply: Reply) -> None:
    """Check what the NAD's `ipam` gives, and that it is a rail for all that."""
    (address,) = reply.addresses
    assert pod.addresses("net1") == [address]
    given = IPv4Interface(address)
    assert IPv4Address("10.56.217.171") <= given.ip <= IPv4Address("10.56.217.181")
    assert pod.destinations("net1") == {"10.56.217.0/24"}
    assert pod.link("net1")["mtu"] == 9000


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "link_state is 'enable'": ({"link_state": "enable"}, "cannot set it"),
    "vlanProto is '802.1ad'": ({"vlan": 100, "vlanProto": "802.1ad"}, "802.1q only"),
    "min_tx_rate is 50": ({"min_tx_rate": 50}, "expected a min_tx_rate of 0"),
    "max_tx_rate is 2000": ({"max_tx_rate": 2000}, "at most 1000 Mbit/s"),
}
"""What igb refuses: how the error names it, the keys, and the driver's limit."""


@dataclass(frozen=True)
class Refused:
    """A request that was refused."""

    vf: VF
    reply: Reply
    before: dict[str, Any]
    after: dict[str, Any]
    leftovers: dict[str, Any]


@pytest.fixture(scope="module")
def refused(
    rails: tuple[PF, PF], supply: Supply, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Refused]:
    """All of them side by side, each with a VF of its own."""
    machine, rail_a = Machine(), rails[0]
    runtime = MachineRuntime(machine, tmp_path_factory.mktemp("state"), path=(PROGRAMS, DEBIANS))
    lent, pods = supply.lend(rail_a, len(REFUSALS)), [machine.pod() for _ in REFUSALS]
    # Making VFs interrupts the PF's carrier, which is of its state.
    wait_until(lambda: "LOWER_UP" in rail_a.link()["flags"], "carrier on rail A")
    before = [state_with_pf(vf) for vf in lent]
    requests = [
        (rail(vf, **keys), Slot(pod.path, f"c{vf.number}"))
        for (keys, _), vf, pod in zip(REFUSALS.values(), lent, pods, strict=True)
    ]
    replies = runtime.at_once("ADD", requests)
    cases = [
        Refused(vf, reply, state, state_with_pf(vf), runtime.leftovers(pod))
        for vf, reply, state, pod in zip(lent, replies, before, pods, strict=True)
    ]
    machine.delete()
    supply.take_back()
    return dict(zip(REFUSALS, cases, strict=True))


def state_with_pf(vf: VF) -> dict[str, Any]:
    """Return what a refusal must not change."""
    return vf.state() | {"pf": vf.pf.link()}


@pytest.mark.parametrize("value", REFUSALS)
def test_what_the_driver_cannot_do_is_named_and_changes_nothing(
    refused: dict[str, Refused], value: str
) -> None:
    case = refused[value]
    code, message = case.reply.error
    assert code == 7
    vf = case.vf
    assert message.startswith(f"{value}: the PF's driver refuses that")
    assert f"VF {vf.number} of {vf.pf.netdev} ({vf.address})" in message
    assert REFUSALS[value][1] in case.reply.details
    assert case.after == case.before
    assert case.leftovers == NOTHING
