"""ADD: one device into one pod, wholly or not at all.

The order is the design's: nothing is touched before the intent is on disk, and from then on
`detach` undoes whatever was done, half-applied steps included.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cni.kernel.interface import Namespace
from cni.kernel.types import NetnsGoneError
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Result
from cni.rail import config as rail_config
from cni.rail import device as devices
from cni.rail import device_info
from cni.rail.attachment import Record
from cni.rail.config import RailConfig
from cni.rail.detach import Whereabouts, detach, find_namespace
from cni.rail.node import Node
from cni.rail.steps import Steps

log = logging.getLogger(__name__)


def attach(node: Node, request: Request, config: RailConfig) -> Result:
    """Serve ADD.

    Raises:
        CniError: nothing is left behind, unless the message says what is and who finishes it.
    """
    rail_config.check_device(config, request)
    key = devices.key(config, node.sysfs)
    with node.locks.container(request.container_id), _open_pod(node, request) as pod:
        _finish_own(node, request)
        with node.locks.device(key):
            _finish_former(node, request, key)
            device = devices.find(config, node.kernel.host, node.sysfs)
            if device.key != key:
                raise CniError(
                    Code.TRY_AGAIN,
                    f"{config.wanted_device} became another device while it was waited for",
                )
            devices.check_mtu(device, config.mtu)
            _check_ifname_is_free(pod, request)
            node.ipam_for(request)  # one that is not there is refused before anything is begun
            return _attach(node, request, config, pod, device)


def _attach(
    node: Node, request: Request, config: RailConfig, pod: Namespace, device: devices.Device
) -> Result:
    unrestored = _unrestored(node, device)
    # A device that came home without its name keeps the baseline it had before that.
    baseline = unrestored[0].baseline if unrestored else device.baseline()
    intent = Record(
        attachment=request.attachment,
        pod=request.pod,
        rail=config.rail or request.network,
        boot_id=node.kernel.boot_id(),
        # Not of the request: who had to wait for the device has it later than who had not.
        started=node.kernel.uptime(),
        config=json.dumps(dict(request.config)),
        args=dict(request.args),
        device=device.identity(config.mac or ""),
        baseline=baseline,
        netns=pod.identity,
        netns_path=request.netns,
        device_info=device_info.path(config),
    )
    steps = Steps(node, request, config, pod, intent)
    try:
        steps.save()
        for record in unrestored:
            if record.released:
                node.attachments.forget(record)
        return steps.run(device)
    except BaseException as error:
        _undo(node, request, steps.record, error)
        raise


@contextmanager
def _open_pod(node: Node, request: Request) -> Iterator[Namespace]:
    try:
        with node.kernel.open(request.netns) as pod:
            if pod.identity == node.kernel.host.identity:
                raise CniError(
                    Code.INVALID_ENVIRONMENT,
                    f"CNI_NETNS is {request.netns!r}, which is the host's own network namespace",
                    "a pod with hostNetwork has no rails",
                )
            yield pod
    except NetnsGoneError as error:
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_NETNS is {request.netns!r}, expected a network namespace: {error.strerror}",
        ) from None


def _finish_own(node: Node, request: Request) -> None:
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


def _finish_former(node: Node, request: Request, key: str) -> None:
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
    if not record.attached or record.boot_id != node.kernel.boot_id():
        return False
    with find_namespace(node, record) as pod:
        return pod is not None and bool(
            devices.recognise(pod.links(), record.device, index=record.pod_index)
        )


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


def _check_ifname_is_free(pod: Namespace, request: Request) -> None:
    taken = pod.find(request.ifname)
    if taken:
        also = f" (as an altname of {taken.name})" if taken.name != request.ifname else ""
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_IFNAME is {request.ifname!r}, which {request.netns} already has{also}",
        )


def _unrestored(node: Node, device: devices.Device) -> list[Record]:
    """Return the records that still wait for this very device to get its name back."""
    return [
        record
        for record in node.attachments.on(device.key)
        if devices.recognise([device.link], record.device)
    ]


def _undo(node: Node, request: Request, record: Record, cause: BaseException) -> None:
    """Undo a failed ADD; when that fails too, say so and leave the rest to DEL."""
    try:
        detach(node, record, request)
    except Exception as error:
        log.exception("undoing the failed ADD of %s failed", record.holder)
        cause.add_note(f"undoing it failed as well: {error}; DEL will finish it")
