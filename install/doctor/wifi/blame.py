"""Whether the network between two nodes is to blame, or the overlay on it.  Pure.

The node's own path is looked at first: what is lost or late there is so on the overlay, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from install.doctor.findings import Severity
from install.doctor.wifi.facts import Series

LOSSY = 0.1
"""The part of a series that is more than bad luck: two of twenty."""
_MOSTLY = 0.5
"""What loses less does not explain that the overlay loses all."""
SLOW = 20.0
"""Milliseconds that no LAN's usual packet takes, with an awake radio neither."""
_WORSE, _AT_LEAST = 3.0, 5.0
"""As many times the node path's time, and as many milliseconds more, are the overlay's fault."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who is to blame."""

    severity: Severity
    culprit: str
    """`nobody`, `underlay` or `overlay`."""
    words: str


def judge(node: Series, overlay: Series, *, answers: bool | None) -> Verdict:
    """Judge a peer by two series.

    Args:
        node: to its node.
        overlay: to its overlay's address, through the overlay.
        answers: whether it has answered on layer 2; None when it was not asked.
    """
    if not node.times:
        return _silent(overlay, answers=answers)
    if not overlay.times and node.lost < _MOSTLY:
        return Verdict(Severity.ERROR, "overlay", "nothing comes back over the overlay")
    if trouble := _trouble(node):
        return Verdict(Severity.WARNING, "underlay", f"the path to its node {trouble}")
    if overlay.lost >= LOSSY:
        return Verdict(Severity.WARNING, "overlay", f"the overlay {_trouble(overlay)}")
    if overlay.usual >= node.usual + max(_AT_LEAST, (_WORSE - 1) * node.usual):
        return Verdict(
            Severity.WARNING,
            "overlay",
            f"the overlay takes {overlay.usual:.1f} ms, the path to its node {node.usual:.1f} ms",
        )
    return Verdict(Severity.OK, "nobody", "both paths are well")


def _silent(overlay: Series, *, answers: bool | None) -> Verdict:
    if overlay.times:
        return Verdict(
            Severity.INFO, "nobody", "its node does not answer pings, and the overlay works"
        )
    if answers:
        return Verdict(
            Severity.ERROR,
            "underlay",
            "its node answers ARP, and neither pings nor the overlay: a firewall there, probably",
        )
    return Verdict(Severity.ERROR, "underlay", "its node is silent: off, or cut off")


def _trouble(series: Series) -> str:
    """Return what is wrong with a series that some came back of, empty when nothing is."""
    if series.lost >= LOSSY:
        return f"loses {series.lost:.0%}"
    return f"takes {series.usual:.1f} ms" if series.usual >= SLOW else ""
