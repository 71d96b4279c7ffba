"""What happens to a device's addresses and routes when it goes up, down or elsewhere."""

from __future__ import annotations

import errno
from ipaddress import IPv4Interface, IPv6Network

from cni.kernel.fake import routing
from cni.kernel.fake.model import Device, Netns
from cni.kernel.types import Interface
from cni.kernel.watching import News

_IPV6 = 6


def bring_up(netns: Netns, device: Device, now: int) -> None:
    """Set a device up: the routes to its subnets appear."""
    if device.up:
        return
    device.up, device.carrier_at = True, now + device.carrier_delay
    device.tell_of_carrier()
    for address in device.addresses:
        _connect(netns, device, address)


def bring_down(netns: Netns, device: Device) -> None:
    """Set a device down: its routes go, and its IPv6 addresses."""
    if not device.up:
        return
    device.up = device.settled = False
    if device.vf:
        device.vf.restart(device)
    _forget_ipv6_addresses(device)
    netns.routes = [
        route
        for route in netns.routes
        if route.index != device.index or routing.survives_down(route)
    ]
    device.tell_of_carrier()


def settle(netns: Netns, now: int) -> None:
    """Let IPv6 begin on every device that has got carrier."""
    for device in netns.devices.values():
        if device.settled or device.loopback or not device.has_carrier(now):
            continue
        device.settled = True
        netns.tell(News.LINK)
        if not device.ipv6_enabled():
            continue
        netns.routes.append(routing.multicast(device))
        netns.tell(News.ROUTE)
        if device.sysctls["ipv6/conf/addr_gen_mode"] == "0":
            add_address(netns, device, routing.link_local(device.mac))


def has_address(device: Device, address: Interface) -> bool:
    """Return whether a device cannot be given an address, since it has it."""
    if isinstance(address, IPv4Interface):
        return address in device.addresses
    return any(address.ip == other.ip for other in device.addresses)


def add_address(netns: Netns, device: Device, address: Interface) -> None:
    """Give a device an address, and the routes that come with it."""
    device.addresses.append(address)
    netns.routes.append(routing.local(device, address))
    netns.tell(News.ADDRESS, News.ROUTE)
    if device.up:
        _connect(netns, device, address)


def disable_ipv6(netns: Netns, device: Device) -> None:
    """Let IPv6 end on a device."""
    _forget_ipv6_addresses(device)
    netns.routes = [
        route
        for route in netns.routes
        if route.index != device.index or not isinstance(route.dst, IPv6Network)
    ]


def transfer(device: Device, source: Netns, target: Netns, name: str) -> int:
    """Move a device as `__dev_change_net_namespace` does; return 0 or the errno that refused it.

    It keeps its own name where nobody in the target has that, else it takes the wanted one.
    """
    if device.loopback:
        return errno.EINVAL
    if source is target:
        return 0
    taken = target.names()
    new_name = name if device.name in taken else device.name
    if new_name in taken or not taken.isdisjoint(device.altnames):
        return errno.EEXIST
    bring_down(source, device)
    index = device.index
    source.release(device)
    device.name = new_name
    target.adopt(device, index)
    return 0


def pass_time(netns: Netns, before: int, now: int) -> None:
    """Tell who watches of the carrier that comes in this time, and of what comes with it."""
    for device in netns.devices.values():
        if device.has_carrier(before) != device.has_carrier(now):
            netns.tell(News.LINK)
    settle(netns, now)


def _connect(netns: Netns, device: Device, address: Interface) -> None:
    netns.tell(News.ROUTE)
    netns.routes += [
        route for route in routing.connected(device, address) if route not in netns.routes
    ]


def _forget_ipv6_addresses(device: Device) -> None:
    if device.netns and any(address.version == _IPV6 for address in device.addresses):
        device.netns.tell(News.ADDRESS, News.ROUTE)
    device.addresses[:] = [a for a in device.addresses if isinstance(a, IPv4Interface)]
