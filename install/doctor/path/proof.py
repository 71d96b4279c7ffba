"""`railctl doctor --mtu PEER`, put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cni.kernel.types import NetnsGoneError
from cni.rail.attachment import Attachments, Record
from install.doctor.findings import Finding, error
from install.doctor.path import plan
from install.doctor.path.gathering import Claimed, PathError, addresses_of, of_records, pod
from install.doctor.path.probing import probe
from install.doctor.path.verdict import judge
from install.doctor.whole import Place
from ipam.etcd.errors import EtcdError

if TYPE_CHECKING:
    from ipam.node_file import NodeFile

_WHOLE = 60.0
"""Seconds that reading all claims may take."""


def prove(place: Place, file: NodeFile | None, wanted: str, peers: Sequence[str]) -> list[Finding]:
    """Send long packets from each rail of a pod to a peer, and judge what comes back.

    Args:
        place: the node.
        file: its node file, which says which rails belong together, and where etcd is.
        wanted: the pod to send from; empty for any.
        peers: addresses or names of one pod.
    """
    records = Attachments(place.paths.attachments).all()
    fabrics = {
        rail: name for name, one in (file.fabrics if file else {}).items() for rail in one.rails
    }
    try:
        own = pod(place.kernel, records, wanted, fabrics)
        known = list(_known(records, file)) if any(map(_is_name, peers)) else []
        theirs = [address for peer in peers for address in addresses_of(peer, known)]
        probes = plan.probes(own.rails, theirs)
        tried = list(zip(probes, probe(own, probes), strict=True))
    except (PathError, EtcdError, NetnsGoneError) as problem:
        return [error("rail-mtu", str(problem), "nothing was sent")]
    return judge(own, tried, plan.strangers(own.rails, theirs))


def _is_name(peer: str) -> bool:
    try:
        ip_address(peer)
    except ValueError:
        return True
    return False


def _known(records: Sequence[Record], file: NodeFile | None) -> Iterator[Claimed]:
    """Yield what this node's records and the cluster's mirror say of pods' addresses."""
    yield from of_records(records)
    if file is None or file.etcd is None:
        return
    from ipam.registry.keys import Layout
    from ipam.registry.overview import Overview, Pace
    from ipam.wiring import connect

    with closing(connect(file.etcd.settings)) as etcd:
        overview = Overview(etcd, Layout(file.etcd.prefix), Pace(file.etcd.timeout, _WHOLE))
        for stored in overview.claims():
            claim = stored.record
            name = f"{claim.pod.namespace}/{claim.pod.name}"
            yield Claimed(name, tuple(map(ip_address, claim.addresses)))
