"""Success results: one model, and its form in every version of the specification.

Inside, a result always has the form of 1.1.0.  `render` writes the caller's version, `parse` reads
any.  Source: CNI SPEC.md of each release, "Success"; for 0.1.0 and 0.2.0 also libcni's types/020.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from cni.protocol.config import parse as parse_model
from cni.protocol.versions import RULES, Shape


def _read_by(read: Callable[[Any], object], form: str) -> PlainValidator:
    """Return a validator that reads text, and takes what has been read before as it is."""

    def checked(value: object) -> object:
        try:
            return read(_no_number(value))
        except (TypeError, ValueError):
            raise ValueError(form) from None

    return PlainValidator(checked)


def _no_number(value: object) -> object:
    if isinstance(value, int | bytes):  # ipaddress would make an address of it
        raise TypeError
    return value


_InterfaceAddress = Annotated[
    IPv4Interface | IPv6Interface, _read_by(ip_interface, "an address such as 10.60.0.2/16")
]
_Address = Annotated[
    IPv4Address | IPv6Address, _read_by(ip_address, "an address such as 10.60.0.1")
]
_Network = Annotated[
    IPv4Network | IPv6Network, _read_by(ip_network, "a network such as 10.60.0.0/16")
]


def _integer(lowest: int, highest: int, reserved: Collection[int] = ()) -> BeforeValidator:
    """Return a check that a value is an integer that the kernel has room for."""
    form = f"an integer from {lowest} to {highest}"
    besides = "".join(f", not {value}" for value in reserved)

    def check(value: object) -> object:
        fits = type(value) is int and lowest <= value <= highest  # True is an int, and no number
        if value is not None and (not fits or value in reserved):
            raise ValueError(form + besides)
        return value

    return BeforeValidator(check)


_U8 = Annotated[int | None, _integer(0, 2**8 - 1)]
_U16 = Annotated[int | None, _integer(0, 2**16 - 1)]
_U32 = Annotated[int | None, _integer(0, 2**32 - 1)]
_LOCAL_TABLE = 255
"""The kernel's own, of the addresses of this host."""
_Table = Annotated[int | None, _integer(1, 2**32 - 1, reserved=[_LOCAL_TABLE])]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Interface(_Part):
    """An interface that the attachment made or moved, or its counterpart on the host."""

    name: str
    mac: str = ""
    mtu: int | None = None
    sandbox: str = ""
    socket_path: str = Field("", alias="socketPath")
    pci_id: str = Field("", alias="pciID")


class Ip(_Part):
    """An address, its prefix, and the index in `interfaces` of the one that carries it."""

    address: _InterfaceAddress
    gateway: _Address | None = None
    interface: int | None = None


class Route(_Part):
    """A route into the container."""

    dst: _Network
    gw: _Address | None = None
    mtu: _U16 = None
    advmss: _U16 = None
    priority: _U32 = None
    table: _Table = None
    scope: _U8 = None


class Dns(_Part):
    """What the container's resolver should use."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Result(_Part):
    """What ADD answers."""

    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()


class _OfFamily(_Part):
    """What 0.1.0 and 0.2.0 say of one family."""

    ip: _InterfaceAddress
    gateway: _Address | None = None
    routes: tuple[Route, ...] | None = None


class _Oldest(_Part):
    """A result of 0.1.0 or 0.2.0."""

    ip4: _OfFamily | None = None
    ip6: _OfFamily | None = None
    dns: Dns | None = None

    def result(self) -> Result:
        """Return the same in the form of 1.1.0."""
        parts = [part for part in (self.ip4, self.ip6) if part]
        return Result(
            ips=tuple(Ip(address=part.ip, gateway=part.gateway) for part in parts),
            routes=tuple(route for part in parts for route in part.routes or ()),
            dns=self.dns or Dns(),
        )


_ROUTE_BASICS = ("dst", "gw")
_INTERFACE_BASICS = ("name", "mac", "sandbox")


def parse(document: Any, *, below: str = "") -> Result:
    """Return a result read from JSON of any version.

    Args:
        document: the decoded object.
        below: the key it was found under (`prevResult`), for the error.

    Raises:
        CniError: code 7, naming what is malformed.
    """
    if isinstance(document, dict) and ("ip4" in document or "ip6" in document):
        return parse_model(_Oldest, document, below=below).result()
    return parse_model(Result, document, below=below)


def render(result: Result, version: str) -> dict[str, Any]:
    """Return a result as the JSON object of one version of the specification."""
    full = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"cniVersion": version} | _SHAPES[RULES[version].shape](full)


def _with_details(full: dict[str, Any]) -> dict[str, Any]:
    listed = {
        "interfaces": [_filled(entry) for entry in full["interfaces"]],
        "ips": full["ips"],
        "routes": full["routes"],
        "dns": _filled(full["dns"]),
    }
    return {key: value for key, value in listed.items() if value or key == "dns"}


def _plain(full: dict[str, Any]) -> dict[str, Any]:
    document = _with_details(full)
    for key, basics in (("interfaces", _INTERFACE_BASICS), ("routes", _ROUTE_BASICS)):
        if key in document:
            document[key] = [_only(entry, basics) for entry in document[key]]
    return document


def _with_version(full: dict[str, Any]) -> dict[str, Any]:
    document = _plain(full)
    if "ips" in document:
        document["ips"] = [{"version": _family(ip), **ip} for ip in document["ips"]]
    return document


def _ip4_ip6(full: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"dns": _filled(full["dns"])}
    for family, colon in (("4", False), ("6", True)):
        ip = next((ip for ip in full["ips"] if _family(ip) == family), None)
        if ip is None:
            continue
        part = {"ip": ip["address"], "gateway": ip.get("gateway")}
        routes = [_only(r, _ROUTE_BASICS) for r in full["routes"] if (":" in r["dst"]) is colon]
        part["routes"] = routes or None
        document[f"ip{family}"] = {key: value for key, value in part.items() if value}
    return document


_SHAPES = {
    Shape.IP4_IP6: _ip4_ip6,
    Shape.IPS_WITH_VERSION: _with_version,
    Shape.IPS: _plain,
    Shape.IPS_WITH_DETAILS: _with_details,
}


def _family(ip: dict[str, Any]) -> str:
    return "6" if ":" in ip["address"] else "4"


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value not in ("", [])}


def _only(entry: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key in keys}
