"""What adapters do by themselves: the part of the kernel's contract on radios and checksums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
