"""A VF that a program drives: configured through its PF, reported, and never moved."""

from __future__ import annotations

from cni.kernel.functions import VfSettings, VfVlan
from cni.protocol.errors import Code
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_vf_settings import settings
from tests.scenario.rail.worlds import MemoryWorld

VF = "0000:3b:02.1"
MAC = "02:00:00:00:60:01"


def test_it_is_configured_reported_and_put_back(memory: MemoryWorld) -> None:
    memory.add_function(VF, driver="vfio-pci")
    pod, before = memory.add_pod(), settings(memory)
    reply = memory.call("ADD", pod=pod, deviceID=VF, vlan=100, mac=MAC)
    assert reply.exit_code == 0, reply.document
    assert reply.document is not None
    assert reply.document["interfaces"] == [
        {"name": "net1", "mac": MAC, "sandbox": pod, "pciID": VF}
    ]
    assert reply.document["ips"][0]["address"].startswith("10.60.")
    assert memory.in_pod(pod) == (["lo"], 0)
    assert settings(memory).vlan == VfVlan(100)
    assert memory.call("CHECK", pod=pod, deviceID=VF, vlan=100, mac=MAC).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF, vlan=100, mac=MAC).exit_code == 0
    assert settings(memory) == before
    assert (memory.records(), memory.held()) == ([], [])


def test_a_prescribed_mac_is_reported_and_none_is_not(memory: MemoryWorld) -> None:
    memory.add_function(VF, driver="vfio-pci")
    pf = memory.kernel.host.find("ens1f0")
    assert pf
    for mac in ("02:00:00:00:70:01", "00:00:00:00:00:00"):
        memory.kernel.host.set_vf(pf.index, 0, VfSettings(mac=mac))
        pod = memory.add_pod()
        reply = memory.call("ADD", pod=pod, deviceID=VF)
        assert reply.document is not None
        assert reply.document["interfaces"][0].get("mac", "") == mac.replace("00:" * 5 + "00", "")
        assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0


def test_check_asks_the_pf(memory: MemoryWorld) -> None:
    memory.add_function(VF, driver="vfio-pci")
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, vlan=100)
    pf = memory.kernel.host.find("ens1f0")
    assert pf
    memory.kernel.host.set_vf(pf.index, 0, VfSettings(vlan=VfVlan(0)))
    reply = memory.call("CHECK", pod=pod, deviceID=VF, vlan=100)
    failed(reply, Code.CHECK_FAILED, "no longer imposes vlan 100")


def test_it_is_held_as_long_as_the_pods_namespace_lives(memory: MemoryWorld) -> None:
    memory.add_function(VF, driver="vfio-pci")
    pod, other = memory.add_pod(), memory.add_pod()
    before = settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, vlan=100)
    reply = memory.call("ADD", pod=other, deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "held by net1 of container c1")
    memory.delete_pod(pod)
    assert memory.call("ADD", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert settings(memory) == before  # the dead pod's VLAN is not the new one's
    assert memory.call("DEL", pod=pod, deviceID=VF, vlan=100).exit_code == 0  # comes late
    assert len(memory.records()) == len(memory.held()) == 1
    assert memory.call("DEL", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert (memory.records(), memory.held()) == ([], [])
