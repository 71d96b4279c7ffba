"""rail-sriov's five verbs, and how the program is wired."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from cni.host import logs
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.config import warn_of_unknown_keys
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Result
from cni.rail import config as rail_config
from cni.rail import device as devices
from cni.rail.attach import attach
from cni.rail.attachment import Attachments, Record
from cni.rail.check import check
from cni.rail.detach import detach
from cni.rail.node import Node
from cni.rail.undisturbed import undisturbed

log = logging.getLogger(__name__)


class RailSriov:
    """The plugin, on the ports of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def add(self, request: Request) -> Result:
        """Attach one device to one rail."""
        config = rail_config.read(request)
        warn_of_unknown_keys(config)
        return attach(self._node, request, config)

    def delete(self, request: Request) -> None:
        """Bring home what this attachment has; its configuration may be invalid by now."""
        node = self._node
        with node.locks.container(request.container_id):
            known = node.attachments.of(request.attachment)
            for listed in known:
                with node.locks.device(listed.device.key):
                    record = node.attachments.again(listed)
                    if record:
                        detach(node, record, request, request.netns)
            node.attachments.sweep(request.attachment)
            if not known:  # yet addresses perhaps: those of a record that was lost
                self._release_unrecorded(request)

    def _release_unrecorded(self, request: Request) -> None:
        try:
            ipam = self._node.ipam_for(request)
        except CniError as error:
            log.warning("nothing can be held of it: %s", error)  # nor did ADD get by it
            return
        if ipam:
            ipam.release(request)

    def check(self, request: Request) -> None:
        """Compare the attachment with the result of its ADD."""
        check(self._node, request, rail_config.read(request))

    def collect(self, request: Request) -> None:
        """Free this network's attachments that the runtime no longer knows."""
        valid = request.valid_attachments
        errors = [error for record in self._dead(request) if (error := self._free(record, request))]
        kept = {
            (record.attachment.container_id, record.attachment.ifname)
            for record in self._node.attachments.all()
            if record.attachment.network == request.network
        }
        # What could not be freed keeps its addresses as well.
        entries = [{"containerID": c, "ifname": i} for c, i in sorted(valid | kept)]
        config = {**request.config, "cni.dev/valid-attachments": entries}
        try:
            ipam = self._node.ipam_for(request)
            if ipam:
                ipam.collect(replace(request, config=config))
        except (CniError, OSError) as error:
            if not errors:
                raise
            errors.append(f"addresses: {error}")
        if errors:
            raise CniError(Code.IO_FAILURE, f"not freed: {'; '.join(errors)}")

    def status(self, request: Request) -> None:
        """Raise when an ADD would fail."""
        node, config = self._node, rail_config.read(request)
        try:
            if config.wanted_device:
                _check_device(node, config)
        except CniError as error:
            raise CniError(Code.NOT_AVAILABLE, error.msg, error.details) from None
        rail = config.rail or request.network
        if found := node.outages(rail):
            raise CniError(Code.NOT_AVAILABLE, f"rail {rail} is down: {'; '.join(found)}")
        ipam = node.ipam_for(request)
        if ipam:
            ipam.status(request)

    def _dead(self, request: Request) -> Iterator[Record]:
        boot_id = self._node.kernel.boot_id()
        for record in self._node.attachments.all():
            of_network = record.attachment.network == request.network
            known = (
                record.attachment.container_id,
                record.attachment.ifname,
            ) in request.valid_attachments
            older = record.started < request.started or record.boot_id != boot_id
            if of_network and not known and older:
                yield record

    def _free(self, listed: Record, request: Request) -> str:
        """Free one attachment, unless a request is at work on it; return what went wrong."""
        try:
            with undisturbed(self._node, listed) as alone:
                if alone:
                    detach(self._node, listed, request)
        except (CniError, OSError) as error:
            return f"{listed.holder}: {error}"
        return ""


def _check_device(node: Node, config: rail_config.RailConfig) -> None:
    """Raise when the device that a configuration names could not be taken now."""
    devices.check(devices.find(config, node.kernel, node.sysfs), config)


def make_plugin(request: Request) -> RailSriov:
    """Wire rail-sriov for one request of this process."""
    from cni.delegate.choose import ipam_for
    from cni.kernel.linux import LinuxKernel
    from cni.kernel.sysfs import LinuxSysfs

    paths = Paths.of(request.environ)
    logs.configure(request, paths.logs)
    node = Node(
        kernel=LinuxKernel(),
        sysfs=LinuxSysfs(),
        attachments=Attachments(paths.attachments),
        locks=Locks(paths.locks),
        ipam_for=ipam_for,
    )
    return RailSriov(node)
