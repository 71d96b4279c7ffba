"""The pod that packets are sent from, and the addresses of the one that they are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from cni.agent.roll import mtu_of
from cni.kernel.interface import Kernel, Namespace
from cni.kernel.types import Address, Link
from cni.rail.attachment import Record
from install.doctor.path.facts import JUMBO, Pod, Rail

_ELSEWHERE = ip_address("192.0.2.1"), ip_address("2001:db8::1")
"""Addresses that only the default routes lead to."""


class PathError(Exception):
    """Nobody knows from where, or to where; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What somebody has written down of a pod's addresses."""

    pod: str
    """`namespace/name`."""
    addresses: tuple[Address, ...]


def pod(kernel: Kernel, records: Sequence[Record], wanted: str, fabrics: Mapping[str, str]) -> Pod:
    """Return the pod to send from.

    Args:
        kernel: the node's, or of the pod that this process is in.
        records: what rail-sriov has attached on this node.
        wanted: the pod, `NAMESPACE/NAME` or its name; empty for the one with most rails, and where
            there is none for this process's own namespace.
        fabrics: of each rail that is declared, its fabric.

    Raises:
        PathError: there is none.
        NetnsGoneError: it has gone.
    """
    boot_id = kernel.boot_id()
    by_container: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.boot_id == boot_id and record.stands and record.addresses:
            by_container[record.attachment.container_id].append(record)
    pods = [own for own in by_container.values() if not wanted or _is(own[0], wanted)]
    if pods:
        return _attached(kernel, max(pods, key=len), fabrics)
    if wanted:
        known = sorted({str(own[0].pod) for own in by_container.values()})
        raise PathError(
            f"no pod {wanted} has rails on this node, only: {', '.join(known) or 'none'}"
        )
    return Pod("this namespace", _own(kernel.host))


def addresses_of(peer: str, known: Iterable[Claimed]) -> list[Address]:
    """Return a peer's addresses.

    Args:
        peer: an address, or a pod: `NAMESPACE/NAME` or its name.
        known: all pods' addresses that anybody has written down; read for a pod alone.

    Raises:
        PathError: nobody knows that pod, or there are several.
    """
    try:
        return [ip_address(peer)]
    except ValueError:
        pass
    found: dict[str, list[Address]] = defaultdict(list)
    for claimed in known:
        if peer in {claimed.pod, claimed.pod.rpartition("/")[2]}:
            found[claimed.pod] += [a for a in claimed.addresses if a not in found[claimed.pod]]
    if len(found) > 1:
        raise PathError(f"{peer} may be {' or '.join(sorted(found))}: say which, with namespace")
    if not found:
        raise PathError(
            f"{peer} is no address, and no pod that holds one: expected an address on a rail, or "
            "NAMESPACE/NAME of a pod (railctl ipam show)"
        )
    return next(iter(found.values()))


def of_records(records: Iterable[Record]) -> list[Claimed]:
    """Return what this node's own records say."""
    return [
        Claimed(str(record.pod), tuple(address.ip for address in record.addresses))
        for record in records
    ]


def _attached(kernel: Kernel, records: Sequence[Record], fabrics: Mapping[str, str]) -> Pod:
    first = records[0]
    rails = []
    with kernel.open(first.netns_path) as namespace:
        if namespace.identity != first.netns:
            raise PathError(f"{first.netns_path} is another pod's by now: {first.pod} has gone")
        for record in sorted(records, key=lambda record: record.attachment.ifname):
            link = namespace.link(record.pod_index)
            rails.append(
                Rail(
                    link.name if link else record.attachment.ifname,
                    record.addresses,
                    link.mtu if link else 0,
                    mtu_of(record) or JUMBO,
                    record.rail,
                    fabrics.get(record.rail, ""),
                )
            )
    return Pod(f"pod {first.pod}", rails, first.netns_path)


def _own(namespace: Namespace) -> list[Rail]:
    """Return what may be rails in this process's namespace: what no default route leaves by."""
    out = {way.index for there in _ELSEWHERE if (way := namespace.way_to(there))}
    links = [link for link in namespace.links() if not link.loopback and link.index not in out]
    return [rail for link in links if (rail := _unnamed(namespace, link)).addresses]


def _unnamed(namespace: Namespace, link: Link) -> Rail:
    own = [a for a in namespace.addresses(link.index) if not a.ip.is_link_local]
    return Rail(link.name, own, link.mtu)


def _is(record: Record, wanted: str) -> bool:
    return wanted in {str(record.pod), record.pod.name}
