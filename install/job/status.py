"""The network-status annotation: which interfaces a pod has.

Sources: Kubernetes Network Custom Resource Definition De-facto Standard 1.3, section 5.2; Device
Information Specification 1.1.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any

from cni.kernel.functions import PCI_ADDRESS
from cni.protocol.request import ifname_problem
from install.job.annotations import STATUS
from install.job.errors import JobError, NotYetError
from ipam.ranges import Address

_ON_PCI = ("pci", "vdpa")
"""Kinds of devices that name a PCI address."""


@dataclass(frozen=True, slots=True)
class Attached:
    """One interface of a pod."""

    network: str
    """`namespace/name`, or what the cluster's own network is called."""
    ifname: str
    addresses: tuple[Address, ...]
    is_default: bool
    """It is the cluster's own network, not a rail."""
    pci_address: str = ""
    """Empty where nobody said it."""
    rdma_device: str = ""
    """The same."""

    def is_called(self, pattern: str) -> bool:
        """Tell whether a pattern such as `roce-*` means it, by network or by interface."""
        names = (self.network, self.network.rpartition("/")[2], self.ifname)
        return any(fnmatchcase(name, pattern) for name in names)


def read(text: str) -> tuple[Attached, ...]:
    """Return a pod's interfaces.

    Raises:
        JobError: the annotation is malformed.
    """
    try:
        listed = json.loads(text)
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        found = text[:60]
        raise JobError(f"the annotation {STATUS} is {found!r}, expected a list as Multus writes")
    return tuple(_attached(entry) for entry in listed)


def rails(attached: Sequence[Attached], patterns: Sequence[str]) -> tuple[Attached, ...]:
    """Return the rails that are meant, each once, in the order of the interfaces.

    Args:
        attached: all interfaces.
        patterns: which; none for all that are rails.

    Raises:
        NotYetError: a pattern means none, or there is no rail.
    """
    candidates = [one for one in attached if not one.is_default]
    there = ", ".join(f"{one.ifname} ({one.network})" for one in candidates) or "none"
    for pattern in patterns:
        if not any(one.is_called(pattern) for one in candidates):
            raise NotYetError(f"the pod has no rail {pattern}, it has {there}")
    if not candidates:
        asked = "does it ask for any in k8s.v1.cni.cncf.io/networks?"
        raise NotYetError(f"the pod has no rail: {asked}")
    return tuple(
        one
        for one in candidates
        if not patterns or any(one.is_called(pattern) for pattern in patterns)
    )


def _attached(entry: Any) -> Attached:
    keys: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    ifname, listed = keys.get("interface", ""), keys.get("ips") or []
    if not isinstance(ifname, str) or ifname_problem(ifname) or not isinstance(listed, list):
        raise JobError(f"the annotation {STATUS} has {entry!r}, expected interface and ips")
    pci_address, rdma_device = _device(keys.get("device-info"))
    return Attached(
        str(keys.get("name", "")),
        ifname,
        tuple(_address(text) for text in listed),
        keys.get("default") is True,
        pci_address,
        rdma_device,
    )


def _address(text: object) -> Address:
    try:
        return ip_address(str(text).partition("/")[0])
    except ValueError:
        raise JobError(f"the annotation {STATUS} has {text!r}, expected an address") from None


def _device(info: Any) -> tuple[str, str]:
    kind = info.get("type") if isinstance(info, dict) else None
    return on_pci(info.get(kind)) if kind in _ON_PCI else ("", "")


def on_pci(device: Any) -> tuple[str, str]:
    """Return PCI address and RDMA device of a `pci` object; empty what it does not say."""
    keys: Mapping[str, Any] = device if isinstance(device, dict) else {}
    address = str(keys.get("pci-address", "")).lower()
    return address if PCI_ADDRESS.fullmatch(address) else "", str(keys.get("rdma-device") or "")
