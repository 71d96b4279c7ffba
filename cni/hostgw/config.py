"""The network configuration of rail-hostgw."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import combinations
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from cni.protocol.config import Config, parse, read_network, warn_of_unknown_keys
from cni.protocol.request import Request, ifname_problem

WIDEST = 8
"""The shortest prefix of a pod network: a wider one is no cluster's but half of the Internet."""
_TABLES_OF_THE_KERNEL = frozenset({253, 254, 255})


def _interface_name(value: str) -> str:
    problem = ifname_problem(value)
    if problem:
        raise ValueError(f"the name of an interface; {problem}")
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    wanted = f"a network like 10.42.1.0/24 or fd00:42:1::/64, /{WIDEST} or longer, no host bits"
    network = read_network(value, wanted)
    if network.prefixlen < WIDEST:
        raise ValueError(wanted)
    return network


def _address(value: object) -> IPv4Address | IPv6Address:
    wanted = "a node's address like 192.168.1.11 or fd00:1::11"
    if not isinstance(value, str):
        raise ValueError(wanted)  # noqa: TRY004 - pydantic's own kind
    try:
        return ip_address(value)
    except ValueError:
        raise ValueError(wanted) from None


def _table(value: int) -> int:
    if value in _TABLES_OF_THE_KERNEL:
        raise ValueError("a table of our own: 253, 254 and 255 are the kernel's")
    return value


Name: TypeAlias = Annotated[str, AfterValidator(_interface_name)]
PodNetwork: TypeAlias = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
NodeAddress: TypeAlias = Annotated[IPv4Address | IPv6Address, BeforeValidator(_address)]


class Uplink(Config):
    """What the node cannot tell of its uplink by itself."""

    name: Name | None = None
    wireless: bool | None = None


class StaticPeer(Config):
    """A peer that flannel's state is not asked for."""

    cidr: PodNetwork
    address: NodeAddress

    @model_validator(mode="after")
    def _is_one_family(self) -> StaticPeer:
        if self.cidr.version != self.address.version:
            raise ValueError(f"address is {self.address}, expected one of {self.cidr}'s family")
        return self


class Terms(Config):
    """What a network configuration and the agent's settings can both say of the paths."""

    table: Annotated[int, Field(ge=1, le=2**32 - 1), AfterValidator(_table)] = 142
    priority: Annotated[int, Field(ge=3, le=32765)] = 5000
    """Of the rule that leads into the table; main's is 32766."""
    pod_networks: tuple[PodNetwork, ...] = Field((), alias="podNetworks", strict=False)
    """At most one of each family; empty for what the peers span."""
    service_networks: tuple[PodNetwork, ...] = Field((), alias="serviceNetworks", strict=False)
    """The cluster's Services': no peer's pods can be there."""
    overlay: tuple[Name, ...] = Field((), strict=False)
    """The overlay's devices; empty for all of flannel's kind."""
    uplink: Uplink = Uplink()
    peers: tuple[StaticPeer, ...] = Field((), strict=False)

    @field_validator("pod_networks")
    @classmethod
    def _are_of_different_families(cls, networks: tuple[PodNetwork, ...]) -> tuple[PodNetwork, ...]:
        if len({network.version for network in networks}) < len(networks):
            raise ValueError("at most one network of each family")
        return networks

    @field_validator("peers")
    @classmethod
    def _do_not_overlap(cls, peers: tuple[StaticPeer, ...]) -> tuple[StaticPeer, ...]:
        for one, other in combinations(peers, 2):
            if one.cidr.overlaps(other.cidr):
                raise ValueError(f"networks that do not overlap, unlike {one.cidr}, {other.cidr}")
        return peers


class HostgwConfig(Terms):
    """The keys of a rail-hostgw network configuration."""

    mode: Literal["wifi", "always", "off"] = "wifi"
    agentless: bool = False
    """Whether each request proves the peers itself, instead of an agent all the time."""
    strict: bool = False
    log_level: Literal["debug", "info", "warning", "error", "panic"] = Field(
        "info", alias="logLevel"
    )
    log_file: str = Field("", alias="logFile")

    def warn(self) -> None:
        """Name each key that nobody will read in the log."""
        warn_of_unknown_keys(self)
        warn_of_unknown_keys(self.uplink, "uplink")
        for peer in self.peers:
            warn_of_unknown_keys(peer, "peers")

    def digest(self) -> str:
        """Return what tells this configuration from another."""
        keys = self.model_dump(mode="json", include=set(type(self).model_fields))
        return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()


def read(request: Request) -> HostgwConfig:
    """Return the typed configuration of a request (CniError: code 7 for what is malformed)."""
    return parse(HostgwConfig, request.config)
