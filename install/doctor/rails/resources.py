"""What a device plugin is told to offer, and what kubelet knows of it.  Pure.

Sources: the README of k8snetworkplumbingwg/sriov-network-device-plugin (selectors), and
`checkpoint.go` of kubelet's device manager, whose file is read and never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cni.kernel.functions import PciDevice, VirtualFunction

PREFIX = "intel.com"
"""What the plugin puts in front of a name, unless it is told another one."""


class ConfigError(ValueError):
    """It is no configuration of a device plugin; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which VFs are meant: all that is stated must hold."""

    vendors: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    drivers: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    pfs: tuple[str, ...] = ()
    """Names of PFs, with `#0-3,7` behind for some of their VFs."""
    roots: tuple[str, ...] = ()
    """PCI addresses of PFs, likewise."""

    def selects(self, vf: VirtualFunction, device: PciDevice | None) -> bool:
        """Return whether a VF is meant."""
        return (
            (not self.vendors or (device is not None and device.vendor in self.vendors))
            and (not self.devices or (device is not None and device.device in self.devices))
            and (not self.drivers or vf.driver in self.drivers)
            and (not self.addresses or vf.address in self.addresses)
            and (not self.pfs or _is_among(vf.pf_netdev, vf.index, self.pfs))
            and (not self.roots or _is_among(vf.pf_address, vf.index, self.roots))
        )


@dataclass(frozen=True, slots=True)
class Resource:
    """What the plugin offers by one name."""

    name: str
    """With its prefix: `rdma/hca_shared_a`."""
    selectors: Sequence[Selector]

    def selects(self, vf: VirtualFunction, device: PciDevice | None) -> bool:
        """Return whether it offers a VF."""
        return any(selector.selects(vf, device) for selector in self.selectors)


@dataclass(frozen=True, slots=True)
class Kubelet:
    """What kubelet has written down of its device plugins."""

    registered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of each resource its devices."""
    allocated: Mapping[str, str] = field(default_factory=dict)
    """Of each device that a container has, the UID of its pod."""


def config(document: object) -> list[Resource]:
    """Read the plugin's `config.json`.

    Raises:
        ConfigError: it is none.
    """
    listed = document.get("resourceList") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ConfigError("expected an object with a resourceList")
    return [_resource(entry, number) for number, entry in enumerate(listed)]


def is_shared(document: object) -> bool:
    """Return whether it is the configuration of the RDMA shared device plugin."""
    return isinstance(document, dict) and "configList" in document


def kubelet(text: str) -> Kubelet:
    """Read `kubelet_internal_checkpoint` (ValueError)."""
    document = json.loads(text)
    data = document.get("Data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise ConfigError("expected an object with Data")
    registered = data.get("RegisteredDevices") or {}
    return Kubelet(
        {name: frozenset(map(str, devices or ())) for name, devices in registered.items()},
        dict(_allocated(data.get("PodDeviceEntries") or ())),
    )


def _allocated(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        devices = entry.get("DeviceIDs") or ()
        # By NUMA node since Kubernetes 1.20.
        groups = devices.values() if isinstance(devices, dict) else [devices]
        for group in groups:
            for device in group:
                yield str(device), str(entry.get("PodUID", ""))


def _resource(entry: object, number: int) -> Resource:
    name = entry.get("resourceName") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(name, str) or not name:
        raise ConfigError(f"resourceList[{number}] has no resourceName")
    given = entry.get("selectors") or {}
    stated = given if isinstance(given, list) else [given]
    prefix = entry.get("resourcePrefix") or PREFIX
    return Resource(f"{prefix}/{name}", [_selector(one, name) for one in stated])


def _selector(stated: object, name: str) -> Selector:
    if not isinstance(stated, dict):
        raise ConfigError(f"the selectors of {name} are {stated!r}, expected an object")

    def texts(key: str) -> tuple[str, ...]:
        values = stated.get(key) or ()
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
            raise ConfigError(f"{key} of {name} is {values!r}, expected a list of texts")
        return tuple(values)

    return Selector(
        vendors=frozenset(texts("vendors")),
        devices=frozenset(texts("devices")),
        drivers=frozenset(texts("drivers")),
        addresses=frozenset(texts("pciAddresses")),
        pfs=texts("pfNames"),
        roots=texts("rootDevices"),
    )


def _is_among(name: str, number: int, stated: Sequence[str]) -> bool:
    for one in stated:
        wanted, _, numbers = one.partition("#")
        if name and wanted == name and (not numbers or _has(numbers, number)):
            return True
    return False


def _has(numbers: str, number: int) -> bool:
    for run in numbers.split(","):
        first, _, last = run.partition("-")
        try:
            if int(first) <= number <= int(last or first):
                return True
        except ValueError:
            continue  # the plugin says so itself, and offers nothing by it
    return False
