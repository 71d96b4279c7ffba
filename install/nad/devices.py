"""The device of a rail: where it comes from, and how long its packets are."""

from __future__ import annotations

from collections.abc import Iterator

from install.manifest.nodes import Said
from install.nad import kinds
from install.nad.rails import declared_rail
from install.nad.remarks import Measure, Remark, error, warning
from install.nad.subject import Subject
from ipam.node_file.model import RESOURCE

ANNOTATION = "k8s.v1.cni.cncf.io/resourceName"
_NO_DEVICE = "Multus gives the plugin no deviceID, and no pod that asks for this network starts"
_DEFAULT_MTU = 9000
"""rail-sriov's, where the NAD names none."""


def mtu(subject: Subject, measure: Measure) -> Iterator[Remark]:
    """Name an MTU that is missing or small."""
    stated = [
        (plugin, plugin.keys["mtu"])
        for plugin in subject.plugins
        if plugin.kind in kinds.CHAINED | {subject.main.kind} and "mtu" in plugin.keys
    ]
    why = f"packets of {measure.least_mtu} bytes, which the fabric carries, are not sent"
    if not stated:
        if subject.main.kind == kinds.OURS and measure.least_mtu <= _DEFAULT_MTU:
            return
        yield warning(
            subject.line((*subject.main.path, "type")),
            "mtu",
            f"mtu is missing, expected {measure.least_mtu} at least: the pod gets what the device "
            "happens to have",
            why,
            f'"mtu": {measure.least_mtu}',
        )
        return
    plugin, value = stated[-1]
    if isinstance(value, int) and not isinstance(value, bool) and value >= measure.least_mtu:
        return
    yield warning(
        subject.line((*plugin.path, "mtu")),
        "mtu",
        f"mtu is {value!r}, expected {measure.least_mtu} at least",
        why,
        f'"mtu": {measure.least_mtu}',
    )


def resource(subject: Subject, measure: Measure) -> Iterator[Remark]:
    """Name a resource annotation that is missing, malformed, needless or another rail's."""
    annotations, keys = subject.nad.annotations, subject.main.keys
    said = annotations.get(ANNOTATION)
    own = next((key for key in kinds.OWN_DEVICE if keys.get(key)), "")
    if said is None:
        if subject.main.kind in kinds.WITH_A_DEVICE and not own:
            yield _missing(subject)
        return
    if not RESOURCE.fullmatch(said.text):
        yield error(
            said.line,
            "resource",
            f"the annotation {ANNOTATION} is {said.text!r}, expected a resource of a device plugin "
            "such as rdma/hca_shared_a",
            _NO_DEVICE,
        )
    elif subject.main.kind == kinds.OURS and own == "device":
        yield error(
            said.line,
            "resource",
            f"the annotation {ANNOTATION} is {said.text}, and device is {keys['device']!r}: "
            "expected one of them",
            "Multus adds a deviceID, and rail-sriov refuses both",
        )
    else:
        yield from _another(subject, said, measure)


def _missing(subject: Subject) -> Remark:
    twins = [key for key in subject.nad.annotations if key.casefold().endswith("resourcename")]
    meant = f": {twins[0]} is another one, which nobody reads" if twins else ""
    line = subject.nad.annotations[twins[0]].line if twins else subject.nad.name.line
    return error(
        line,
        "resource",
        f"the annotation {ANNOTATION} is missing{meant}",
        _NO_DEVICE,
        f"name the resource of the rail's VFs: {ANNOTATION}: PREFIX/NAME",
    )


def _another(subject: Subject, said: Said, measure: Measure) -> Iterator[Remark]:
    rail = declared_rail(subject.nad, subject, measure.node_file)
    if rail and rail.resource and rail.resource != said.text:
        yield error(
            said.line,
            "resource",
            f"the annotation {ANNOTATION} is {said.text}, expected {rail.resource}, which the node "
            f"file says of rail {rail.name}",
            "pods get a VF of another rail",
            f"{ANNOTATION}: {rail.resource}",
        )
