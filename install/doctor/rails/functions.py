"""What is judged of PFs and VFs.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from install.doctor.findings import Finding, error, info, ok
from install.doctor.rails.facts import Facts, Port

_NUMVFS = "echo {count} >/sys/bus/pci/devices/{address}/sriov_numvfs"


def sriov(facts: Facts) -> Iterator[Finding]:
    """Say whether the node can have VFs, and how many each rail's PF has."""
    for name in facts.missing:
        yield error(
            "sriov",
            f"agent.toml names the PF {name}, and this node has none of that name",
            "whatever rail was on it carries nothing",
            "ip -br link; dmesg | grep -i -e firmware -e 'link down'",
            "or take it out of pfs in /etc/railcni/agent.toml",
        )
    if not facts.ports and not facts.wanted:
        yield info("sriov", "this node has no rails, and its node file declares none")
    elif not facts.ports and not facts.others:
        yield error(
            "sriov",
            "no device of this node can have virtual functions",
            "a rail is a VF: this node has none to give",
            "switch SR-IOV on in the BIOS and in the adapter: mlxconfig -d PCI_ADDRESS set "
            "SRIOV_EN=1 NUM_OF_VFS=16, and reboot",
        )
    for port in facts.ports:
        yield _counted(port)
    for pf in facts.others:
        yield info(
            "sriov",
            f"{pf.netdev or pf.address} could have {pf.total_vfs} VFs, and has none",
            "it is taken for no rail's",
            _NUMVFS.format(count=min(pf.total_vfs, 8), address=pf.address),
        )


def vfs(facts: Facts) -> Iterator[Finding]:
    """Say whose the VFs are, and which are lost."""
    given = facts.kubelet.allocated if facts.kubelet else {}
    for port in facts.ports:
        counted = Counter(function.state for function in port.functions)
        if port.functions:
            yield _shared_out(port, counted)
        for function in port.functions:
            vf = function.vf
            if function.state == "unrestored":
                yield error(
                    "vf-lost",
                    f"VF {vf.index} of {port.name} ({vf.address}) is not yet as it was: "
                    f"{function.holder} had it",
                    "no other pod gets it until it is",
                    "rail-agent tries again and again; what is in the way: journalctl -u rail-agent"
                    f" | grep {vf.address}",
                )
            elif function.state == "away" and vf.address in given:
                yield info(
                    "vf-lost",
                    f"VF {vf.index} of {port.name} ({vf.address}) is in a pod that is not ours",
                    "kubelet gave it to one, and another CNI plugin attached it",
                )
            elif function.state == "away":
                yield _away(port, vf.index, vf.address, vf.driver)


def _counted(port: Port) -> Finding:
    there, could = len(port.functions), port.pf.total_vfs
    if there:
        return ok("sriov", f"{port.name} has {there} of {could} VFs")
    return error(
        "sriov",
        f"{port.name} has no VF, and could have {could}",
        "a pod's rail is a VF: no pod that asks for this rail starts",
        _NUMVFS.format(count=min(could, 8), address=port.pf.address),
        "and again at each boot, by the adapter's own tools or a udev rule",
    )


def _shared_out(port: Port, counted: Counter[str]) -> Finding:
    words = (
        f"{counted['held']} held by pods, {counted['free']} free",
        f"{counted['userspace']} with a userspace driver" if counted["userspace"] else "",
        f"{counted['away'] + counted['unrestored']} lost"
        if counted["away"] + counted["unrestored"]
        else "",
    )
    said = f"{port.name}: " + ", ".join(filter(None, words))
    if counted["free"] or counted["userspace"]:
        return ok("vfs", said)
    return info("vfs", said, "the next pod that asks for one waits")


def _away(port: Port, number: int, address: str, driver: str) -> Finding:
    if not driver:
        return error(
            "vf-lost",
            f"VF {number} of {port.name} ({address}) has no driver",
            "it has no interface to give to a pod",
            f"echo {address} >/sys/bus/pci/drivers_probe",
            "dmesg | grep " + address,
        )
    return error(
        "vf-lost",
        f"VF {number} of {port.name} ({address}) has no interface on the host, and no pod of ours "
        "has it",
        "a network namespace holds it that nobody accounts for, or its driver has failed",
        f"lsns -t net; dmesg | grep {address}",
        f"echo {address} >/sys/bus/pci/drivers/{driver}/unbind; "
        f"echo {address} >/sys/bus/pci/drivers/{driver}/bind  # it comes back with its driver",
    )
