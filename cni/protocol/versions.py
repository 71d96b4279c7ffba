"""What each version of the CNI specification allows, as a table.

Source: CNI SPEC.md of each release, and the version rules that libcni applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from cni.protocol.errors import CniError, Code
from cni.protocol.supported import SUPPORTED


class Command(StrEnum):
    """The value of CNI_COMMAND."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


class Shape(Enum):
    """The forms that a success result has had."""

    IP4_IP6 = "ip4/ip6"
    """0.1.0 and 0.2.0: at most one address per family, each with its own routes."""
    IPS_WITH_VERSION = "ips with version"
    """0.3.0 to 0.4.0: lists of interfaces and ips, each ip naming its family."""
    IPS = "ips"
    """1.0.0: the family is no longer named."""
    IPS_WITH_DETAILS = "ips with details"
    """1.1.0: interfaces gain mtu, socketPath, pciID; routes mtu, advmss, priority, table, scope."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one version of the specification knows."""

    commands: frozenset[Command]
    shape: Shape
    chaining: bool = True
    """Whether there are lists of plugins, each handed the result of the one before."""


_FIRST = frozenset({Command.ADD, Command.DEL, Command.VERSION})
_WITH_CHECK = _FIRST | {Command.CHECK}
_ALL = _WITH_CHECK | {Command.GC, Command.STATUS}

RULES: dict[str, Rules] = {
    "0.1.0": Rules(_FIRST, Shape.IP4_IP6, chaining=False),
    "0.2.0": Rules(_FIRST, Shape.IP4_IP6, chaining=False),
    "0.3.0": Rules(_FIRST, Shape.IPS_WITH_VERSION),
    "0.3.1": Rules(_FIRST, Shape.IPS_WITH_VERSION),
    "0.4.0": Rules(_WITH_CHECK, Shape.IPS_WITH_VERSION),
    "1.0.0": Rules(_WITH_CHECK, Shape.IPS),
    "1.1.0": Rules(_ALL, Shape.IPS_WITH_DETAILS),
}


def rules_for(version: object, command: Command) -> Rules:
    """Return the rules of a configuration's `cniVersion` for one command.

    Raises:
        CniError: code 1, when the version is unknown or older than the command.
    """
    rules = RULES.get(version) if isinstance(version, str) else None
    if rules is None:
        raise CniError(
            Code.INCOMPATIBLE_VERSION,
            f"cniVersion {version!r} is not supported",
            f"set cniVersion to one of {', '.join(SUPPORTED)}",
        )
    if command not in rules.commands:
        since = next(known for known, rule in RULES.items() if command in rule.commands)
        raise CniError(
            Code.INCOMPATIBLE_VERSION,
            f"{command.value} does not exist in cniVersion {version!r}",
            f"set cniVersion to {since} or later in the network configuration",
        )
    return rules
