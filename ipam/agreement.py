"""Two definitions of one fabric: whether they agree, and whether one may follow the other.

Slots that somebody may hold stay what they are: a change makes a fabric grow, and takes slots out
of blocks only where nobody owns them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipam.definition import Definition, run_text
from ipam.ranges import Network, Spans, listing, without


def differences(mine: Definition, theirs: Definition) -> list[str]:
    """Return in what two definitions differ: each key with both values.

    Args:
        mine: as this node has it.
        theirs: as the registry has it.
    """
    ours, others = _flat(mine), _flat(theirs)
    return [
        f"{key} is {_shown(ours.get(key))} on this node and {_shown(others.get(key))} in the "
        "registry"
        for key in sorted(ours.keys() | others.keys())
        if ours.get(key) != others.get(key)
    ]


def change_problems(before: Definition, after: Definition) -> list[str]:
    """Return why a definition may not follow another one; empty when it may.

    A fabric may grow: wider subnets that begin where they did, more rails; its prefixes and
    exclusions may change, and its static ranges become more.  What `newly_withheld` returns is for
    the caller to look at.
    """
    problems = []
    if after.name != before.name:
        problems.append(f"fabric is {after.name}, expected {before.name} as before")
    if after.block_size != before.block_size:
        problems.append(
            f"blockSize is {after.block_size}, expected {before.block_size} as before: nodes own "
            "blocks of that size"
        )
    problems += _rail_problems(before, after)
    lost = without(before.requestable, after.requestable)
    if lost and not problems:
        problems.append(
            f"static has lost the slots {listing(map(run_text, lost))}, expected all that it had: "
            "pods may hold addresses of them"
        )
    return problems


def newly_withheld(before: Definition, after: Definition) -> Spans:
    """Return the slots that lay in blocks and no longer do: somebody may hold them still."""
    return without(before.usable, after.usable)


def _rail_problems(before: Definition, after: Definition) -> Iterator[str]:
    now = {rail.name: rail.subnets for rail in after.rails}
    for rail in before.rails:
        subnets = now.get(rail.name)
        key = f"rails.{rail.name}"
        if subnets is None:
            yield f"{key} is missing, expected {listing(rail.subnets)} as before"
        elif [net.version for net in subnets] != [net.version for net in rail.subnets]:
            yield f"{key} is {listing(subnets)}, expected the families of {listing(rail.subnets)}"
        else:
            for old, new in zip(rail.subnets, subnets, strict=True):
                if not _widened(old, new):
                    yield (
                        f"{key} is {new}, expected {old} as before, or a wider subnet with the "
                        f"same network address, {old.network_address}"
                    )


def _widened(old: Network, new: Network) -> bool:
    return new.network_address == old.network_address and new.prefixlen <= old.prefixlen


def _flat(definition: Definition) -> dict[str, Any]:
    """Return a definition's document with one key for each rail."""
    document = definition.to_json()
    rails = {f"rails.{name}": subnets for name, subnets in document.pop("rails").items()}
    return document | rails


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "empty"
    return "missing" if value is None else str(value)
