"""The RDMA device of a VF, on nodes where each one belongs to a single network namespace.

In the kernel's default, shared mode every namespace sees every RDMA device, and nothing is moved.
Source: rdma-system(8), rdma-dev(8).
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterable

from cni.kernel.functions import RdmaDevice, VirtualFunction
from cni.kernel.interface import Kernel, Namespace
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError, Code
from cni.rail.config import RailConfig
from cni.rail.node import Node

log = logging.getLogger(__name__)

_NO_GUID = "0000:0000:0000:0000"
_RETURN_PATIENCE = 1.0
"""Seconds that the kernel gets to bring a device home from a namespace that has just died."""


def wanted(
    config: RailConfig, function: VirtualFunction | None, kernel: Kernel
) -> RdmaDevice | None:
    """Return the RDMA device that is to move into the pod, None when none is.

    Raises:
        CniError: code 7, when the node is in shared mode or the device is no VF with one; 11,
            when its RDMA device is in another namespace.
    """
    if config.rdma == "shared":
        return None
    if function is None or function.is_userspace:
        raise CniError(
            Code.INVALID_CONFIG,
            f"rdma is 'exclusive', but {config.wanted_device} is no VF with a network driver",
            "remove rdma",
        )
    if not kernel.rdma_is_exclusive():
        raise CniError(
            Code.INVALID_CONFIG,
            "rdma is 'exclusive', but the node is in RDMA's shared mode, where nothing moves",
            "remove rdma, or before any pod runs: rdma system set netns exclusive",
        )
    for device in kernel.host.rdma_devices():
        if device.name == function.rdma_device:
            return device
    raise CniError(
        Code.TRY_AGAIN,
        f"rdma is 'exclusive', but {function.address} has no RDMA device on the host",
        f"see what there is: rdma dev; ls /sys/bus/pci/devices/{function.address}/infiniband",
    )


def move_home(pod: Namespace, wanted: RdmaDevice, host: Namespace) -> None:
    """Move a device from a pod to the host, where it may get another name."""
    found = _recognise(pod.rdma_devices(), wanted)
    if found:
        pod.move_rdma(found.index, host)


def restore(node: Node, function: VirtualFunction | None, wanted: RdmaDevice) -> bool:
    """Give a device on the host its name again; return whether it is there and has it.

    One that is in no namespace any more is gone for good, and not waited for.
    """
    host = node.kernel.host
    found = _await(host, wanted)
    if found is None:
        return _is_gone(node, function, wanted)
    if found.name == wanted.name:
        return True
    try:
        host.rename_rdma(found.index, wanted.name)
    except KernelError as error:
        if error.errno != errno.EEXIST:
            raise
        log.warning("%s: another RDMA device has that name", error)
        return False
    return True


def _await(host: Namespace, wanted: RdmaDevice) -> RdmaDevice | None:
    deadline = time.monotonic() + _RETURN_PATIENCE
    while True:
        found = _recognise(host.rdma_devices(), wanted)
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def _is_gone(node: Node, function: VirtualFunction | None, wanted: RdmaDevice) -> bool:
    if function and function.rdma_device:
        return True  # its driver has made another one since
    try:
        with node.kernel.search(lambda n: _recognise(n.rdma_devices(), wanted) is not None) as at:
            if at is None:
                return True
            log.warning("the RDMA device %s is still in %s", wanted.name, at.path)
    except KernelError as error:
        log.warning("the RDMA device %s is not on the host: %s", wanted.name, error)
    return False


def _recognise(devices: Iterable[RdmaDevice], wanted: RdmaDevice) -> RdmaDevice | None:
    """Return the device, whatever it is called there: a pod may have renamed it."""
    if wanted.node_guid == _NO_GUID:
        return next((device for device in devices if device.name == wanted.name), None)
    alike = [device for device in devices if device.node_guid == wanted.node_guid]
    return max(alike, key=lambda device: device.name == wanted.name, default=None)
