"""What a fabric is, as all nodes must agree on it; and its blocks: pure arithmetic.

Who shares a fabric's registry may own blocks of it only with the same definition: with another
block size, rail or exclusion, two nodes would not mean the same addresses by a slot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Any, NoReturn, TypeVar

from cni.protocol.request import IDENTIFIER, IDENTIFIER_FORM
from ipam.ranges import (
    Network,
    Rail,
    Span,
    Spans,
    intersect,
    joined,
    listing,
    make_rail,
    next_in,
    overlap,
    same_shape,
    span_of,
)

MAX_SHARED_SLOT = 2**32 - 1
"""Ten digits in a registry's keys: of a larger IPv6 subnet, the lower part is given out."""
SHARED_SLOTS = Span(0, MAX_SHARED_SLOT)
SCHEMA_VERSION = 1
BLOCK_SIZE = 16
LARGEST_BLOCK = 4096

_KEYS = ("version", "fabric", "blockSize", "rails", "prefixes", "excluded", "static")
_RUN = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class RailSubnets:
    """A rail of a fabric, with at most one subnet per family, IPv4 first."""

    name: str
    subnets: tuple[Network, ...]


@dataclass(frozen=True)
class Definition:
    """What a fabric is; made by `define`, so that what means the same is equal."""

    name: str
    rails: tuple[RailSubnets, ...]
    """Sorted by name; all have the same families and prefix lengths, and none overlap."""
    prefixes: tuple[Network, ...] = ()
    """What routes may cover besides the rails' subnets."""
    excluded: Spans = ()
    """Never given out, gateways among them."""
    static: Spans = ()
    """Given out on request only, one by one: no block gives them."""
    block_size: int = BLOCK_SIZE

    @cached_property
    def slots(self) -> Span:
        """All slots, those that no host may have among them."""
        subnets = [subnet for rail in self.rails for subnet in rail.subnets]
        return Span(0, min(MAX_SHARED_SLOT, *(span_of(subnet).last for subnet in subnets)))

    @cached_property
    def usable(self) -> Spans:
        """The slots that blocks give out: allowed on every rail, neither excluded nor static."""
        return self._left((*self.excluded, *self.static))

    @cached_property
    def requestable(self) -> Spans:
        """The slots of the static ranges that a host may have."""
        return intersect(self.static, self._left(self.excluded))

    @property
    def subnets(self) -> tuple[Network, ...]:
        """The subnets of all rails."""
        return tuple(subnet for rail in self.rails for subnet in rail.subnets)

    def rail(self, name: str) -> Rail:
        """Return a rail with what it allows, static slots included (KeyError)."""
        subnets = next((rail.subnets for rail in self.rails if rail.name == name), None)
        if subnets is None:
            raise KeyError(name)
        return Rail(name, subnets, self._left(self.excluded))

    @property
    def block_count(self) -> int:
        """The number of blocks, the last one of which may end behind the last slot."""
        return self.slots.last // self.block_size + 1

    def block_at(self, index: int) -> Span:
        """Return a block by its place, from 0 on."""
        return Span(index * self.block_size, (index + 1) * self.block_size - 1)

    def block_of(self, slot: int) -> Span:
        """Return the block that a slot lies in."""
        return self.block_at(slot // self.block_size)

    def has_room(self, block: Span) -> bool:
        """Tell whether a block has a slot to give out."""
        slot = next_in(self.usable, block.first)
        return slot is not None and slot <= block.last

    @cached_property
    def roomy_blocks(self) -> Spans:
        """The places of the blocks that have room, as runs."""
        size = self.block_size
        return joined(Span(run.first // size, run.last // size) for run in self.usable)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `from_json` reads; equal definitions give equal documents."""
        return {
            "version": SCHEMA_VERSION,
            "fabric": self.name,
            "blockSize": self.block_size,
            "rails": {rail.name: [str(net) for net in rail.subnets] for rail in self.rails},
            "prefixes": [str(net) for net in self.prefixes],
            "excluded": [run_text(run) for run in self.excluded],
            "static": [run_text(run) for run in self.static],
        }

    @cached_property
    def text(self) -> str:
        """The document as text."""
        return json.dumps(self.to_json())

    def _left(self, holes: Iterable[Span]) -> Spans:
        first = self.rails[0]  # the others have the same shape, hence the same slots
        return intersect(make_rail(first.name, first.subnets, holes).usable, (self.slots,))


def define(  # noqa: PLR0913 - a definition's parts, by name
    name: str,
    rails: Mapping[str, Iterable[Network]],
    *,
    prefixes: Iterable[Network] = (),
    excluded: Iterable[Span] = (),
    static: Iterable[Span] = (),
    block_size: int = BLOCK_SIZE,
) -> Definition:
    """Return a definition, each of its parts sorted and without repetition.

    Args:
        name: the fabric's.
        rails: the subnets of each, at most one per family.
        prefixes: what routes may cover besides.
        excluded: slots that are never given out.
        static: slots that no block gives out.
        block_size: slots of one block.

    Raises:
        ValueError: naming the key, when it is no fabric.
    """
    check_block_size(block_size)
    members = tuple(
        RailSubnets(rail, tuple(sorted(subnets, key=lambda net: net.version)))
        for rail, subnets in sorted(rails.items())
    )
    if not members:
        raise ValueError("rails is empty, expected one at least")
    for rail, problem in rail_problems({rail.name: rail.subnets for rail in members}):
        raise ValueError(f"rails.{rail} {problem}")
    bare = Definition(name, members)
    return Definition(
        name,
        members,
        tuple(sorted(set(prefixes), key=_place)),
        intersect(joined(excluded), (bare.slots,)),
        intersect(joined(static), (bare.slots,)),
        block_size,
    )


def check_block_size(size: int) -> None:
    """Raise ValueError unless blocks may have this many slots."""
    if not 1 <= size <= LARGEST_BLOCK or size & (size - 1):
        raise ValueError(f"blockSize is {size}, expected a power of two from 1 to {LARGEST_BLOCK}")


def from_json(document: object) -> Definition:
    """Return the definition that a document of `to_json` describes.

    Raises:
        ValueError: naming the key and its value.
    """
    if not isinstance(document, dict):
        _refuse("the definition", document, "an object")
    if document.get("version") != SCHEMA_VERSION:
        _refuse(
            "version", document.get("version"), f"{SCHEMA_VERSION}, which is all this railcni knows"
        )
    odd = document.keys() ^ set(_KEYS)
    if odd:
        _refuse("the definition", sorted(map(str, document)), f"the keys {', '.join(_KEYS)}")
    rails = document["rails"]
    if not isinstance(rails, dict):
        _refuse("rails", rails, "an object of rails")
    size = document["blockSize"]
    if not isinstance(size, int) or isinstance(size, bool):
        _refuse("blockSize", size, "a number")
    definition = define(
        _name("fabric", document["fabric"]),
        {
            _name("rails", rail): _each(f"rails.{rail}", subnets, _network)
            for rail, subnets in rails.items()
        },
        prefixes=_each("prefixes", document["prefixes"], _network),
        excluded=_each("excluded", document["excluded"], _run),
        static=_each("static", document["static"], _run),
        block_size=size,
    )
    for key, value in definition.to_json().items():
        if value != document[key]:
            _refuse(key, document[key], f"{value}: sorted, without repetition, inside the subnets")
    return definition


def rail_problems(rails: Mapping[str, tuple[Network, ...]]) -> Iterator[tuple[str, str]]:
    """Return which rails do not fit together: each one's name, and what is wrong with its subnets.

    Args:
        rails: the subnets of each, IPv4 first.
    """
    before: list[Rail] = []
    for name, subnets in sorted(rails.items()):
        versions = [net.version for net in subnets]
        if not versions or len(set(versions)) < len(versions):
            yield name, f"is [{listing(subnets)}], expected one subnet per family"
            continue
        rail, is_ = make_rail(name, subnets), f"is {listing(subnets)}, expected"
        if before and not same_shape(before[0], rail):
            lengths = f"the families and prefix lengths of {before[0]}"
            yield name, f"{is_} {lengths}: a slot is the same host part on every rail"
        twin = next((other for other in before if overlap(other, rail)), None)
        if twin:
            yield name, f"{is_} no overlap with {twin}"
        before.append(rail)


def _place(net: Network) -> tuple[int, int, int]:
    return net.version, int(net.network_address), net.prefixlen


def run_text(run: Span) -> str:
    """Return a run of slots as a person writes it: 7, 16-31."""
    return str(run.first) if run.first == run.last else f"{run.first}-{run.last}"


def _name(key: str, value: object) -> str:
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        _refuse(key, value, f"a name of {IDENTIFIER_FORM}")
    return value


def _each(key: str, values: object, read: Callable[[str], _Value]) -> list[_Value]:
    if not isinstance(values, list):
        _refuse(key, values, "a list")
    found = []
    for value in values:
        try:
            found.append(read(value if isinstance(value, str) else ""))
        except ValueError as error:
            _refuse(key, value, str(error))
    return found


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("a network such as 10.60.0.0/16") from None


def _run(text: str) -> Span:
    match = _RUN.fullmatch(text)
    first, last = (match[1], match[2] or match[1]) if match else ("1", "0")
    if int(first) > int(last):
        raise ValueError("a slot or a run of slots such as 16-31, the lower one first")
    return Span(int(first), int(last))


def _refuse(key: str, value: object, expected: str) -> NoReturn:
    raise ValueError(f"{key} is {value!r}, expected {expected}")
