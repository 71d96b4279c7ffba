"""The `ipam` object of a network configuration: its keys, and the fabric they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from cni.protocol.config import Config, parse, warn_of_unknown_keys
from cni.protocol.errors import CniError, Code
from cni.protocol.results import Dns, Route
from ipam import forms
from ipam.forms import AddressRange
from ipam.ranges import (
    UNLIMITED,
    Address,
    Network,
    Rail,
    Span,
    Spans,
    intersect,
    listing,
    make_rail,
    reserved,
    span_of,
)

Subnets = Annotated[tuple[Network, ...], PlainValidator(forms.one_per_family(forms.subnet))]
Addresses = Annotated[tuple[Address, ...], PlainValidator(forms.one_per_family(forms.address))]
Exclusions = Annotated[tuple[AddressRange, ...], PlainValidator(forms.several(forms.exclusion))]
Routes = Annotated[tuple[Route, ...], BeforeValidator(forms.several(forms.route))]
Name = Annotated[str, PlainValidator(forms.name)]
Seconds = Annotated[float, PlainValidator(forms.seconds)]


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
    """The keys of `ipam`; README.md says what each means."""

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

    @model_validator(mode="after")
    def _consistent(self) -> IpamConfig:
        problem = (
            self._name_problem()
            or self._range_problem()
            or self._gateway_problem()
            or self._exclude_problem()
            or self._empty_problem()
        )
        if problem:
            raise ValueError(problem)
        return self

    @property
    def subnets(self) -> tuple[Network, ...]:
        """This rail's subnets, from `subnet` or from `rails`."""
        return self.subnet or self.rails.get(self.rail or "", ())

    @cached_property
    def layout(self) -> Layout:
        """What this configuration tells about its fabric; a bare subnet is a fabric by itself."""
        bare = listing(self.subnets)
        rail = make_rail(self.rail or bare, self.subnets, self._excluded())
        siblings = tuple(
            make_rail(name, nets) for name, nets in sorted(self.rails.items()) if name != self.rail
        )
        limits = reduce(intersect, self._limits(), UNLIMITED)
        return Layout(self.fabric or bare, rail, siblings, bool(self.rails), limits)

    @property
    def quarantine_ns(self) -> int:
        """The quarantine in nanoseconds."""
        return int(self.quarantine * 1e9)

    def gateway_for(self, network: Network) -> Address | None:
        """Return the gateway of a network's family."""
        return next((gw for gw in self.gateway if gw.version == network.version), None)

    def _limits(self) -> list[Spans]:
        """Return what rangeStart and rangeEnd leave of each subnet."""
        limits: list[Spans] = []
        for net in self.subnets:
            base, whole = int(net.network_address), span_of(net)
            first = (int(address) - base for address in self.range_start if address in net)
            last = (int(address) - base for address in self.range_end if address in net)
            limit = Span(next(first, whole.first), next(last, whole.last))
            limits.append((limit,) if limit.first <= limit.last else ())
        return limits

    def _excluded(self) -> list[Span]:
        """Exclusions may name addresses of any declared rail: a slot is one on all of them."""
        nets = {*self.subnets, *(net for nets in self.rails.values() for net in nets)}
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
        nets = [*self.subnets, *(net for nets in self.rails.values() for net in nets)]
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


def read(network: Mapping[str, Any]) -> IpamConfig:
    """Return the `ipam` object of a network configuration.

    Raises:
        CniError: code 7, naming key, value and accepted form.
    """
    section = network.get("ipam")
    if not isinstance(section, dict):
        raise CniError(
            Code.INVALID_CONFIG,
            f"ipam is {section!r}, expected an object such as "
            '{"type": "rail-ipam", "subnet": "10.60.0.0/16"}',
        )
    config = parse(IpamConfig, section, below="ipam")
    warn_of_unknown_keys(config, below="ipam")
    return config
