"""Fabrics in etcd: all nodes mean the same by one, and no two of them share addresses."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ipam.agreement import differences
from ipam.definition import Definition, from_json
from ipam.etcd.interface import Compare, Found, Keys, KeyValue, Relation, Target
from ipam.ranges import listing
from ipam.registry.interface import DisagreementError, RegistryError


def encode(definition: Definition) -> bytes:
    """Return the value of a fabric's key."""
    return json.dumps(definition.to_json()).encode()


def decode(key: str, value: bytes) -> Definition:
    """Return the definition in a fabric's key (RegistryError when there is none)."""
    try:
        return from_json(json.loads(value))
    except ValueError as error:
        raise RegistryError(f"{key} in etcd is no fabric's definition: {error}") from None


def agreed(mine: Definition, key: str, found: Found) -> int:
    """Return the revision of a fabric's definition (DisagreementError unless it is mine)."""
    [entry] = found.entries
    theirs = decode(key, entry.value)
    if theirs != mine:
        raise DisagreementError(
            f"fabric {mine.name} is not the same in this node's file and in the registry: "
            + "; ".join(differences(mine, theirs)),
            "give all nodes the same file; when the file is right: railctl fabric change",
        )
    return entry.mod_revision


def refuse_overlap(mine: Definition, stored: Iterable[KeyValue]) -> None:
    """Raise when another fabric has addresses of this one: each would give them out.

    Args:
        mine: what is to be put.
        stored: all fabrics that stand in the registry, this one perhaps among them.

    Raises:
        DisagreementError: naming both.
    """
    for entry in stored:
        other = decode(entry.key, entry.value)
        shared = [
            (net, theirs)
            for net in mine.subnets
            for theirs in other.subnets
            if other.name != mine.name and net.version == theirs.version and net.overlaps(theirs)
        ]
        if shared:
            raise DisagreementError(
                f"fabric {mine.name} has {listing({str(net): net for net, _ in shared})}, and "
                f"fabric {other.name} in the registry has "
                f"{listing({str(theirs): theirs for _, theirs in shared})}",
                "an address belongs to one fabric: give all nodes the same names and subnets",
            )


def untouched(keys: Keys, revision: int) -> Compare:
    """Hold when no key of a range was put after a revision."""
    return Compare(keys, Target.MOD, revision + 1, Relation.LESS)
