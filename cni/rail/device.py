"""Which device an attachment takes, whether it may be taken, and how it is known again.

Pure but for `find`, which asks the host and sysfs and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cni.kernel.interface import Namespace
from cni.kernel.sysfs import Sysfs, VirtualFunction
from cni.kernel.types import Interface, Link, Route
from cni.protocol.errors import CniError, Code
from cni.rail.attachment import Baseline, DeviceIdentity
from cni.rail.config import RailConfig
from cni.rail.routes import foreign_routes


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is on the host and free to be taken."""

    link: Link
    function: VirtualFunction | None
    """None for a device that is no VF."""
    bus_address: str
    """On the PCI bus; empty for what is on none."""

    @property
    def key(self) -> str:
        """The name of its lock and of its records."""
        return self.identity("").key

    def identity(self, asked_mac: str) -> DeviceIdentity:
        """Return how it will be recognised, also after it got the MAC that was asked for."""
        link = self.link
        return DeviceIdentity(
            pci_address=self.function.address if self.function else "",
            bus_address=self.bus_address,
            host_name=link.name,
            kind=link.kind,
            permanent_mac=link.permanent_mac,
            macs=tuple(dict.fromkeys(mac for mac in (link.mac, asked_mac) if mac)),
            lower=link.lower,
        )

    def baseline(self) -> Baseline:
        """Return what DEL must restore."""
        link = self.link
        return Baseline(
            name=link.name, mac=link.mac, mtu=link.mtu, up=link.up, altnames=link.altnames
        )


def key(config: RailConfig, sysfs: Sysfs) -> str:
    """Return the lock and record name of the device that a configuration names.

    A VF named by its netdev gets the same key as by its PCI address.
    """
    address = config.pci_address or sysfs.address_of(config.device or "")
    is_function = config.pci_address or (address and sysfs.virtual_function(address))
    return f"pci-{address}" if is_function else f"dev-{config.device}"


def find(config: RailConfig, host: Namespace, sysfs: Sysfs) -> Device:
    """Return the device that a configuration names.

    Raises:
        CniError: code 7, when there is none, or it may not be taken; 11, when it is elsewhere.
    """
    link = (
        _link_of_function(config.pci_address, host, sysfs)
        if config.pci_address
        else host.find(config.device or "")
    )
    if link is None:
        raise CniError(
            Code.INVALID_CONFIG,
            f"device is {config.device!r}: the host has no interface of that name",
            "list what it has: ip -br link",
        )
    if config.device and link.name != config.device:
        # Another configuration may use the name itself: one device must not have two locks.
        raise CniError(
            Code.INVALID_CONFIG,
            f"device is {config.device!r}, an altname, expected the interface's name: {link.name}",
        )
    address = config.pci_address or sysfs.address_of(link.name)
    reason = (
        refusal(link, host.links(), is_pf=sysfs.is_physical_function(link.name))
        or uses(host.addresses(link.index), host.routes(link.index))
        or _peers_uses(link, host)
    )
    if reason:
        key = f"deviceID is {address!r}" if config.pci_address else f"device is {config.device!r}"
        raise CniError(
            Code.INVALID_CONFIG,
            f"{key} ({link.name}): {reason}",
            "a rail takes only a device that nothing uses",
        )
    return Device(link, sysfs.virtual_function(address) if address else None, address)


def _link_of_function(address: str, host: Namespace, sysfs: Sysfs) -> Link:
    key = f"deviceID is {address!r}"
    function = sysfs.virtual_function(address)
    if function is None:
        known = sysfs.device_exists(address)
        raise CniError(
            Code.INVALID_CONFIG,
            f"{key}: {'that device is no virtual function' if known else 'no such PCI device'}",
            "list the virtual functions: ls -d /sys/bus/pci/devices/*/physfn",
        )
    if not function.driver:
        raise CniError(
            Code.INVALID_CONFIG,
            f"{key}: no driver is bound to that virtual function",
            f"bind its network driver: echo {address} > /sys/bus/pci/drivers_probe",
        )
    link = host.find(function.netdev) if function.netdev else None
    if link is None:
        raise CniError(
            Code.TRY_AGAIN,
            f"{key} (driver {function.driver}): it has no interface on the host",
            "it is still in another network namespace (find it: lsns -t net), "
            "or its driver makes no interface",
        )
    return link


_PLUMBING = frozenset({"bridge", "bond", "team", "vrf", "tun", "vxlan", "wireguard"})
"""Kinds that carry somebody else's traffic by what they are."""
_ON_TOP = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"})
"""Kinds whose IFLA_LINK is the device they sit on (a veth's is its peer)."""


def refusal(link: Link, others: Sequence[Link], *, is_pf: bool) -> str:
    """Return why a device of the host must not be taken into a pod, empty when it may."""
    return next(_refusals(link, others, is_pf=is_pf), "")


def _refusals(link: Link, others: Sequence[Link], *, is_pf: bool) -> Iterator[str]:
    if link.loopback:
        yield "it is the loopback interface"
    if is_pf:
        yield "it is a physical function"
    if link.kind in _PLUMBING:
        yield f"it is a {link.kind}"
    if link.kind == "veth" and link.lower_netnsid is not None:
        yield "its other end is in another network namespace: it is some pod's uplink"
    for other in others:
        if other.index == link.master:
            yield f"it is a port of {other.name}"
        if other.kind in _ON_TOP and other.lower == link.index and other.lower_netnsid is None:
            yield f"{other.name} sits on it"


def uses(addresses: Sequence[Interface], routes: Sequence[Route]) -> str:
    """Return what the host uses a device for, empty for nothing."""
    for address in addresses:
        if not address.is_link_local:
            return f"it carries the address {address}"
    for route in foreign_routes(routes, (), addresses):
        return f"the host routes {route.dst} through it"
    return ""


def _peers_uses(link: Link, host: Namespace) -> str:
    """Return what the host uses the other end of a veth for: it would lose its connection."""
    peer = host.link(link.lower) if link.kind == "veth" else None
    reason = uses(host.addresses(peer.index), host.routes(peer.index)) if peer else ""
    return f"it leads to {peer.name}, and {reason}" if peer and reason else ""


def recognise(
    links: Iterable[Link], identity: DeviceIdentity, *, index: int = 0, name: str = ""
) -> Link | None:
    """Return the device among the links of a namespace, None when it is not there.

    A bus address or a permanent MAC settles it.  Where there is neither (a veth), the peer must be
    the same one and something of ours must be on it: the pod may have renamed the device, but its
    `eth0` must never be taken for a rail.

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
        return link.permanent_mac == identity.permanent_mac
    marked = link.index == index or link.name == name or link.mac in identity.macs
    return link.lower == identity.lower and marked


def check_mtu(device: Device, mtu: int) -> None:
    """Raise code 7 unless the device, and the PF it belongs to, can carry an MTU (bytes)."""
    link, function = device.link, device.function
    if link.max_mtu and mtu > link.max_mtu:
        raise CniError(
            Code.INVALID_CONFIG,
            f"mtu is {mtu}, expected at most {link.max_mtu}: the limit of {link.name}",
        )
    if function and function.pf_mtu and mtu > function.pf_mtu:
        raise CniError(
            Code.INVALID_CONFIG,
            f"mtu is {mtu}, expected at most {function.pf_mtu}: the MTU of {function.pf_name}, "
            f"the physical function of {function.address}",
            f"raise it: ip link set dev {function.pf_name} mtu {mtu}",
        )
