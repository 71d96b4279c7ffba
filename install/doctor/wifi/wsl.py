"""What is judged of a node inside Windows' subsystem for Linux.  Pure.

WSL's NAT gives its guest an address of 172.16.0.0/12 on a Hyper-V card; its mirrored mode shows the
Windows' own addresses, and a `loopback0` beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from install.doctor.findings import Finding, Severity
from install.doctor.wifi.facts import Facts, Uplink

_HYPER_V = "00:15:5d:"
_GIVEN_BY_NAT = ip_network("172.16.0.0/12")
_IN_FILE = "in %UserProfile%\\.wslconfig on Windows, then: wsl --shutdown"


def wsl(facts: Facts) -> Iterator[Finding]:
    """Say which of WSL's networks the node is in, and what cannot work there."""
    if "microsoft" not in facts.release.lower():
        return
    if any(link.name == "loopback0" for link in facts.landscape.links):
        yield Finding(
            Severity.WARNING,
            "wsl",
            "WSL2 with mirrored networking",
            "Windows drops what comes for other addresses than its own (WSL#12065): peers cannot "
            "send straight to this node's pods, and the overlay needs UDP 8472 let in",
            (
                '"mode": "off" for rail-hostgw here',
                f"networkingMode=bridged and vmSwitch=NAME {_IN_FILE}",
            ),
        )
    elif any(map(_is_behind_nat, facts.uplinks)):
        yield Finding(
            Severity.ERROR,
            "wsl",
            "WSL2 behind Windows' NAT, probably: its address is not of the LAN",
            "no other node reaches this one, by the overlay or straight",
            (f"networkingMode=bridged and vmSwitch=NAME {_IN_FILE}",),
        )
    else:
        yield Finding(
            Severity.INFO,
            "wsl",
            "WSL2 with an address of the LAN: bridged, probably",
            "that can work; but no guest sees whether its Windows is on WiFi",
            ('"uplink": {"wireless": true} for rail-hostgw, where it is; and --wireless here',),
        )


def _is_behind_nat(uplink: Uplink) -> bool:
    of_nat = any(
        address.version == _GIVEN_BY_NAT.version and address.ip in _GIVEN_BY_NAT
        for address in uplink.addresses
    )
    return of_nat and uplink.link.mac.startswith(_HYPER_V)
