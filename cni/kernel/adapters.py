"""What adapters do by themselves: the part of the kernel's contract on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

LACP = 4
"""The mode of a bond that agrees with the switch on its ports (IEEE 802.3ad)."""
PRIORITIES = 8
"""Of IEEE 802.1p: 0 to 7."""


@dataclass(frozen=True, slots=True)
class Radio:
    """A wireless interface, and the access point that it has joined (`iw dev X link`).

    None and empty for what the driver does not tell, or what an interface that has joined none has
    not.
    """

    power_save: bool | None = None
    """Whether it sleeps between two beacons, while frames for it wait at the access point."""
    signal: int | None = None
    """Of the access point's frames, in dBm; the average of some where the driver keeps it."""
    bitrate: float | None = None
    """At which it sends, in Mbit/s."""
    frequency: int | None = None
    """MHz."""
    ssid: str = ""
    bssid: str = ""
    """The access point's MAC."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Who drives a link, and what its firmware is (`ethtool -i X`)."""

    name: str
    version: str
    """Of a driver of the kernel's own, the kernel's release."""
    firmware: str
    """Empty where there is none, or the driver does not tell."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Which pause frames of IEEE 802.3x stop all of a link's traffic (`ethtool -a X`)."""

    agreed: bool
    """Whether it is agreed on with the other end."""
    receives: bool
    sends: bool


@dataclass(frozen=True, slots=True)
class Bridging:
    """How a port treats the priorities: Data Center Bridging (`dcb X show`; IEEE 802.1Qaz, Qbb).

    None for what the driver does not tell.
    """

    lossless: frozenset[int] | None = None
    """The priorities that pause by themselves (PFC)."""
    classes: tuple[int, ...] | None = None
    """Of each priority its traffic class (ETS)."""
    shares: tuple[int, ...] | None = None
    """Of each traffic class its part of the bandwidth, in percent."""
    dscp: Mapping[int, int] = field(default_factory=dict)
    """Of each DSCP that is trusted its priority; empty: a packet's DSCP decides nothing."""


@dataclass(frozen=True, slots=True)
class Bond:
    """What a bond is (`ip -d link show X`)."""

    mode: int
    """0 balance-rr, 1 active-backup, …, `LACP`, …."""
    ports: int = 0
    """With LACP, how many are in the active aggregator."""
    partner: str = ""
    """With LACP, the switch's MAC; empty while none has answered."""


class Adapters(Protocol):
    """The adapters of one network namespace, and what is asked of them alone."""

    def radio(self, index: int) -> Radio | None:
        """Return what a link does on the air (`iw dev X info; … link; … get power_save`).

        None for a link that is no radio or is not there, and where the kernel has no cfg80211:
        nothing is loaded to find that out.
        """
        ...

    def offloads_checksums(self, index: int) -> bool | None:
        """Return whether a link leaves IP checksums to its hardware (`ethtool -k X`).

        It is the feature `tx-checksum-ip-generic`; None where the link or its driver has none.
        """
        ...

    def driver(self, index: int) -> Driver | None:
        """Return who drives a link (`ethtool -i X`), None where nobody says."""
        ...

    def pause(self, index: int) -> Pause | None:
        """Return which pause frames stop a link (`ethtool -a X`), None where it has none."""
        ...

    def bridging(self, index: int) -> Bridging | None:
        """Return how a port treats priorities (`dcb pfc|ets|app show dev X`).

        None where the kernel, the driver or the firmware keeps that to itself.
        """
        ...

    def bond(self, index: int) -> Bond | None:
        """Return what a bond is, None for a link that is none."""
        ...
