"""CHECK: the attachment is still what ADD said it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cni.kernel.interface import Namespace
from cni.kernel.types import Link, NetnsGoneError
from cni.kernel.vf_messages import words
from cni.protocol import results
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Result
from cni.rail import device as devices
from cni.rail import routes, vf
from cni.rail.attachment import Record
from cni.rail.config import RailConfig
from cni.rail.node import Node
from cni.rail.port import Port


def check(node: Node, request: Request, config: RailConfig) -> None:
    """Serve CHECK.

    Raises:
        CniError: code 101, naming every difference from `prevResult`, the record and the kernel.
    """
    previous = _previous(request)
    with node.locks.container(request.container_id):
        record = _record(node, request)
        try:
            with node.kernel.open(request.netns) as pod:
                problems = list(_differences(pod, record, previous, request))
        except NetnsGoneError as error:
            problems = [f"CNI_NETNS is {request.netns!r}: {error.strerror}"]
        problems += _imposed_differences(node, record, config)
        if problems:
            raise CniError(
                Code.CHECK_FAILED,
                f"{record.holder} is not as ADD left it: {'; '.join(problems)}",
                "delete the pod, so that its rail is attached anew",
            )
        ipam = node.ipam_for(request)
        if ipam:
            ipam.check(request)


def _previous(request: Request) -> Result:
    document = request.config.get("prevResult")
    if document is None:
        raise CniError(Code.INVALID_CONFIG, "prevResult is missing, expected the result of ADD")
    return results.parse(document, below="prevResult")


def _record(node: Node, request: Request) -> Record:
    for record in node.attachments.of(request.attachment):
        if record.attached and record.boot_id == node.kernel.boot_id():
            return record
    raise CniError(
        Code.CHECK_FAILED,
        f"container {request.container_id} has no {request.ifname} on network {request.network}",
        "see what is attached: railctl attachments",
    )


def _differences(
    pod: Namespace, record: Record, previous: Result, request: Request
) -> Iterator[str]:
    if pod.identity != record.netns:
        yield f"CNI_NETNS is {request.netns!r}, which is another namespace than at ADD"
        return
    if record.device.userspace:
        return
    link = pod.find(request.ifname)
    if link is None:
        yield f"{request.ifname} is missing"
        return
    if not devices.recognise([link], record.device, index=record.pod_index):
        yield f"{request.ifname} is not {record.device.host_name} ({record.device.key})"
    if not link.up:
        yield f"{request.ifname} is down"
    yield from _interface_differences(link, previous, request)
    yield from _address_differences(pod, link, previous)
    yield from _route_differences(pod, link, record)
    if pod.sysctl(f"ipv6/conf/{request.ifname}/accept_ra") not in {None, "0"}:
        yield f"{request.ifname} accepts router advertisements"


def _imposed_differences(node: Node, record: Record, config: RailConfig) -> Iterator[str]:
    if config.mac is None and not vf.stated_keys(config):
        return  # nothing was asked of the PF
    function = node.sysfs.virtual_function(record.device.pci_address)
    if function is None:
        return  # it is no VF
    port = Port.of(node.kernel.host, function)
    now = port.settings() if port else None
    if now is None:
        yield f"the PF of {record.device.pci_address} has no interface on the host, or not that VF"
        return
    for one in vf.differing(vf.wanted(config, now), now).each():
        yield f"{port} no longer imposes {words(one)}"


def _interface_differences(link: Link, previous: Result, request: Request) -> Iterator[str]:
    stated = next((i for i in previous.interfaces if i.name == request.ifname and i.sandbox), None)
    if stated is None:
        yield f"prevResult names no interface {request.ifname} in a sandbox"
        return
    if stated.mac and stated.mac.lower() != link.mac:
        yield f"{request.ifname} has the MAC {link.mac}, expected {stated.mac}"
    if stated.mtu and stated.mtu != link.mtu:
        yield f"{request.ifname} has MTU {link.mtu}, expected {stated.mtu}"


def _address_differences(pod: Namespace, link: Link, previous: Result) -> Iterator[str]:
    present = set(pod.addresses(link.index))
    ours = {
        number
        for number, interface in enumerate(previous.interfaces)
        if interface.name == link.name and interface.sandbox
    }
    for ip in previous.ips:
        if (ip.interface is None or ip.interface in ours) and ip.address not in present:
            yield f"{link.name} lacks the address {ip.address}"


def _route_differences(pod: Namespace, link: Link, record: Record) -> Iterator[str]:
    present = pod.routes(link.index)
    for route in routes.missing_routes(present, record.routes):
        yield f"{link.name} lacks the route {routes.describe(route)} in table {route.table}"
    for route in routes.foreign_routes(present, record.routes, record.addresses):
        yield f"{link.name} carries the route {routes.describe(route)} in table {route.table}"
    rules = [replace(rule, protocol=0) for rule in pod.rules()]  # whoever has put it back
    for rule in record.rules:
        if rule not in rules:
            yield f"the rule from {rule.source} lookup {rule.table} is missing"
