"""What the values of a node file must be together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from cni.host.toml.lines import Key
from cni.host.toml.problems import Problem
from cni.protocol.request import IDENTIFIER, IDENTIFIER_FORM
from ipam.definition import rail_problems
from ipam.etcd.settings import parse_endpoint
from ipam.node_file.model import Etcd, Fabric, NodeFile, RailEntry
from ipam.ranges import Network, listing, reserved

_SECRETS = frozenset({"auth", "pass", "passwd", "password", "secret", "token"})
_NAMES = frozenset({"user", "username"})


def problems(file: NodeFile, *, cluster: bool) -> Iterator[Problem]:
    """Return all that is wrong, in the order of the keys.

    Args:
        file: what could be read.
        cluster: there is an `[etcd]`, readable or not.
    """
    if cluster and not IDENTIFIER.fullmatch(file.node):
        yield Problem(
            ("node",),
            f"is missing, expected a name of {IDENTIFIER_FORM}: the host's own, {file.node!r}, is "
            "no such name",
        )
    if file.etcd:
        yield from _etcd(file.etcd)
    for name, fabric in file.fabrics.items():
        yield from _fabric(("fabrics", name), fabric, cluster=cluster)
    for (name, fabric), (other, others) in combinations(file.fabrics.items(), 2):
        yield from _overlaps(name, fabric, other, others)


def _etcd(etcd: Etcd) -> Iterator[Problem]:
    yield from _secrets(etcd)
    if not etcd.endpoints:
        yield Problem(("etcd", "endpoints"), "is empty, expected one at least")
    secure = [parse_endpoint(text, secure=bool(etcd.ca)).secure for text in etcd.endpoints]
    if len(set(secure)) > 1:
        yield Problem(
            ("etcd", "endpoints"),
            f"is {listing(etcd.endpoints)}, expected all with https or all with http (without a "
            "scheme it is https where etcd.ca is given)",
        )
    if secure and all(secure) and not etcd.ca:
        yield Problem(
            ("etcd", "ca"), "is missing, expected the file of the authority that https needs"
        )
    yield from _together("certificate", etcd.certificate, "key", etcd.key)
    yield from _together("userFile", etcd.user_file, "passwordFile", etcd.password_file)
    if not any(secure):
        for key, path in (("ca", etcd.ca), ("certificate", etcd.certificate), ("key", etcd.key)):
            if path:
                yield Problem(("etcd", key), f"is {path}, expected none: no endpoint is https")


def _secrets(etcd: Etcd) -> Iterator[Problem]:
    for key in etcd.model_extra or {}:
        if key.lower() in _SECRETS | _NAMES:
            file = "userFile" if key.lower() in _NAMES else "passwordFile"
            # Not the value: whoever sees this message may not be meant to know it.
            yield Problem(
                ("etcd", key),
                f"is written here, expected etcd.{file}, the path of a file that holds it",
            )


def _together(
    one: str, its_file: Path | None, other: str, others: Path | None
) -> Iterator[Problem]:
    if (its_file is None) != (others is None):
        given, absent = (other, one) if its_file is None else (one, other)
        yield Problem(("etcd", absent), f"is missing: it goes with etcd.{given}")


def _fabric(key: Key, fabric: Fabric, *, cluster: bool) -> Iterator[Problem]:
    if fabric.registry == "etcd" and not cluster:
        yield Problem((*key, "registry"), "is 'etcd', expected 'local': there is no [etcd]")
    if fabric.static and not (cluster and fabric.registry != "local"):
        yield Problem(
            (*key, "static"),
            f"is {listing(fabric.static)}, expected none: its addresses are claimed in etcd, and "
            "this fabric is not there",
        )
    if not fabric.rails:
        yield Problem((*key, "rails"), "is empty, expected one rail at least")
        return
    nets = [net for subnets in fabric.subnets.values() for net in subnets]
    for name, entries in (("exclude", fabric.exclude), ("static", fabric.static)):
        for entry in entries:
            if not any(entry.touches(net) for net in nets):
                yield Problem((*key, name), f"has {entry}, expected addresses in {listing(nets)}")
    for rail, member in fabric.rails.items():
        yield from _gateways((*key, "rails", rail, "gateway"), member)
    misfits = [
        Problem((*key, "rails", rail, "subnet"), text)
        for rail, text in rail_problems(fabric.subnets)
    ]
    yield from misfits
    if not misfits and not fabric.definition(key[-1]).usable:
        yield Problem((*key, "exclude"), "and static and the gateways leave no address to give out")


def _gateways(key: Key, rail: RailEntry) -> Iterator[Problem]:
    for gateway in rail.gateway:
        net = next((net for net in rail.subnet if gateway in net), None)
        if net is None:
            yield Problem(key, f"is {gateway}, expected one in {listing(rail.subnet)}")
        elif any(run.first == int(gateway) - int(net.network_address) for run in reserved(net)):
            yield Problem(key, f"is {gateway}, expected one that a host of {net} may have")


def _overlaps(name: str, fabric: Fabric, other: str, others: Fabric) -> Iterator[Problem]:
    for rail, subnets in others.subnets.items():
        twin = _twin(subnets, fabric)
        if twin:
            yield Problem(
                ("fabrics", other, "rails", rail, "subnet"),
                f"is {listing(subnets)}, expected no overlap with rail {twin} of fabric {name}",
            )


def _twin(subnets: tuple[Network, ...], fabric: Fabric) -> str | None:
    return next(
        (
            f"{rail} ({listing(theirs)})"
            for rail, theirs in fabric.subnets.items()
            for one in subnets
            for two in theirs
            if one.version == two.version and one.overlaps(two)
        ),
        None,
    )
