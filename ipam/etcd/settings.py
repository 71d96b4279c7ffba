"""Where etcd is and who asks it: checked values, from a configuration that is read elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path

_FORM = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?))"
    r":(?P<port>[0-9]{1,5})/?"
)
_EXPECTED = "https://HOST:PORT, http://HOST:PORT or HOST:PORT, an IPv6 address in brackets"
_NUMBERS = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of etcd's client URLs."""

    text: str
    """As it was configured."""
    target: str
    """What gRPC is to connect to, by its kind: `ipv4:…`, `ipv6:…` or `dns:///…`."""
    authority: str
    """`HOST:PORT`; HOST is what the server's certificate must name."""
    secure: bool
    """TLS."""


@dataclass(frozen=True)
class Settings:
    """How to reach etcd.

    An endpoint without a scheme is https when `ca` is given, else http.

    Raises:
        ValueError: a value cannot be used, or not with the others; the message names its key.
    """

    endpoints: tuple[str, ...]
    ca: Path | None = None
    """PEM file of the authorities that sign the servers' certificates; https needs it."""
    certificate: Path | None = None
    """PEM file of our own certificate, with its intermediates; together with `key`."""
    key: Path | None = None
    user_file: Path | None = None
    """Its first line is the user; read at each login; together with `password_file`."""
    password_file: Path | None = None
    attempt: float = 1.0
    """Seconds that a first attempt on one endpoint may take; later ones may take longer."""

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ValueError(f"endpoints is empty: expected {_EXPECTED}")
        if self.attempt <= 0:
            raise ValueError(f"attempt is {self.attempt}: expected seconds above 0")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both files, or none")
        if (self.user_file is None) != (self.password_file is None):
            raise ValueError("user_file and password_file go together: give both, or none")
        insecure = [each.text for each in self.parsed if not each.secure]
        if self.ca is None and len(insecure) < len(self.parsed):
            raise ValueError("ca is missing: https endpoints need the file of their authority")
        if self.certificate is not None and insecure:
            raise ValueError(f"endpoint {insecure[0]} is not https: it takes no certificate")

    @cached_property
    def parsed(self) -> tuple[Endpoint, ...]:
        """The endpoints, in their order, each once (ValueError)."""
        parsed = (parse_endpoint(text, secure=self.ca is not None) for text in self.endpoints)
        return tuple({each.target: each for each in parsed}.values())


def parse_endpoint(text: str, *, secure: bool) -> Endpoint:
    """Read an endpoint.

    Args:
        text: with or without a scheme.
        secure: what is meant without one.

    Raises:
        ValueError: with the form that is expected.
    """
    match = _FORM.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        raise ValueError(f"endpoint {text!r}: expected {_EXPECTED}")
    try:
        kind, host = _host(match["v6"], match["name"])
    except AddressValueError as error:
        raise ValueError(f"endpoint {text!r}: {error}; expected {_EXPECTED}") from error
    authority = f"{host}:{int(match['port'])}"
    scheme = match["scheme"]
    return Endpoint(
        text, kind + authority, authority, secure=scheme == "https" if scheme else secure
    )


def _host(v6: str | None, name: str) -> tuple[str, str]:
    if v6 is not None:
        return "ipv6:", f"[{IPv6Address(v6)}]"
    if _NUMBERS.fullmatch(name):
        return "ipv4:", str(IPv4Address(name))
    return "dns:///", name
