"""Which disasters happen, and when: all of it comes from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

ETCD = (
    "kill", "freeze", "restart", "restore", "compact", "freeze", "down", "defragment", "backup",
    "freeze", "kill",
)  # fmt: skip
"""What happens to servers; each of these before any of them again."""
NODES = (
    "kill", "kill", "reboot", "kill", "lose", "kill", "kill", "clone", "kill", "kill", "reboot",
    "kill", "lose", "kill", "namesake",
)  # fmt: skip
"""What happens to nodes."""


@dataclass(frozen=True, slots=True)
class Disaster:
    """Something that goes wrong."""

    after: float
    """Seconds after the one before it was healed."""
    kind: str
    whom: int
    """Which server or machine; taken modulo their number."""
    other: int
    """Another machine, where two have to do with it: so many places further on, not 0."""
    lasts: float
    """Seconds until it is healed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to servers and, at the same time, to nodes."""

    etcd: tuple[Disaster, ...]
    nodes: tuple[Disaster, ...]


def plan(seed: int, count: int, machines: int) -> Plan:
    """Return what happens.

    Args:
        seed: the same one gives the same plan, and a longer one begins as a shorter one does.
        count: disasters of each kind of victim; more than there will be time for.
        machines: how many there are.
    """
    return Plan(
        _several(random.Random(f"{seed} etcd"), count, ETCD, (0.5, 2.0), (1.0, 4.0), machines),  # noqa: S311
        _several(random.Random(f"{seed} nodes"), count, NODES, (0.1, 1.0), (0.05, 1.5), machines),  # noqa: S311
    )


def _several(  # noqa: PLR0913, PLR0917 - a disaster's parts
    chance: random.Random,
    count: int,
    kinds: Sequence[str],
    pause: tuple[float, float],
    lasting: tuple[float, float],
    machines: int,
) -> tuple[Disaster, ...]:
    found: list[Disaster] = []
    while len(found) < count:
        found += [
            Disaster(
                round(chance.uniform(*pause), 3),
                kind,
                chance.randrange(machines),
                chance.randrange(1, machines),
                round(chance.uniform(*lasting), 3),
            )
            for kind in chance.sample(kinds, len(kinds))
        ]
    return tuple(found[:count])
