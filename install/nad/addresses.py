"""Whether a rail's addresses are the cluster's, and whether their ranges are sound."""

from __future__ import annotations

from collections.abc import Iterator

from cni.protocol.config import Flaw, flaws, parse
from cni.protocol.errors import CniError
from cni.rail.config import RailConfig
from cni.rail.routes import is_inside
from install.nad import kinds
from install.nad.keys import as_remarks
from install.nad.ranges import problems, subnets
from install.nad.remarks import Measure, Remark, error, info, warning
from install.nad.routes import malformed_routes, without_defaults
from install.nad.subject import Subject
from ipam.config import IpamConfig, section_of
from ipam.ranges import Network, listing

_USE_OURS = "let rail-ipam give the addresses"


def shared_subnets(subject: Subject, _measure: Measure) -> Iterator[Remark]:
    """Name an IPAM plugin that does not give the addresses of a whole cluster."""
    kind, line = subject.ipam_kind, subject.line((*subject.ipam_path, "type"))
    nets = listing(subnets(subject)) or "its subnet"
    if subject.main.kind in kinds.ON_THIS_NODE:
        return
    if kind == "host-local":
        yield error(
            line,
            "host-local",
            f"host-local gives addresses of {nets} on each node by itself, expected an IPAM plugin "
            "that knows the whole cluster",
            "every node begins with the same address: two pods on two nodes get it",
            _USE_OURS,
        )
    elif kind == "static" and subject.ipam.get("addresses"):
        yield error(
            line,
            "static",
            f"static gives each pod the same address of {nets}",
            "the second pod that asks for this network has the first one's address",
            _USE_OURS,
        )
    elif kind == "whereabouts":
        yield warning(
            line,
            "whereabouts",
            f"whereabouts gives addresses of {nets} for each rail by itself, from the API server",
            "a pod's rails have different host parts, and no pod starts while that is away",
            _USE_OURS,
        )
    elif not subject.ipam:
        yield warning(
            subject.line(subject.ipam_path),
            "no-addresses",
            "there is no ipam: pods get no address on this rail",
            "RoCE and TCP need one",
            _USE_OURS,
        )


def malformed(subject: Subject, measure: Measure) -> Iterator[Remark]:
    """Name each range, address and route that the IPAM plugin refuses."""
    if subject.ipam_kind == kinds.OUR_IPAM:
        yield from _ours(subject, measure)
        return
    if subject.ipam_kind in {"host-local", "static", "whereabouts"}:
        yield from malformed_routes(subject, measure)
    for path, text in problems(subject):
        yield error(
            subject.line(path), "malformed", f"{'.'.join(path)} {text}", "the plugin refuses it"
        )


def _ours(subject: Subject, measure: Measure) -> Iterator[Remark]:
    """Judge by rail-ipam's own model, and by the node file, as an ADD would."""
    network = {"ipam": without_defaults(dict(subject.ipam))}
    below = subject.main.path
    try:
        section = section_of(network, measure.node_file)
    except CniError as problem:
        yield from as_remarks(subject, [Flaw((), problem.msg)], below)
        return
    found = flaws(IpamConfig, section, below="ipam")
    if measure.node_file is None and _is_elsewhere(subject):
        found = tuple(flaw for flaw in found if flaw.key != ("ipam",))
        yield info(
            subject.line((*subject.ipam_path, "fabric")),
            "fabric",
            f"fabric {subject.ipam.get('fabric')} is not declared here, and no node file is known",
            "name it with --node-file to have subnets and routes judged, too",
        )
    elif not found:
        yield from _foreign_routes(subject, parse(IpamConfig, section, below="ipam"))
    yield from as_remarks(subject, found, below)


def _is_elsewhere(subject: Subject) -> bool:
    """Tell whether the node file has to say which subnet this is."""
    keys = subject.ipam.keys()
    return {"fabric", "rail"} <= keys and not keys & {"subnet", "rails"}


def _foreign_routes(subject: Subject, config: IpamConfig) -> Iterator[Remark]:
    if config.fabric and not config.layout.closed:
        return  # the fabric's other rails are those that pods of the node use
    told = [subnet for rail in config.layout.told for subnet in rail.subnets]
    declared = config.definition.prefixes if config.definition else ()
    allowed = [*told, *declared, *_prefixes(subject)]
    for number, route in enumerate(config.routes):
        if not is_inside(route.dst, allowed):
            yield warning(
                subject.line((*subject.ipam_path, "routes", str(number))),
                "foreign-route",
                f"the route to {route.dst} leads out of the fabric, expected it in "
                f"{listing(allowed)}",
                "it is left out of the pod",
                "declare the network in prefixes, if the fabric's routers know the way",
            )


def _prefixes(subject: Subject) -> tuple[Network, ...]:
    keys = {"prefixes": subject.main.keys.get("prefixes", [])}
    return () if flaws(RailConfig, keys) else parse(RailConfig, keys).prefixes
