"""Reverse-path filters: between two nodes one may go straight and the other over the overlay.

Strictly filtered, such a packet is dropped, since its answer would leave by another device.
Loosely filtered (2) it passes; and 2 is stronger than a 1 in `all`: the kernel takes the greater.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError

log = logging.getLogger(__name__)

_STRICT, _LOOSE = "1", "2"


def tighter(host: Namespace, devices: Collection[str]) -> dict[str, str]:
    """Return of these devices, by their names, the filters that are not loose."""
    found = {name: host.sysctl(_key(name)) for name in sorted(devices)}
    return {name: value for name, value in found.items() if value and value != _LOOSE}


def loosen(host: Namespace, filters: Mapping[str, str]) -> None:
    """Let devices filter loosely that do not (KernelError where the kernel refuses)."""
    for name, value in filters.items():
        host.set_sysctl(_key(name), _LOOSE)
        log.info("rp_filter of %s is 2 now; it was %s", name, value)


def restore(host: Namespace, before: Mapping[str, str]) -> dict[str, str]:
    """Put the filters back that may be; return what is still to be put back.

    A strict one would drop what those peers send straight that have not switched it off: no node
    can tell whether there are any.  One that somebody has changed since is left to them.
    """
    left: dict[str, str] = {}
    for name, value in sorted(before.items()):
        try:
            if host.sysctl(_key(name)) != _LOOSE:
                continue
            if max(value, host.sysctl(_key("all")) or "") == _STRICT:
                left[name] = value
                command = f"sysctl -w net/{_key(name)}={value}"
                log.warning("rp_filter of %s stays 2; when all nodes are off: %s", name, command)
                continue
            host.set_sysctl(_key(name), value)
            log.info("rp_filter of %s is %s again", name, value)
        except KernelError as error:
            left[name] = value
            log.warning("rp_filter of %s stays 2: %s", name, error)
    return left


def obstacles(host: Namespace, versions: Collection[int]) -> list[str]:
    """Return what on this node may keep forwarded packets from going straight."""
    found = []
    for version, key in ((4, "ipv4/ip_forward"), (6, "ipv6/conf/all/forwarding")):
        if version in versions and host.sysctl(key) == "0":
            found.append(f"net/{key} is 0: this node forwards nothing")
    try:
        chains = host.drops_forwarded()
    except KernelError as error:
        return [*found, f"whether nftables drops what is forwarded is not known: {error}"]
    return [
        *found,
        *(f"chain {chain} drops what is forwarded unless a rule accepts it" for chain in chains),
    ]


def _key(device: str) -> str:
    return f"ipv4/conf/{device}/rp_filter"
