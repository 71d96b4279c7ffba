"""Which device an attachment takes, whether it may be taken, and how it is known again.

Pure but for `find`, which asks the host and sysfs and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from cni.kernel.functions import VfSettings, VirtualFunction
from cni.kernel.interface import Kernel, Namespace, Sysfs
from cni.kernel.types import KernelError, Link
from cni.protocol.errors import CniError, Code
from cni.rail import usage, vf
from cni.rail.attachment import Baseline, DeviceIdentity
from cni.rail.config import RailConfig
from cni.rail.port import Port

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is on the host and free to be taken."""

    link: Link | None
    """None for a VF that a program drives."""
    function: VirtualFunction | None = None
    """None for a device that is no VF."""
    port: Port | None = None
    """Of a VF; None where its PF has no interface on the host."""
    bus_address: str = ""
    """On the PCI bus; empty for what is on none."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return self.link.name if self.link else self.bus_address

    @property
    def key(self) -> str:
        """The name of its lock and of its records."""
        return self.identity().key

    def identity(self, *macs: str) -> DeviceIdentity:
        """Return how it will be recognised, also with one of these MACs."""
        link, pci_address = self.link, self.function.address if self.function else ""
        if link is None:
            return DeviceIdentity(
                pci_address=pci_address, bus_address=self.bus_address, host_name=self.name,
                kind="", permanent_mac="", macs=(), lower=0, userspace=True,
            )  # fmt: skip
        return DeviceIdentity(
            pci_address=pci_address,
            bus_address=self.bus_address,
            host_name=link.name,
            kind=link.kind,
            permanent_mac=link.permanent_mac,
            macs=tuple(dict.fromkeys(mac for mac in (link.mac, *macs) if mac)),
            lower=link.lower,
        )

    def baseline(self, settings: VfSettings) -> Baseline:
        """Return what DEL must restore; `settings` is the PF's part."""
        link = self.link
        if link is None:
            return Baseline(vf=settings)
        return Baseline(
            name=link.name,
            mac=link.mac,
            mtu=link.mtu,
            up=link.up,
            altnames=link.altnames,
            vf=settings,
        )


def key(config: RailConfig, sysfs: Sysfs) -> str:
    """Return the lock and record name of the device that a configuration names.

    A VF named by its netdev gets the same key as by its PCI address.
    """
    address = config.pci_address or sysfs.address_of(config.device or "")
    is_function = config.pci_address or (address and sysfs.virtual_function(address))
    return f"pci-{address}" if is_function else f"dev-{config.device}"


def find(config: RailConfig, kernel: Kernel, sysfs: Sysfs) -> Device:
    """Return the device that a configuration names.

    Raises:
        CniError: code 7, when there is none, or it may not be taken; 11, when it is elsewhere.
    """
    host = kernel.host
    if config.pci_address:
        return _find_function(config.pci_address, kernel, sysfs)
    link = host.find(config.device or "")
    if link is None:
        raise CniError(
            Code.INVALID_CONFIG,
            f"device is {config.device!r}: the host has no interface of that name",
            "list what it has: ip -br link",
        )
    if link.name != config.device:
        # Another configuration may use the name itself: one device must not have two locks.
        raise CniError(
            Code.INVALID_CONFIG,
            f"device is {config.device!r}, an altname, expected the interface's name: {link.name}",
        )
    address = sysfs.address_of(link.name)
    _check_unused(f"device is {config.device!r}", link, host, sysfs)
    function = sysfs.virtual_function(address) if address else None
    return Device(link, function, Port.of(host, function), address)


def _find_function(address: str, kernel: Kernel, sysfs: Sysfs) -> Device:
    key, host = f"deviceID is {address!r}", kernel.host
    function = sysfs.virtual_function(address)
    if function is None:
        known = sysfs.device_exists(address)
        raise CniError(
            Code.INVALID_CONFIG,
            f"{key}: {'that device is no virtual function' if known else 'no such PCI device'}",
            "list the virtual functions: railctl vf list",
        )
    if not function.driver:
        raise CniError(
            Code.INVALID_CONFIG,
            f"{key}: no driver is bound to that virtual function",
            f"bind its network driver: echo {address} > /sys/bus/pci/drivers_probe",
        )
    if function.is_userspace:
        return Device(None, function, Port.of(host, function), address)
    link = host.find(function.netdev) if function.netdev else None
    if link is None:
        raise _elsewhere(key, function, kernel)
    _check_unused(key, link, host, sysfs)
    return Device(link, function, Port.of(host, function), address)


def _elsewhere(key: str, function: VirtualFunction, kernel: Kernel) -> CniError:
    """Return the error for a VF that has no interface on the host, and where it has one."""
    missing = f"{key} (driver {function.driver}): it has no interface on the host"
    try:
        with kernel.search(lambda namespace: _holds(namespace, function.address)) as namespace:
            if namespace:
                return CniError(
                    Code.TRY_AGAIN,
                    f"{missing}, it is in the network namespace {namespace.path}",
                    "railcni did not put it there: end what uses it; "
                    "the kernel brings it home with the namespace's end",
                )
    except KernelError as error:
        log.info("%s", error)
    return CniError(
        Code.TRY_AGAIN, missing, "its driver makes none, or has failed to: dmesg | tail"
    )


def _holds(namespace: Namespace, address: str) -> bool:
    return any(link.parent == address for link in namespace.links())


def _check_unused(key: str, link: Link, host: Namespace, sysfs: Sysfs) -> None:
    reason = (
        usage.refusal(link, host.links(), is_pf=sysfs.is_physical_function(link.name))
        or usage.uses(host.addresses(link.index), host.routes(link.index))
        or usage.peers_uses(link, host)
    )
    if reason:
        raise CniError(
            Code.INVALID_CONFIG,
            f"{key} ({link.name}): {reason}",
            "a rail takes only a device that nothing uses",
        )


def recognise(
    links: Iterable[Link], identity: DeviceIdentity, *, index: int = 0, name: str = ""
) -> Link | None:
    """Return the device among the links of a namespace, None when it is not there.

    A bus address or a permanent MAC settles it.  Where there is neither (a veth), the peer must be
    the same one and something of ours must be on it: the pod may have renamed the device, but its
    `eth0` must never be taken for a rail.  Of hardware, that is its MAC: kernels that tell neither
    of the two do not tell one namespace from the next one of its number, either.

    Args:
        links: of one namespace.
        identity: what is looked for.
        index: that it had when it was last seen there.
        name: that we gave it there, and nobody else uses.
    """
    alike = [link for link in links if _is_alike(link, identity, index, name)]
    return max(alike, key=lambda link: (link.index == index, link.name == name), default=None)


def _is_alike(link: Link, identity: DeviceIdentity, index: int, name: str) -> bool:
    if link.kind != identity.kind or link.loopback:
        return False
    if identity.pci_address and link.parent:
        return link.parent == identity.pci_address
    if identity.permanent_mac and link.permanent_mac:
        # igbvf takes for permanent what it had when it last started: perhaps what ADD gave it.
        ours = identity.macs if identity.pci_address else ()
        return link.permanent_mac in {identity.permanent_mac, *ours}
    is_there = link.index == index and (identity.kind != "" or not identity.macs)
    marked = is_there or link.name == name or link.mac in identity.macs
    return link.lower == identity.lower and marked


def check(device: Device, config: RailConfig) -> None:
    """Raise unless a device, and the PF it belongs to, can do what a configuration asks.

    Raises:
        CniError: code 7 for what they cannot do, 11 while the PF is down.
    """
    _check_mtu(device, config.mtu)
    keys = vf.stated_keys(config)
    if device.function is None:
        if keys:
            raise CniError(
                Code.INVALID_CONFIG,
                f"{', '.join(keys)} is set, but {device.name} is no virtual function",
                "only the PF of a VF can do that: remove the key, or name a VF with deviceID",
            )
        return
    if device.port is None:
        if keys or config.mac:
            raise CniError(
                Code.TRY_AGAIN,
                f"{', '.join(keys) or 'mac'} is set, but {device.function.pf_address}, the PF of "
                f"{device.name}, has no interface on the host that could be asked for it",
                "bring the PF's interface back to the host",
            )
    elif not device.port.pf.up and config.link_state != "enable":
        pf = device.port.pf.name
        raise CniError(
            Code.TRY_AGAIN,
            f"{pf}, the PF of {device.name}, is down, and so are its VFs",
            f"set it up: ip link set dev {pf} up",
        )


def _check_mtu(device: Device, mtu: int) -> None:
    link, port = device.link, device.port
    if link and link.max_mtu and mtu > link.max_mtu:
        raise CniError(
            Code.INVALID_CONFIG,
            f"mtu is {mtu}, expected at most {link.max_mtu}: the limit of {link.name}",
        )
    if port and mtu > port.pf.mtu:
        raise CniError(
            Code.INVALID_CONFIG,
            f"mtu is {mtu}, expected at most {port.pf.mtu}: the MTU of {port.pf.name}, "
            f"the physical function of {port.function.address}",
            f"raise it: ip link set dev {port.pf.name} mtu {mtu}",
        )
