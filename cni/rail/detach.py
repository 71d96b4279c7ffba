"""The way home: DEL, the undo of a failed ADD, GC, and the finishing of what a dead process began.

They are one function.  It compares what is there with the baseline and does what is missing, so it
may be called after any step, any number of times, by anybody who finds the record.
"""

from __future__ import annotations

import errno
import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import Enum
from zlib import crc32

from cni.kernel.functions import VfSettings
from cni.kernel.interface import Namespace, Sysfs
from cni.kernel.types import KernelError, Link, NetnsGoneError
from cni.protocol.request import Request, stated_version
from cni.protocol.versions import Command
from cni.rail import device_info, rdma
from cni.rail.attachment import Record
from cni.rail.device import recognise
from cni.rail.node import Node
from cni.rail.port import Port
from cni.rail.restore import restore_link, restore_mac, restore_settings

log = logging.getLogger(__name__)

_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH})
_RETURN_PATIENCE = 2.0
"""Seconds that the kernel gets to bring a device home from a namespace that has just died."""


class Whereabouts(Enum):
    """Where the device of an attachment was found to be, once all was done that could be."""

    HOME = "on the host, as it was"
    RENAMED = "on the host, but its name or an altname is taken"
    UNRESTORED = "on the host, but not as it was"
    DESTROYED = "gone with its namespace"
    AWAY = "in a namespace that cannot be found"

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self in {Whereabouts.HOME, Whereabouts.DESTROYED}


def detach(node: Node, record: Record, request: Request, netns_hint: str = "") -> Whereabouts:
    """Bring a device home, release its addresses, and forget the attachment.

    What cannot be done now stays recorded: the addresses are kept while the device may still carry
    them, the record until the device has its baseline.

    Args:
        node: the node.
        record: what ADD wrote down; with its configuration the addresses are released.
        request: the one that is being served, whosever it is: the environment for IPAM plugins.
        netns_hint: where the runtime says the pod's namespace is; checked before it is believed.

    Raises:
        KernelError: the kernel refused a step; the record is kept and the next call goes on there.
        CniError: the IPAM plugin refused.
    """
    if record.boot_id != node.kernel.boot_id():
        where = Whereabouts.DESTROYED  # namespaces end with their boot, and devices start anew
    elif _is_superseded(node, record):
        where = Whereabouts.HOME  # whoever has the device since then has its baseline, too
    else:
        where = _bring_home(node, record, netns_hint)
    record = record.model_copy(update={"unrestored": where is Whereabouts.UNRESTORED})
    if record.unrestored:
        node.attachments.save(record)  # the IPAM plugin may fail, and nobody may have it the less
    if where is not Whereabouts.AWAY and not record.released:
        _release(node, record, request)
    if where.finished:
        device_info.remove(record.device_info, record.device.pci_address)
        node.attachments.forget(record)
    else:
        released = record.released or where is not Whereabouts.AWAY
        node.attachments.save(record.model_copy(update={"released": released}))
        log.warning(
            "%s, the device of %s, is %s; it is recorded and finished by the next DEL, GC or ADD",
            record.device.host_name, record.holder, where.value,
        )  # fmt: skip
    return where


def _release(node: Node, record: Record, request: Request) -> None:
    """Release the addresses, with the configuration that they were allocated with."""
    config = json.loads(record.config)
    if record.attachment == request.attachment and "prevResult" in request.config:
        config["prevResult"] = request.config["prevResult"]
    own = replace(
        request,
        command=Command.DEL,
        version=stated_version(config),
        config=config,
        container_id=record.attachment.container_id,
        ifname=record.attachment.ifname,
        netns=record.netns_path,
        args=record.args,
    )
    ipam = node.ipam_for(own)
    if ipam:
        ipam.release(own)


def _is_superseded(node: Node, record: Record) -> bool:
    """Return whether a newer attachment owns the device."""
    return any(
        other.started > record.started and other.device.is_same(record.device)
        for other in node.attachments.on(record.device.key)
    )


def _bring_home(node: Node, record: Record, netns_hint: str) -> Whereabouts:
    device = record.device
    if device.userspace:
        return _restore(node, None, record)  # it never left
    host = node.kernel.host
    with find_namespace(node, record, netns_hint) as pod:
        if pod is not None:
            _withdraw(pod, record)
            if record.rdma:
                rdma.move_home(pod, record.rdma, host)
            link = recognise(pod.links(), device, index=record.pod_index)
            if link is not None:
                _move_home(node, pod, link, record)
        link = _await_return(node, record, namespace_is_gone=pod is None)
    if link is not None:
        return _restore(node, link, record)
    function = node.sysfs.virtual_function(device.pci_address) if device.pci_address else None
    if function and function.is_userspace:
        return _restore(node, None, record)  # bound to another driver meanwhile
    unplugged = device.bus_address and not node.sysfs.device_exists(device.bus_address)
    if device.outlives_namespace and not unplugged:
        return Whereabouts.AWAY
    return Whereabouts.DESTROYED


def _restore(node: Node, link: Link | None, record: Record) -> Whereabouts:
    """Give a device that is on the host its baseline again, its PF's part last.

    Clearing the VLAN while the VF is in the pod would open the untagged network to it.
    """
    host, named, whole = node.kernel.host, True, True
    address = record.device.pci_address
    function = node.sysfs.virtual_function(address) if address else None
    port = Port.of(host, function)
    if link:
        whole = restore_mac(host, link, record, port)
        named = restore_link(host, link, record)
    if function and record.imposed != VfSettings():
        whole &= restore_settings(port, record, has_its_mac=whole)
    if record.rdma:
        whole &= rdma.restore(node, function, record.rdma)
    if not whole:
        return Whereabouts.UNRESTORED
    return Whereabouts.HOME if named else Whereabouts.RENAMED


@contextmanager
def find_namespace(node: Node, record: Record, hint: str = "") -> Iterator[Namespace | None]:
    """Open the namespace that an attachment was made in, wherever it is mounted now.

    Args:
        node: the node.
        record: the attachment.
        hint: a path to try first; a namespace that is not the attachment's is left alone.
    """
    with ExitStack() as stack:
        for path in dict.fromkeys(filter(None, (hint, record.netns_path))):
            try:
                candidate = stack.enter_context(node.kernel.open(path))
            except NetnsGoneError as error:
                log.info("%s", error)
                continue
            if candidate.identity == record.netns:
                yield candidate
                return
            log.warning("%s is not the namespace of %s", path, record.holder)
        yield stack.enter_context(
            node.kernel.search(lambda namespace: namespace.identity == record.netns)
        )


def _withdraw(pod: Namespace, record: Record) -> None:
    """Take back the rules, which do not go away with the device as its routes do."""
    for rule in record.rules:
        with _unless_gone():
            pod.remove_rule(rule)


def _move_home(node: Node, pod: Namespace, link: Link, record: Record) -> None:
    """Move the device to the host, under a name that nobody has; down first."""
    with _unless_gone():
        pod.set_down(link.index)
        for altname in link.altnames:
            pod.remove_altname(link.index, altname)  # one that the host has stops the move
        try:
            pod.move(link.index, node.kernel.host, temporary_name(record))
        except KernelError:
            if _on_host(node, record) is None:
                raise  # else it was half applied, and the device is here


def _on_host(node: Node, record: Record) -> Link | None:
    links = [_with_parent(link, node.sysfs) for link in node.kernel.host.links()]
    return recognise(links, record.device, name=temporary_name(record))


def _with_parent(link: Link, sysfs: Sysfs) -> Link:
    """Return a link of the host with its bus address, which sysfs tells before Linux 5.14, too."""
    if link.parent or link.kind or link.loopback:
        return link
    return replace(link, parent=sysfs.address_of(link.name))


def temporary_name(record: Record) -> str:
    """Return the host name of a device on its way, which tells it from every other one's."""
    at = record.attachment
    identity = f"{record.device.key} {at.container_id} {at.ifname}"
    return f"rail{crc32(identity.encode()):08x}"


def _await_return(node: Node, record: Record, *, namespace_is_gone: bool) -> Link | None:
    """Return the device's link on the host; a dying namespace hands it back a little later."""
    deadline = time.monotonic() + _RETURN_PATIENCE
    while True:
        link = _on_host(node, record)
        coming = namespace_is_gone and record.device.outlives_namespace
        if link or not coming or time.monotonic() > deadline:
            return link
        time.sleep(0.02)


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Go on when what is to be removed is already gone."""
    try:
        yield
    except KernelError as error:
        if error.errno not in _GONE:
            raise
