"""What a PF imposes on its VFs for a pod is in force, and is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.spec.node import run, wait_until
from tests.spec.runtime import NOTHING, Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF
from tests.vm.suite.machine import Machine, MachineRuntime, await_ping, ping, rail

MAC, ANOTHER_MAC = "02:00:00:00:60:01", "02:00:00:00:66:66"
EVERYTHING: dict[str, Any] = {
    "mac": MAC,
    "vlan": 100,
    "vlanQoS": 3,
    "spoofchk": "off",
    "trust": "on",
    "max_tx_rate": 200,
}
"""All that igb can do."""


def test_a_vlan_is_a_network_of_its_own(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    """Two pods in a VLAN and one outside of it, on one rail."""
    lent = vfs(rail_a, 3)
    vlans: list[dict[str, Any]] = [{"vlan": 100}, {"vlan": 100}, {}]
    pods = [machine.pod() for _ in lent]
    before = [vf.state() for vf in lent]
    requests = [
        (rail(vf, **vlan), Slot(pod.path, f"c{number}"))
        for number, (vf, vlan, pod) in enumerate(zip(lent, vlans, pods, strict=True))
    ]
    added = runtime.at_once("ADD", requests)
    _, inside, outside = (reply.addresses[0].partition("/")[0] for reply in added)
    await_ping(pods[0], inside)
    wait_until(lambda: "LOWER_UP" in pods[2].link("net1")["flags"], "carrier outside the VLAN")
    assert ping(pods[0], outside, 56).returncode != 0
    assert ping(pods[2], inside, 56).returncode != 0
    assert {reply.exit_code for reply in runtime.at_once("DEL", requests)} == {0}
    assert [vf.state() for vf in lent] == before
    assert [runtime.leftovers(pod) for pod in pods] == [NOTHING] * 3


def test_a_mac_is_the_pods_and_it_cannot_change_it(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    (vf,) = vfs(rail_a, 1)
    pod, before, config = machine.pod(), vf.state(), rail(vf, mac=MAC)
    slot = Slot(pod.path)
    added = runtime.add(config, slot)
    assert added.document["interfaces"][0]["mac"] == pod.link("net1")["address"] == MAC
    with pytest.raises(RuntimeError, match="Cannot assign requested address"):
        pod.ip("link", "set", "net1", "address", ANOTHER_MAC)
    assert runtime.delete(config, slot).exit_code == 0
    assert vf.state() == before
    run("ip", "link", "set", vf.netdev, "address", ANOTHER_MAC)  # the host can again


def test_a_mac_that_the_operator_prescribes_is_prescribed_again(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    (vf,) = vfs(rail_a, 1)
    run("ip", "link", "set", rail_a.netdev, "vf", str(vf.number), "mac", vf.link()["address"])
    pod, before, config = machine.pod(), vf.state(), rail(vf, **EVERYTHING)
    slot = Slot(pod.path)
    assert runtime.add(config, slot).exit_code == 0
    assert pod.link("net1")["address"] == MAC
    assert runtime.delete(config, slot).exit_code == 0
    assert vf.state() == before
    with pytest.raises(RuntimeError, match="Cannot assign requested address"):
        run("ip", "link", "set", vf.netdev, "address", ANOTHER_MAC)


def test_a_pf_that_is_down_is_named(
    rail_b: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    (vf,) = vfs(rail_b, 1)
    pod = machine.pod()
    run("ip", "link", "set", rail_b.netdev, "down")
    try:
        reply = runtime.add(rail(vf), Slot(pod.path))
    finally:
        rail_b.prepare()
    assert reply.error[0] == 11
    assert f"{rail_b.netdev}, the PF of {vf.netdev}, is down" in reply.error[1]
    assert runtime.leftovers(pod) == NOTHING


def test_a_vf_that_a_program_drives_is_configured_and_reported(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    (vf,) = vfs(rail_a, 1)
    run("modprobe", "vfio-pci")
    vf.bind("vfio-pci")
    pod, before = machine.pod(), rail_a.settings()[vf.number]
    config = rail(vf, vlan=100, mac=MAC, cniVersion="1.1.0")
    slot = Slot(pod.path)
    added = runtime.add(config, slot)
    assert added.document["interfaces"] == [
        {"name": "net1", "mac": MAC, "sandbox": pod.path, "pciID": vf.address}
    ]
    assert added.addresses == ["10.60.0.1/16"]
    assert pod.links() == ["lo"]
    now = rail_a.settings()[vf.number]
    assert (now["address"], now["vlan_list"][0]["vlan"]) == (MAC, 100)
    assert runtime.check(config, slot, added).exit_code == 0
    assert runtime.delete(config, slot).exit_code == 0
    assert rail_a.settings()[vf.number] == before
    assert runtime.leftovers(pod) == NOTHING
    vf.bind("igbvf")
