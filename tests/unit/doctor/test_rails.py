"""What is judged of rails: of each thing that can be wrong, one node that has only that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cni.kernel.adapters import LACP, Bond, Bridging, Driver, Pause
from cni.kernel.functions import PhysicalFunction, RdmaPort
from cni.kernel.types import Link
from install.doctor.findings import Finding, Severity, worst
from install.doctor.rails.checks import check
from install.doctor.rails.facts import Facts, Function, Seen
from install.doctor.rails.resources import Kubelet, Resource, Selector
from tests.unit.doctor.rails_given import (
    HOLDER,
    LOSSLESS,
    ONE,
    TWO,
    VFS,
    WELL,
    address,
    free,
    held,
    link,
    resource,
)  # fmt: skip

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - as they are said
A, B = "rdma/hca_shared_a", "rdma/hca_shared_b"
BOND = link(9, "bond1", "bond")


def first(**changes: Any) -> Facts:
    """Return a node whose first port is otherwise."""
    return replace(WELL, ports=(replace(ONE, **changes), TWO))


def linked(**changes: Any) -> Facts:
    assert ONE.link
    return first(link=replace(ONE.link, **changes))


def bridged(**changes: Any) -> Facts:
    return first(bridging=replace(LOSSLESS, **changes))


def with_vf(function: Function) -> Facts:
    return first(functions=(function, ONE.functions[1]))


def ungiven(function: Function) -> Facts:
    """Return a node with a VF that kubelet has given to nobody."""
    return replace(with_vf(function), kubelet=Kubelet({A: VFS[1], B: VFS[2]}))


def in_pod(seen: Link, rp_filter: str = "2") -> Facts:
    return with_vf(replace(held(1, 0), pod=Seen(seen, rp_filter)))


def bad(facts: Facts) -> list[Finding]:
    return [finding for finding in check(facts) if finding.severity > Severity.OK]


def test_a_node_that_is_well() -> None:
    findings = check(WELL)
    assert worst(findings) == Severity.OK, bad(WELL)
    assert {finding.check for finding in findings} == {
        "sriov", "vfs", "carrier", "pf-mtu", "bonding", "driver", "pod-rail", "rp-filter", "rdma",
        "iommu", "numa", "pfc", "trust", "ets", "pause", "resource", "kubelet",
    }  # fmt: skip


AWAY = replace(free(1, 0), vf=replace(free(1, 0).vf, netdev="", rdma_device=""), state="away")
UNRESTORED = replace(held(1, 0), state="unrestored", pod=None)
USERSPACE = replace(
    free(1, 0), vf=replace(free(1, 0).vf, driver="vfio-pci", netdev=""), state="userspace"
)
NO_NUMA = first(pf=replace(ONE.pf, numa_node=None))
DOWN = linked(up=False, carrier=False)


@pytest.mark.parametrize(
    ("facts", "severity", "check_name", "words", "mend"),
    [
        (first(functions=()), E, "sriov", "ens1 has no VF, and could have 16", "sriov_numvfs"),
        (Facts(ports=()), I, "sriov", "this node has no rails", ""),
        (Facts(ports=(), wanted=True), E, "sriov", "no device of this node can", "SRIOV_EN=1"),
        (replace(WELL, missing=("ens9",)), E, "sriov", "names the PF ens9", "agent.toml"),
        (
            replace(WELL, others=(PhysicalFunction("0000:9b:00.0", "eno1", "ice", 0, "", 64),)),
            I, "sriov", "eno1 could have 64 VFs", "echo 8 >/sys/bus/pci/devices/0000:9b:00.0/",
        ),
        (first(functions=(held(1, 0), held(1, 1))), I, "vfs", "2 held by pods, 0 free", ""),
        (ungiven(AWAY), E, "vf-lost", "has no interface on the host", "/unbind; echo"),
        (
            ungiven(replace(AWAY, vf=replace(AWAY.vf, driver=""))),
            E, "vf-lost", "has no driver", "drivers_probe",
        ),
        (with_vf(AWAY), I, "vf-lost", "is in a pod that is not ours", ""),
        (with_vf(UNRESTORED), E, "vf-lost", "is not yet as it was: net1 of pod", "rail-agent"),
        (first(link=None), E, "carrier", "PF 0000:1b:00.0 has no interface", "lspci"),
        (DOWN, E, "carrier", "ens1 is down", "ip link set dev ens1 up"),
        (linked(carrier=False), E, "carrier", "ens1 has no carrier", "ethtool -m ens1"),
        (
            first(rdma_ports=(RdmaPort("mlx5_1", 1, "DOWN"),)),
            E, "rdma-port", "mlx5_1/1 of ens1 is DOWN", "rdma link show mlx5_1/1",
        ),
        (linked(mtu=1500), E, "pf-mtu", "MTU 1500, expected at least 9000", "ens1 mtu 9000"),
        (linked(mtu=1500, max_mtu=4000), E, "pf-mtu", "MTU 1500", "takes 4000 at most"),
        (first(master=BOND), E, "bonding", "ens1 is bonded in bond1", "dev ens1 nomaster"),
        (
            replace(WELL, ports=(replace(ONE, master=BOND), replace(TWO, master=BOND))),
            E, "bonding", "ens1 and ens2 are bonded in bond1", "dev ens2 nomaster",
        ),
        (
            first(master=link(9, "br0", "bridge")),
            W, "bonding", "is a port of the bridge br0", "nomaster",
        ),
        (first(driver=None), I, "driver", "ens1 does not tell", ""),
        (
            first(driver=Driver("mlx5_core", "6.8.0", "28.31.1014")),
            W, "firmware", "28.31.1014 on ens1; 28.39.1002 on ens2", "devlink dev info",
        ),
        (first(rp_filter="1"), W, "rp-filter", "strict (1) on ens1", "conf.ens1.rp_filter=2"),
        (replace(WELL, pod_filter="1"), W, "rp-filter", "a new pod's interfaces", "all.rp_filter"),
        (in_pod(link(7, "net1"), "1"), W, "rp-filter", f"on {HOLDER}", "NAD of roce-a"),
        (in_pod(replace(link(7, "net1"), carrier=False)), E, "pod-rail", "no carrier", "VF 0"),
        (
            in_pod(link(7, "net1", mtu=1500)),
            E, "pod-rail", "MTU 1500, expected 9000", "--net=/run/netns/worker-0 ip link set dev",
        ),
        (with_vf(replace(held(1, 0), pod=None)), I, "pod-rail", "not seen from here", ""),
        (replace(WELL, rdma_is_exclusive=False), W, "rdma", "are shared", "netns exclusive"),
        (
            first(functions=(held(1, 0), replace(free(1, 1), vf=replace(
                free(1, 1).vf, rdma_device="")))),
            W, "rdma", "without an RDMA device, where others have one: 0000:1b:02.1", "dmesg",
        ),
        (
            replace(WELL, bus=[replace(one, iommu_domain="DMA-FQ") for one in WELL.bus]),
            W, "iommu", "translates all DMA of the rails (DMA-FQ)", "iommu=pt",
        ),
        (
            replace(WELL, bus=[replace(one, iommu_group="") for one in WELL.bus]),
            I, "iommu", "no IOMMU is at work", "",
        ),
        (
            replace(with_vf(USERSPACE), bus=[replace(one, iommu_group="") for one in WELL.bus]),
            E, "iommu", "0000:1b:02.0 is driven from userspace", "intel_iommu=on",
        ),
        (
            first(pf=replace(ONE.pf, numa_node=1)),
            W, "numa", "1 GPUs are on NUMA node 0, and no rail is", "slot",
        ),
        (
            replace(WELL, bus=[one for one in WELL.bus if one.address != "0000:1c:00.0"]),
            I, "numa", "ens1 on NUMA node 0, where no GPU is", "",
        ),
        (first(bridging=None), I, "pfc", "ens1 does not tell the kernel", "mlnx_qos"),
        (first(bridging=Bridging()), I, "pfc", "ens1 does not tell the kernel", "mlnx_qos"),
        (bridged(lossless=frozenset()), W, "pfc", "no priority of ens1 is", "all:off 3:on"),
        (bridged(lossless=frozenset({3, 4})), W, "pfc", "priorities 3, 4 of ens1", "all:off 3:on"),
        (bridged(dscp={}), W, "trust", "does not go by a packet's DSCP", "dscp-prio 26:3"),
        (bridged(dscp={48: 6}), W, "trust", "no DSCP of ens1 leads to", "dscp-prio 26:3"),
        (bridged(classes=(0,) * 8), W, "ets", "shares traffic class 0 with lossy", "prio-tc 3:3"),
        (
            first(pause=Pause(agreed=True, receives=True, sends=False)),
            W, "pause", "ens1 has global pause on (rx)", "ethtool -A ens1",
        ),
        (replace(WELL, unknown=("rdma dev show: denied",)), W, "unknown", "denied", ""),
    ],
)  # fmt: skip
def test_what_is_wrong(
    facts: Facts, severity: Severity, check_name: str, words: str, mend: str
) -> None:
    about = [finding for finding in bad(facts) if words in finding.what]
    assert [(one.severity, one.check) for one in about] == [(severity, check_name)], bad(facts)
    assert mend in "\n".join(about[0].mend)
    assert severity < Severity.WARNING or about[0].why


@pytest.mark.parametrize(
    ("facts", "severity", "words", "mend"),
    [
        (
            replace(WELL, resources=(resource(1),)),
            E, "roce-b is rdma/hca_shared_b in the node file", "resourceList",
        ),
        (
            replace(WELL, resources=(resource(1), resource(2), Resource("rdma/x", [Selector(
                pfs=("ens9",))]))),
            W, "rdma/x selects no VF of this node", "railctl vf list",
        ),
        (
            replace(WELL, resources=(Resource("rdma/hca_shared_a", [Selector(
                vendors=frozenset({"15b3"}))]), resource(2))),
            W, "rdma/hca_shared_a offers VFs of ens1 and ens2", '"pfNames": ["ens1"]',
        ),
        (
            replace(WELL, resources=(Resource("rdma/hca_shared_a", [Selector(
                vendors=frozenset({"15b3"}))]), resource(2))),
            W, "is offered by rdma/hca_shared_a and rdma/hca_shared_b", "exclude each other",
        ),
        (
            replace(WELL, resources=(Resource("rdma/hca_shared_a", [Selector(
                pfs=("ens1#0",))]), resource(2))),
            I, "no resource offers 0000:1b:02.1", "",
        ),
        (replace(WELL, resources=None, shared_plugin=True), E, "configList", "resourceList"),
    ],
)  # fmt: skip
def test_resources(facts: Facts, severity: Severity, words: str, mend: str) -> None:
    about = [finding for finding in bad(facts) if words in finding.what]
    assert [(one.severity, one.check) for one in about] == [(severity, "resource")], bad(facts)
    assert mend in "\n".join(about[0].mend)


GIVEN = WELL.kubelet.allocated if WELL.kubelet else {}


def kept(registered: dict[str, frozenset[str]], allocated: Any = GIVEN) -> Facts:
    return replace(WELL, kubelet=Kubelet(registered, allocated))


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        (replace(WELL, kubelet=None), W, "no kubelet keeps device plugins here"),
        (kept({A: VFS[1]}), E, f"kubelet knows no {B}"),
        (
            kept({A: VFS[1], B: VFS[2] | {"0000:2b:02.7"}}),
            E,
            f"offers VFs as {B} that are not there: 0000:2b:02.7",
        ),
        (kept({A: VFS[1], B: frozenset({address(2, 0)})}), W, f"does not know of {address(2, 1)}"),
        (kept({A: VFS[1], B: VFS[2]}, {}), E, f"has VF {address(1, 0)}, which kubelet gave to no"),
    ],
)
def test_kubelet(facts: Facts, severity: Severity, words: str) -> None:
    about = [finding for finding in bad(facts) if words in finding.what]
    assert [(one.severity, one.check) for one in about] == [(severity, "kubelet")], bad(facts)


def test_without_a_plugin_and_without_kubelet_nothing_is_said_of_them() -> None:
    bare = replace(WELL, declared={}, resources=None, kubelet=None)
    assert {"resource", "kubelet"}.isdisjoint(finding.check for finding in check(bare))


def test_infiniband_is_lossless_by_itself_and_has_mtus_of_its_own() -> None:
    mac = ":".join(["00"] * 12 + ["02:00:00:00:00:00:00:01"])
    facts = linked(mac=mac, mtu=4092)
    assert worst(check(facts)) == Severity.OK
    about = {finding.check for finding in check(facts) if "ens1 " in finding.what}
    assert about >= {"carrier", "pf-mtu", "driver"}
    assert about.isdisjoint({"pfc", "trust", "ets", "pause"})


def test_a_bond_whose_kind_only_the_kernel_tells() -> None:
    facts = replace(first(master=link(9, "bond1")), bonds={"bond1": Bond(LACP)})
    assert ("bonding", Severity.ERROR) in {(one.check, one.severity) for one in bad(facts)}
