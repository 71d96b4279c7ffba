"""Former attachments of a device: they are finished before it is given away again."""

from __future__ import annotations

import logging

from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.rail import device as devices
from cni.rail.attachment import Record
from cni.rail.detach import Whereabouts, detach, find_namespace
from cni.rail.node import Node

log = logging.getLogger(__name__)


def finish_own(node: Node, request: Request) -> None:
    """Finish what an earlier ADD of this very attachment left; refuse when it stands."""
    for former in node.attachments.of(request.attachment):
        if _is_alive(node, former):
            raise CniError(
                Code.TRY_AGAIN,
                f"{former.holder} is already attached, to {former.device.host_name}",
                "the runtime must call DEL first",
            )
        with node.locks.device(former.device.key):
            record = node.attachments.again(former)
            if record:
                _finish(node, request, record)


def finish_former(node: Node, request: Request, key: str) -> None:
    """Finish what others left of this device; refuse while somebody lives on it."""
    for former in node.attachments.on(key):
        if not _is_alive(node, former):
            _finish(node, request, former)
        elif former.device.pci_address or not node.kernel.host.find(former.device.host_name):
            # Else another device has been given that name since.
            raise CniError(
                Code.TRY_AGAIN,
                f"{former.device.host_name} ({former.device.key}) is held by {former.holder}",
                "see what is attached: railctl attachments",
            )


def _is_alive(node: Node, record: Record) -> bool:
    """Return whether an attachment was finished and its device is still in its pod."""
    if not record.attached or record.released or record.boot_id != node.kernel.boot_id():
        return False
    with find_namespace(node, record) as pod:
        if pod is None or record.device.userspace:
            return pod is not None
        return bool(devices.recognise(pod.links(), record.device, index=record.pod_index))


def _finish(node: Node, request: Request, former: Record) -> None:
    log.info("finishing the attachment of %s first", former.holder)
    try:
        where = detach(node, former, request)
    except CniError as error:
        # The device is home; that a former holder's IPAM plugin is unwell is its own DEL's matter.
        log.warning("the addresses of %s are not released yet: %s", former.holder, error)
        return
    if where is Whereabouts.AWAY:
        raise CniError(
            Code.TRY_AGAIN,
            f"{former.device.host_name} ({former.device.key}) was {former.holder}'s, "
            "and is in a network namespace that cannot be found",
            "some process keeps that namespace: lsns -t net",
        )


def refuse_unrestored(node: Node, key: str) -> None:
    """Raise code 11 while a device is not as it was before a former holder.

    It would bring that one's VLAN, trust, address or RDMA device into the next pod.
    """
    for record in node.attachments.on(key):
        if record.unrestored:
            raise CniError(
                Code.TRY_AGAIN,
                f"{record.device.host_name} ({key}) was {record.holder}'s, and is not yet as it "
                "was before",
                "the log of this ADD says what was refused; do that by hand, and try again",
            )


def unfinished(node: Node, device: devices.Device) -> list[Record]:
    """Return the records that still wait for this very device to have its names."""
    return [
        record
        for record in node.attachments.on(device.key)
        if device.link is None
        or record.device.pci_address
        or devices.recognise([device.link], record.device)
    ]
