"""The NAD that a faulty one should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cni.protocol.config import flaws
from cni.protocol.supported import SUPPORTED
from cni.rail.config import RailConfig
from install.nad import kinds
from install.nad.devices import ANNOTATION
from install.nad.document import Nad
from install.nad.keys import refused
from install.nad.rails import declared_rail
from install.nad.ranges import subnets
from install.nad.remarks import Measure
from install.nad.render import VERSION, Rendered, RenderError, Wishes, configuration, nad
from install.nad.routes import without_defaults
from install.nad.shape import is_name, is_namespace
from install.nad.subject import Subject
from ipam.config import IpamConfig
from ipam.forms import one_per_family, subnet
from ipam.node_file.model import RESOURCE

_NOT_KEPT = frozenset({"deviceID", "runtimeConfig", "mtu", "rail", "logFile"})
_NO_LIST = ("0.1.0", "0.2.0")


def right(faulty: Nad, subject: Subject | None, measure: Measure) -> str:
    """Return what a NAD should be, as YAML; empty where that cannot be known.

    With a node file it is what `render` makes of the rail; without one, the least that gives the
    addresses of the same subnet to the whole cluster.  What somebody has chosen and is sound, a
    VLAN for instance, stays.
    """
    wishes = _wishes(faulty, subject, measure)
    kept = _kept(subject)
    rail = declared_rail(faulty, subject, measure.node_file)
    if rail:
        said = faulty.annotations.get(ANNOTATION)
        if not rail.resource and said and RESOURCE.fullmatch(said.text):
            wishes = _with_resource(wishes, rail.name, said.text)
        try:
            return nad(rail, wishes, kept).text
        except RenderError:
            return ""
    made = _least(faulty, subject, wishes, kept) if subject else None
    return made.text if made else ""


def _wishes(faulty: Nad, subject: Subject | None, measure: Measure) -> Wishes:
    version = subject.document.get("cniVersion") if subject else None
    mtu = _mtu(subject.main.keys.get("mtu") if subject else None, measure.least_mtu)
    namespace = faulty.namespace.text
    usable = version in SUPPORTED and version not in _NO_LIST
    return Wishes(
        namespace if is_namespace(namespace) else "",
        mtu,
        str(version) if usable else VERSION,
    )


def _mtu(stated: object, least: int) -> int:
    if isinstance(stated, int) and stated >= least and not flaws(RailConfig, {"mtu": stated}):
        return stated
    return least


def _with_resource(wishes: Wishes, rail: str, resource: str) -> Wishes:
    return Wishes(wishes.namespace, wishes.mtu, wishes.version, {rail: resource})


def _kept(subject: Subject | None) -> dict[str, Any]:
    """Return the plugin's sound keys that rail-sriov knows."""
    known = (kinds.plugin_keys(kinds.OURS) or frozenset()) - _NOT_KEPT
    wanted = (
        {key: value for key, value in subject.main.keys.items() if key in known} if subject else {}
    )
    for key in ("cniVersion", "name", "type", "ipam", "capabilities"):
        wanted.pop(key, None)
    bad = {flaw.key[0] for flaw in refused(wanted) if flaw.key}
    sound = {key: value for key, value in wanted.items() if key not in bad}
    return {} if refused(sound) else sound


def _least(
    faulty: Nad, subject: Subject, wishes: Wishes, kept: Mapping[str, Any]
) -> Rendered | None:
    ipam = _ipam(subject)
    if not ipam or not is_name(faulty.name.text):
        return None
    said = faulty.annotations.get(ANNOTATION)
    resource = said.text if said and RESOURCE.fullmatch(said.text) else ""
    keys = {key: value for key, value in kept.items() if key != "device" or not resource}
    rail = subject.ipam.get("rail")
    named = {"rail": rail, **keys} if isinstance(rail, str) and rail == ipam.get("rail") else keys
    config = configuration(faulty.name.text, wishes, named, ipam)
    return Rendered(faulty.name.text, wishes.namespace, resource, config)


def _ipam(subject: Subject) -> dict[str, Any]:
    """Return the `ipam` of the same subnet; ours, as it is, where it is sound."""
    if subject.ipam_kind == kinds.OUR_IPAM:
        known = kinds.ipam_keys(kinds.OUR_IPAM) or frozenset()
        own = {key: value for key, value in subject.ipam.items() if key in known}
        section = without_defaults(own)
        if not section.get("routes", True):
            del section["routes"]
        problems = flaws(IpamConfig, section, below="ipam")
        if not problems or ({"fabric", "rail"} <= section.keys() and _only_undeclared(section)):
            return section
    found = [str(net) for net in subnets(subject)]
    try:
        one_per_family(subnet)(found)
    except ValueError:
        return {}
    return {"type": kinds.OUR_IPAM, "subnet": found[0] if len(found) == 1 else found}


def _only_undeclared(section: Mapping[str, Any]) -> bool:
    """Tell whether all that is amiss is what a node file would say."""
    if section.keys() & {"subnet", "rails"}:
        return False
    return all(flaw.key == ("ipam",) for flaw in flaws(IpamConfig, section, below="ipam"))
