"""What is judged of the host's own network and clock.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cni.kernel.adapters import LACP
from install.doctor.findings import Finding, error, ok, warning
from install.doctor.host.facts import Aggregate, Facts

MODES = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
    "balance-alb",
)  # fmt: skip
_AWRY = 1.0
"""Seconds that a clock may be wrong before certificates and logs of several nodes suffer."""


def bonds(facts: Facts) -> Iterator[Finding]:
    """Say whether a bond of the frontend has agreed with its switch."""
    for aggregate in facts.bonds:
        yield from _bond(aggregate)


def clock(facts: Facts) -> Iterator[Finding]:
    """Say whether somebody corrects the clock."""
    told = facts.clock
    if told is None:
        return
    mend = ("systemctl enable --now chrony; chronyc tracking  # or systemd-timesyncd, ntpd",)
    if not told.synchronised:
        yield warning(
            "clock",
            "nobody corrects the clock (STA_UNSYNC)",
            "it drifts: certificates seem not yet valid or expired, and logs of two nodes cannot "
            "be laid beside each other",
            *mend,
        )
    elif told.error >= _AWRY:
        yield warning(
            "clock",
            f"the clock may be wrong by {told.error:.1f} s",
            "logs of two nodes cannot be laid beside each other",
            *mend,
        )
    else:
        yield ok("clock", f"the clock is corrected, and wrong by {told.error:.3f} s at most")


def _bond(one: Aggregate) -> Iterator[Finding]:
    name, bond = one.link.name, one.bond
    role = "the frontend's bond" if one.leads_out else "the bond"
    mode = MODES[bond.mode] if bond.mode < len(MODES) else str(bond.mode)
    down = [port.name for port in one.ports if not port.carrier]
    if bond.mode != LACP:
        yield warning(
            "lacp",
            f"{role} {name} is {mode}, expected 802.3ad (mode 4, LACP)",
            "the switch does not know of it: it uses one link, or sends frames where none listens",
            f"in the host's network configuration: mode 802.3ad for {name}; LACP on the switch",
        )
    elif not bond.partner:
        yield error(
            "lacp",
            f"{role} {name} has no LACP partner",
            "the switch does not answer: at best one of its links carries anything",
            f"cat /proc/net/bonding/{name}  # 'Partner Mac Address' must not be zeros",
            "LACP (active) for its ports on the switch",
        )
    elif bond.ports < len(one.ports):
        yield warning(
            "lacp",
            f"{role} {name} uses {bond.ports} of {len(one.ports)} ports",
            "the rest of its bandwidth is idle, and so is what it should fall back to",
            f"cat /proc/net/bonding/{name}  # 'Aggregator ID' must be the same for all",
        )
    else:
        yield ok("lacp", f"{role} {name} has agreed with {bond.partner} on {bond.ports} ports")
    if down:
        yield warning(
            "lacp",
            f"{', '.join(down)} of {role} {name} has no carrier",
            "nothing is left to fall back to",
            f"ethtool {down[0]}",
        )
