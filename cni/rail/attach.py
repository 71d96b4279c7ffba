"""ADD: one device into one pod, wholly or not at all.

The order is the design's: nothing is touched before the intent is on disk, and from then on
`detach` undoes whatever was done, half-applied steps included.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cni.kernel.functions import NO_MAC, VfSettings
from cni.kernel.interface import Namespace
from cni.kernel.types import NetnsGoneError
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Result
from cni.rail import config as rail_config
from cni.rail import device as devices
from cni.rail import device_info, former, rdma, vf
from cni.rail.attachment import Record
from cni.rail.config import RailConfig
from cni.rail.detach import detach
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
        # Under this lock: if its DEL has come meanwhile, it went by, and would not come again.
        _check_wanted(node, request)
        former.finish_own(node, request)
        with node.locks.device(key):
            former.finish_former(node, request, key)
            former.refuse_unrestored(node, key)
            device = devices.find(config, node.kernel, node.sysfs)
            if device.key != key:
                raise CniError(
                    Code.TRY_AGAIN,
                    f"{config.wanted_device} became another device while it was waited for",
                )
            devices.check(device, config)
            _check_ifname_is_free(pod, request)
            node.ipam_for(request)  # one that is not there is refused before anything is begun
            return _attach(node, request, config, pod, device)


def _check_wanted(node: Node, request: Request) -> None:
    """Raise code 11 when the runtime has given its ADD up: nobody would undo what it does."""
    if not node.is_wanted():
        raise CniError(
            Code.TRY_AGAIN,
            f"the runtime waits no longer for {request.ifname} of container "
            f"{request.container_id}, and nothing is attached",
        )


def _attach(
    node: Node, request: Request, config: RailConfig, pod: Namespace, device: devices.Device
) -> Result:
    unfinished = former.unfinished(node, device)
    now = _settings(device, config)
    imposed = vf.differing(vf.wanted(config, now), now) if device.function else VfSettings()
    baseline = device.baseline(vf.baseline(imposed, now))
    if unfinished:
        # A device that came home without its name keeps the one it had before that.
        baseline = unfinished[0].baseline.model_copy(update={"vf": baseline.vf})
    intent = Record(
        attachment=request.attachment,
        pod=request.pod,
        rail=config.rail or request.network,
        boot_id=node.kernel.boot_id(),
        # Not of the request: who had to wait for the device has it later than who had not.
        started=node.kernel.uptime(),
        config=json.dumps(dict(request.config)),
        args=dict(request.args),
        device=device.identity(config.mac or _mac_to_come(device)),
        baseline=baseline,
        imposed=imposed,
        netns=pod.identity,
        netns_path=request.netns,
        numa_node=device.function.numa_node if device.function else None,
        rdma=rdma.wanted(config, device.function, node.kernel),
        device_info=device_info.path(config),
        path=request.path,
    )
    _warn_of_distance(node, intent)
    steps = Steps(node, request, config, pod, intent)
    try:
        steps.save()
        for record in unfinished:
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


def _check_ifname_is_free(pod: Namespace, request: Request) -> None:
    taken = pod.find(request.ifname)
    if taken:
        also = f" (as an altname of {taken.name})" if taken.name != request.ifname else ""
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_IFNAME is {request.ifname!r}, which {request.netns} already has{also}",
        )


def _warn_of_distance(node: Node, record: Record) -> None:
    """Warn when a container's rails are on several NUMA nodes: one of them is far from its GPU."""
    if record.numa_node is None:
        return
    for other in node.attachments.of_container(record.attachment.container_id):
        if other.numa_node not in {None, record.numa_node}:
            log.warning(
                "%s is on NUMA node %d, but %s of the same container (%s) is on node %d",
                record.device.host_name, record.numa_node,
                other.attachment.ifname, other.device.host_name, other.numa_node,
            )  # fmt: skip


def _undo(node: Node, request: Request, record: Record, cause: BaseException) -> None:
    """Undo a failed ADD; when that fails too, say so and leave the rest to DEL."""
    try:
        detach(node, record, request)
    except Exception as error:
        log.exception("undoing the failed ADD of %s failed", record.holder)
        cause.add_note(f"undoing it failed as well: {error}; DEL will finish it")


def _mac_to_come(device: devices.Device) -> str:
    """Return what a VF may take on by itself, where nothing better than a MAC tells which it is."""
    link, port = device.link, device.port
    if link is None or link.parent or port is None:
        return ""
    now = port.settings()
    return now.mac if now and now.mac and now.mac != NO_MAC else ""


def _settings(device: devices.Device, config: RailConfig) -> VfSettings:
    """Return what the PF imposes on a VF; it is asked only where the configuration asks of it."""
    function, port = device.function, device.port
    if function is None or not (config.mac or vf.stated_keys(config)):
        return VfSettings()
    now = port.settings() if port else None
    if now is None:
        raise CniError(
            Code.TRY_AGAIN,
            f"{function.pf_netdev or function.pf_address} does not tell what it imposes on its "
            f"VF {function.index} ({function.address})",
            "see whether the PF is on the host and lists that VF: ip link show",
        )
    return now
