"""How addresses are written: each function reads one value, or raises with what it expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Protocol, TypeVar

from cni.protocol.request import IDENTIFIER
from cni.protocol.results import Route
from ipam.ranges import MAX_SLOT, Address, Network, Span

_WIDEST = {4: 8, 6: 16}
"""Shortest prefix of a rail: a wider one's connected route would be a piece of a default route."""
_NARROWEST = {4: 30, 6: 126}
"""Longest prefix of a rail that leaves a host beside what is reserved and its peer."""
_YEAR = 365 * 24 * 3600
_MONTH = 30 * 24 * 3600


class _OfFamily(Protocol):
    @property
    def version(self) -> int: ...


_Value = TypeVar("_Value")
_Versioned = TypeVar("_Versioned", bound=_OfFamily)


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses from one to another, both included, of one family."""

    first: Address
    last: Address

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def touches(self, net: Network) -> bool:
        """Tell whether a network has any of these addresses."""
        return (
            self.first.version == net.version
            and int(self.first) <= int(net.broadcast_address)
            and int(self.last) >= int(net.network_address)
        )

    def slots_in(self, net: Network) -> Span | None:
        """Return the slots of those of these addresses that a network has, if any."""
        if not self.touches(net):
            return None
        base = int(net.network_address)
        first, last = max(int(self.first) - base, 0), int(self.last) - base
        return Span(first, min(last, MAX_SLOT)) if first <= MAX_SLOT else None


def one_per_family(
    read: Callable[[object], _Versioned],
) -> Callable[[object], tuple[_Versioned, ...]]:
    """Return a reader of one value, or of a list with at most one per family, IPv4 first."""

    def values(value: object) -> tuple[_Versioned, ...]:
        read_ones = sorted(several(read)(value), key=lambda one: one.version)
        if not read_ones or len({one.version for one in read_ones}) < len(read_ones):
            raise ValueError("one value, or a list with one per family (IPv4, IPv6)")
        return tuple(read_ones)

    return values


def several(read: Callable[[object], _Value]) -> Callable[[object], tuple[_Value, ...]]:
    """Return a reader of one value or of a list of them, which names the item it cannot read."""

    def values(value: object) -> tuple[_Value, ...]:
        return tuple(map(item, value)) if isinstance(value, list) else (read(value),)

    def item(value: object) -> _Value:
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{value!r} to be {error}") from None

    return values


def name(value: object) -> str:
    """Read the name of a fabric or a rail."""
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise ValueError(
            "a name of letters, digits, '_', '.' and '-' that starts with a letter or digit"
        )
    return value


def seconds(value: object) -> float:
    """Read a length of time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _YEAR:
        raise ValueError(f"a number of seconds from 0 to {_YEAR} (a year)")
    return float(value)


def sticky_seconds(value: object) -> float:
    """Read how long an address is kept for a pod that is away."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not 1 <= number <= _MONTH:
        raise ValueError(f"a number of seconds from 1 to {_MONTH} (30 days)")
    return float(number)


def address(value: object) -> Address:
    """Read an address without prefix length or zone."""
    try:
        return ip_address(_zoneless(value))
    except ValueError:
        raise ValueError("an address such as 10.60.0.1 or fd00:60::1") from None


def subnet(value: object) -> Network:
    """Read the subnet of a rail."""
    net = _network(value)
    widest, narrowest = _WIDEST[net.version], _NARROWEST[net.version]
    if not widest <= net.prefixlen <= narrowest:
        raise ValueError(f"a prefix length from /{widest} to /{narrowest} in IPv{net.version}")
    if net.is_multicast or net.is_loopback:
        raise ValueError("a unicast network that is not the loopback's")
    return net


def prefix(value: object) -> Network:
    """Read a network that routes may lead to."""
    net = _network(value)
    if net.prefixlen < _WIDEST[net.version]:
        raise ValueError(f"a prefix length of at least /{_WIDEST[net.version]}: no default route")
    return net


def exclusion(value: object) -> AddressRange:
    """Read a network, an address, or a range of addresses `a-b`."""
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not dash:
        net = _network(value)
        return AddressRange(net.network_address, net.broadcast_address)
    bounds = AddressRange(address(first.strip()), address(last.strip()))
    if bounds.first.version != bounds.last.version or int(bounds.first) > int(bounds.last):
        raise ValueError("a range a-b of one family, the lower address first")
    return bounds


def route(value: object) -> dict[str, Any]:
    """Read what `Route` does not check by itself: unknown keys, host bits, a default route."""
    known = set(Route.model_fields)
    if not isinstance(value, dict) or "dst" not in value or not value.keys() <= known:
        raise ValueError(f'an object {{"dst": …}} with keys of {", ".join(sorted(known))}')
    if _network(value["dst"]).prefixlen == 0:
        raise ValueError("a route to a part of the network: eth0 has the pod's only default route")
    return value


def _network(value: object) -> Network:
    try:
        return ip_network(_zoneless(value))
    except ValueError:
        raise ValueError(_network_form(value)) from None


def _network_form(value: object) -> str:
    try:
        return f"{ip_network(_zoneless(value), strict=False)}: a network has no host bits"
    except ValueError:
        return "a network such as 10.60.0.0/16 or fd00:60::/64"


def _zoneless(value: object) -> str:
    """Return a text that `ipaddress` may read: of a number it would make an address."""
    if not isinstance(value, str) or "%" in value:
        raise ValueError
    return value
