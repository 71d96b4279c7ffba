"""Which radio an uplink is, or is made of."""

from __future__ import annotations

from collections.abc import Collection

from cni.kernel.interface import Sysfs


def radios(uplinks: Collection[str], stated: bool | None, sysfs: Sysfs) -> frozenset[str]:  # noqa: FBT001 - a setting
    """Return which uplinks are wireless.

    Args:
        uplinks: netdevs of the host.
        stated: what the operator says of them, None for nothing.
        sysfs: what knows.
    """
    if stated is not None:
        return frozenset(uplinks if stated else ())
    return frozenset(name for name in uplinks if is_wireless(name, sysfs))


def is_wireless(netdev: str, sysfs: Sysfs) -> bool:
    """Return whether a netdev of the host, or one below it, is a radio."""
    return bool(radio_of(netdev, sysfs))


def radio_of(netdev: str, sysfs: Sysfs) -> str:
    """Return the radio that a netdev of the host is or has below it, empty when there is none.

    Args:
        netdev: a radio, or a bridge, a bond or a VLAN of such.
        sysfs: what knows.
    """
    seen: set[str] = set()
    waiting = [netdev]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if sysfs.is_wireless(name):
            return name
        waiting += sysfs.lower_devices(name)
    return ""
