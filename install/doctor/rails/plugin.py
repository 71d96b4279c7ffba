"""Whether the VFs, the device plugin, the node file and kubelet mean the same.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.rails.facts import Facts, Function
from install.doctor.rails.resources import Kubelet, Resource

_RESTART = "restart the device plugin's pod of this node: it reads devices when it starts"
_SHOWN = 4


def resources(facts: Facts) -> Iterator[Finding]:
    """Say whether each rail's resource offers the VFs of one PF, and of no other's."""
    if facts.shared_plugin:
        yield error(
            "resource",
            "the configuration is the RDMA shared device plugin's (configList)",
            "it gives a pod the right to an RDMA device and no VF: Multus hands on no deviceID, "
            "and no rail comes of it",
            "use the SR-IOV network device plugin, with resourceList",
        )
    if facts.resources is None:
        return
    known = {resource.name for resource in facts.resources}
    for rail, name in facts.declared.items():
        if name not in known:
            yield error(
                "resource",
                f"rail {rail} is {name} in the node file, which the device plugin does not offer: "
                f"{', '.join(sorted(known)) or 'nothing'}",
                "pods that ask for it wait for ever",
                f"add {name} to the plugin's resourceList, or mend resource in the node file",
            )
    offered = {resource.name: _offered(facts, resource) for resource in facts.resources}
    for name, functions in offered.items():
        yield _offer(name, functions)
    by_address = defaultdict[str, list[str]](list)
    for name, functions in offered.items():
        for function in functions:
            by_address[function.vf.address].append(name)
    yield from _twice(by_address)
    yield from _unoffered(facts, by_address)


def kubelet(facts: Facts) -> Iterator[Finding]:
    """Say whether kubelet knows the VFs that are there, and gives none that is in use."""
    told = facts.kubelet
    if told is None:
        if facts.resources is not None:
            yield warning(
                "kubelet",
                "no kubelet keeps device plugins here (/var/lib/kubelet/device-plugins)",
                "pods get devices from it alone",
                "systemctl status kubelet  # or k3s, rke2-agent",
            )
        return
    own = {function.vf.address for function in facts.functions}
    names = set(facts.declared.values()) | {r.name for r in facts.resources or ()}
    names |= {name for name, devices in told.registered.items() if devices & own}
    findings = [
        *_registered(facts, told, names), *_allocated(facts, told),
    ]  # fmt: skip
    yield from findings
    if names and not findings:
        count = sum(len(told.registered.get(name, ())) for name in names)
        yield ok("kubelet", f"kubelet knows {count} VFs of {', '.join(sorted(names))}")


def _offered(facts: Facts, resource: Resource) -> list[Function]:
    bus = {device.address: device for device in facts.bus}
    return [f for f in facts.functions if resource.selects(f.vf, bus.get(f.vf.address))]


def _offer(name: str, functions: Sequence[Function]) -> Finding:
    pfs = sorted({function.vf.pf_netdev or function.vf.pf_address for function in functions})
    if not pfs:
        return warning(
            "resource",
            f"{name} selects no VF of this node",
            "pods that ask for it do not come here",
            "compare its selectors with: railctl vf list",
        )
    if len(pfs) > 1:
        return warning(
            "resource",
            f"{name} offers VFs of {' and '.join(pfs)}",
            "if these are two rails, a pod may get both its VFs on one of them",
            f'"pfNames": ["{pfs[0]}"] in its selectors, and a resource of its own for the other',
        )
    return ok("resource", f"{name} offers {len(functions)} VFs of {pfs[0]}")


def _twice(by_address: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    for address, names in by_address.items():
        if len(names) > 1:
            yield warning(
                "resource",
                f"VF {address} is offered by {' and '.join(names)}",
                "the plugin gives it to the first and says nothing: the other has fewer than it "
                "seems",
                "let their selectors exclude each other",
            )
            return


def _unoffered(facts: Facts, by_address: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    left = [f.vf.address for f in facts.functions if f.vf.address not in by_address]
    if left:
        yield info(
            "resource",
            f"no resource offers {_some(left)}",
            "no pod gets them",
        )


def _registered(facts: Facts, told: Kubelet, names: set[str]) -> Iterator[Finding]:
    there = {function.vf.address for function in facts.functions}
    for name in sorted(names):
        known = told.registered.get(name)
        if known is None:
            yield error(
                "kubelet",
                f"kubelet knows no {name}",
                "no pod that asks for it starts on this node",
                "kubectl -n kube-system get pods -o wide | grep device-plugin",
                _RESTART,
            )
        elif gone := sorted(known - there):
            yield error(
                "kubelet",
                f"kubelet offers VFs as {name} that are not there: {_some(gone)}",
                "a pod that gets one does not start",
                _RESTART,
            )
    for resource in facts.resources or ():
        known = told.registered.get(resource.name)
        wanted = {f.vf.address for f in _offered(facts, resource)}
        if known is not None and (missing := sorted(wanted - known)):
            yield warning(
                "kubelet",
                f"kubelet does not know of {_some(missing)}, which {resource.name} selects",
                "no pod gets them",
                _RESTART,
            )


def _allocated(facts: Facts, told: Kubelet) -> Iterator[Finding]:
    for function in facts.functions:
        is_given = function.vf.address in told.allocated
        if function.state == "held" and not is_given:
            yield error(
                "kubelet",
                f"{function.holder} has VF {function.vf.address}, which kubelet gave to nobody",
                "kubelet gives it to the next pod, which does not start",
                "name the resource in the pod's requests, and no deviceID in the NAD",
            )


def _some(addresses: Sequence[str]) -> str:
    more = len(addresses) - _SHOWN
    return ", ".join(addresses[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
