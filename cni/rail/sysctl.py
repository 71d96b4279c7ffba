"""Which sysctls a rail interface gets, and which a configuration may ask for.

Source: Documentation/networking/ip-sysctl.rst of the Linux kernel.
"""

from __future__ import annotations

import re

PLACEHOLDER = "IFNAME"
"""Stands for the interface's name in a configuration, as in the tuning plugin."""

_KEY = re.compile(r"[a-z0-9_]+")


class SysctlError(ValueError):
    """A configuration asks for a sysctl that is not this interface's."""


def defaults(ifname: str, *, with_ipv6_address: bool) -> dict[str, str]:
    """Return what every rail interface gets, in order, keys below /proc/sys/net.

    Args:
        ifname: the interface.
        with_ipv6_address: whether it will carry one; IPv6 may be off by default in the namespace.
    """
    settings = {
        f"ipv4/conf/{ifname}/arp_ignore": "1",  # answer only for an address of this rail
        f"ipv4/conf/{ifname}/arp_announce": "2",  # ask only from an address of this rail
        f"ipv4/conf/{ifname}/rp_filter": "2",  # rails are asymmetric; 1 would drop
        f"ipv6/conf/{ifname}/accept_ra": "0",  # no route by router advertisement
    }
    if with_ipv6_address:
        settings[f"ipv6/conf/{ifname}/disable_ipv6"] = "0"
    return settings


def normalise(key: str, ifname: str) -> str:
    """Return a configured key in the form below /proc/sys/net.

    Args:
        key: `net.ipv4.conf.IFNAME.rp_filter` or the same with slashes; IFNAME or the real name.
        ifname: the interface.

    Raises:
        SysctlError: it is another interface's, or no interface's at all.
    """
    for separator in "./":
        for name in (ifname, PLACEHOLDER):
            for family in ("ipv4", "ipv6"):
                for kind in ("conf", "neigh"):
                    head = separator.join(("net", family, kind, name, ""))
                    last = key.removeprefix(head)
                    if last != key and _KEY.fullmatch(last):
                        return _allowed(f"{family}/{kind}/{ifname}/{last}", key)
    raise SysctlError(
        f"sysctl has {key!r}, expected net.{{ipv4,ipv6}}.{{conf,neigh}}.{ifname}.KEY: "
        "a rail configures its own interface only"
    )


def _allowed(path: str, key: str) -> str:
    if path.endswith("/accept_ra"):
        raise SysctlError(
            f"sysctl has {key!r}: a rail takes no routes from router advertisements; remove it"
        )
    return path
