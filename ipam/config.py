"""The `ipam` object of a network configuration: its keys, and the fabric they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from cni.protocol.config import Config, parse, warn_of_unknown_keys
from cni.protocol.errors import CniError, Code
from cni.protocol.results import Dns
from ipam import declared
from ipam.declared import Declared
from ipam.definition import Definition
from ipam.fields import Addresses, Exclusions, Name, Routes, Seconds, StickySeconds, Subnets
from ipam.ranges import (
    UNLIMITED,
    Address,
    Network,
    Rail,
    Span,
    Spans,
    intersect,
    joined,
    listing,
    make_rail,
    reserved,
    span_of,
    without,
)

if TYPE_CHECKING:
    from ipam.node_file import NodeFile

_STICKY = ("sticky", "sticky_on_lost_node", "sticky_ttl")


def _from_node_file(value: object) -> Declared | None:
    """Accept what `read` found there, which no JSON can say."""
    if value is not None and not isinstance(value, Declared):
        raise ValueError("no such key: the node file declares fabrics")
    return value


@dataclass(frozen=True, slots=True)
class Layout:
    """What one network configuration tells about a fabric."""

    fabric: str
    rail: Rail
    """The rail that this network is."""
    siblings: tuple[Rail, ...] = ()
    """Other rails that the configuration declares: their subnets, with nothing excluded."""
    closed: bool = False
    """It declares `rails`: for its pods, the fabric has no others."""
    limits: Spans = UNLIMITED
    """The slots that this network gives; other networks of the rail may give others."""

    @property
    def told(self) -> tuple[Rail, ...]:
        """All rails that the configuration names."""
        return (self.rail, *self.siblings)


class IpamConfig(Config):
    """The keys of `ipam`; docs/configuration.md says what each means."""

    type: str = "rail-ipam"
    subnet: Subnets = ()
    range_start: Addresses = Field((), alias="rangeStart")
    range_end: Addresses = Field((), alias="rangeEnd")
    gateway: Addresses = ()
    exclude: Exclusions = ()
    fabric: Name | None = None
    rail: Name | None = None
    rails: dict[Name, Subnets] = Field(default_factory=dict)
    routes: Routes = ()
    dns: Dns = Dns()
    quarantine: Seconds = 60.0
    """How long a freed slot rests before somebody else gets it."""
    sticky: Literal["pod"] | None = None
    sticky_on_lost_node: Literal["wait", "fresh"] = Field("wait", alias="stickyOnLostNode")
    sticky_ttl: StickySeconds = Field(4 * 3600.0, alias="stickyTTL")
    """How long an address waits for its pod to come back: a repair, and the wait for free GPUs."""
    declared: Annotated[Declared | None, PlainValidator(_from_node_file)] = None

    @model_validator(mode="after")
    def _consistent(self) -> IpamConfig:
        problem = (
            self._name_problem()
            or self._declared_problem()
            or self._range_problem()
            or self._gateway_problem()
            or self._exclude_problem()
            or self._withheld_problem()
            or self._sticky_problem()
            or self._empty_problem()
        )
        if problem:
            raise ValueError(problem)
        return self

    @property
    def subnets(self) -> tuple[Network, ...]:
        """This rail's subnets, from `subnet`, `rails` or the node file."""
        return self.subnet or self._known_rails.get(self.rail or "", ())

    @property
    def definition(self) -> Definition | None:
        """The fabric as the node file declares it, None where it does not."""
        return self.declared.definition if self.declared else None

    @property
    def shared(self) -> bool:
        """Whether etcd says who owns the fabric's slots."""
        return self.declared is not None and self.declared.shared

    @cached_property
    def layout(self) -> Layout:
        """What this configuration tells about its fabric; a bare subnet is a fabric by itself."""
        limits = reduce(intersect, self._limits(), UNLIMITED)
        if self.declared:
            fabric, own = self.declared.definition, self.declared.rail
            others = tuple(fabric.rail(rail.name) for rail in fabric.rails if rail.name != own)
            return Layout(fabric.name, fabric.rail(own), others, closed=True, limits=limits)
        bare = listing(self.subnets)
        rail = make_rail(self.rail or bare, self.subnets, self._excluded())
        siblings = tuple(
            make_rail(name, nets) for name, nets in sorted(self.rails.items()) if name != self.rail
        )
        return Layout(self.fabric or bare, rail, siblings, bool(self.rails), limits)

    @property
    def quarantine_ns(self) -> int:
        """The quarantine in nanoseconds."""
        return int(self.quarantine * 1e9)

    def gateway_for(self, network: Network) -> Address | None:
        """Return the gateway of a network's family."""
        gateways = self.gateway or (self.declared.gateway if self.declared else ())
        return next((gw for gw in gateways if gw.version == network.version), None)

    @property
    def _known_rails(self) -> Mapping[str, tuple[Network, ...]]:
        return self.declared.rails if self.declared else self.rails

    def _limits(self) -> list[Spans]:
        """Return what rangeStart and rangeEnd leave of each subnet."""
        limits: list[Spans] = [(self.definition.slots,)] if self.definition else []
        for net in self.subnets:
            base, whole = int(net.network_address), span_of(net)
            first = (int(address) - base for address in self.range_start if address in net)
            last = (int(address) - base for address in self.range_end if address in net)
            limit = Span(next(first, whole.first), next(last, whole.last))
            limits.append((limit,) if limit.first <= limit.last else ())
        return limits

    def _excluded(self) -> list[Span]:
        """Exclusions may name addresses of any declared rail: a slot is one on all of them."""
        nets = {*self.subnets, *(net for nets in self._known_rails.values() for net in nets)}
        spans = [span for entry in self.exclude for net in nets if (span := entry.slots_in(net))]
        base = {net.version: int(net.network_address) for net in self.subnets}
        gateways = (int(address) - base[address.version] for address in self.gateway)
        return spans + [Span(slot, slot) for slot in gateways]

    def _name_problem(self) -> str:
        if (self.fabric is None) != (self.rail is None):
            given, absent = ("fabric", "rail") if self.fabric else ("rail", "fabric")
            return f"ipam.{absent} is missing: it goes with ipam.{given}"
        if self.rails and self.rail not in self.rails:
            return (
                f"ipam.rail is {self.rail!r}, expected a key of ipam.rails: {listing(self.rails)}"
            )
        if not self.subnets:
            return "ipam.subnet is missing"
        declared = self.rails.get(self.rail or "", self.subnets)
        if declared != self.subnets:
            return (
                f"ipam.subnet is {listing(self.subnet)}, expected what ipam.rails says of "
                f"{self.rail}: {listing(declared)}"
            )
        return ""

    def _declared_problem(self) -> str:
        return self.declared.contradiction(self.subnets, self.rails) if self.declared else ""

    def _withheld_problem(self) -> str:
        """What this network alone excludes, others of the fabric would give away."""
        if self.definition is None:
            return ""
        withheld = intersect(joined(self._excluded()), (self.definition.slots,))
        if not without(withheld, self.definition.excluded):
            return ""
        key, values = ("exclude", self.exclude) if self.exclude else ("gateway", self.gateway)
        return (
            f"ipam.{key} is {listing(values)}, expected none but what the node file excludes from "
            f"fabric {self.definition.name}: other networks and nodes would give those addresses"
        )

    def _sticky_problem(self) -> str:
        given = [key for key in _STICKY if key in self.model_fields_set]
        if not given:
            return ""
        alias = {key: type(self).model_fields[key].alias or key for key in _STICKY}[given[0]]
        if self.definition is None or not self.shared:
            return f"ipam.{alias} is given, expected a fabric that the node file declares in etcd"
        if not self.definition.requestable:
            return (
                f"ipam.{alias} is given, expected fabric {self.definition.name} to have a static "
                "range in the node file: sticky addresses come from there"
            )
        return "" if self.sticky else f"ipam.sticky is missing: it goes with ipam.{alias}"

    def _range_problem(self) -> str:
        for key, addresses in (
            ("rangeStart", self.range_start),
            ("rangeEnd", self.range_end),
            ("gateway", self.gateway),
        ):
            for address in addresses:
                if not any(address in net for net in self.subnets):
                    return f"ipam.{key} is {address}, expected one in {listing(self.subnets)}"
        for start in self.range_start:
            end = next((end for end in self.range_end if end.version == start.version), start)
            if int(start) > int(end):
                return f"ipam.rangeStart is {start}, expected one not above ipam.rangeEnd, {end}"
        return ""

    def _gateway_problem(self) -> str:
        for net in self.subnets:
            gateway = self.gateway_for(net)
            slot = None if gateway is None else int(gateway) - int(net.network_address)
            if any(span.first == slot for span in reserved(net)):
                return f"ipam.gateway is {gateway}, expected one that a host of {net} may have"
        return ""

    def _exclude_problem(self) -> str:
        nets = [*self.subnets, *(net for nets in self._known_rails.values() for net in nets)]
        for entry in self.exclude:
            if not any(entry.touches(net) for net in nets):
                return f"ipam.exclude has {entry}, expected addresses in {listing(nets)}"
        return ""

    def _empty_problem(self) -> str:
        if intersect(self.layout.rail.usable, self.layout.limits):
            return ""
        return (
            f"ipam leaves no address to give out in {listing(self.subnets)}: expected rangeStart "
            "and rangeEnd of both families to have a host part in common that exclude and gateway "
            "leave"
        )


def read(network: Mapping[str, Any], node_file: NodeFile | None = None) -> IpamConfig:
    """Return the `ipam` object of a network configuration, with what the node file adds to it.

    Args:
        network: the configuration.
        node_file: what it says of fabrics; None is as good as an empty one.

    Raises:
        CniError: code 7, naming key, value and accepted form.
    """
    config = parse(IpamConfig, section_of(network, node_file), below="ipam")
    warn_of_unknown_keys(config, below="ipam")
    return config


def section_of(network: Mapping[str, Any], node_file: NodeFile | None = None) -> Mapping[str, Any]:
    """Return the `ipam` object as `IpamConfig` takes it, unread but for the fabric it means.

    Raises:
        CniError: code 7, when there is none, or it means a fabric that is not declared.
    """
    section = network.get("ipam")
    if not isinstance(section, dict):
        raise CniError(
            Code.INVALID_CONFIG,
            f"ipam is {section!r}, expected an object such as "
            '{"type": "rail-ipam", "subnet": "10.60.0.0/16"}',
        )
    found = declared.find(section, node_file) if node_file else None
    if not found:
        return section
    return {"declared": found, **section, "fabric": found.definition.name, "rail": found.rail}
