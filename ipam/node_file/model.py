"""The node file's keys; docs/configuration.md says what each means.

What one value alone may be is said here, what several must be together in `checks.py`.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from cni.protocol.config import Config
from ipam.definition import BLOCK_SIZE, LARGEST_BLOCK, Definition, check_block_size, define
from ipam.etcd.settings import Settings, parse_endpoint
from ipam.fields import Addresses, Exclusions, Name, Prefixes, Subnets
from ipam.forms import several
from ipam.ranges import Network, Span

_TIMEOUTS = (0.5, 60.0)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
RESOURCE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*/{_NAME}")
"""The name of an extended resource, a qualified name in Kubernetes (`IsQualifiedName`)."""


def _endpoint(value: object) -> str:
    try:
        text = value if isinstance(value, str) else ""
        parse_endpoint(text, secure=False)
    except ValueError:
        raise ValueError(
            "https://HOST:PORT, http://HOST:PORT or HOST:PORT, an IPv6 address in brackets, "
            "without user and password"
        ) from None
    return text


def _file(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError("the absolute path of a file")
    return Path(value)


def _key_prefix(value: object) -> str:
    if (
        not isinstance(value, str)
        or not (value.startswith("/") and value.endswith("/"))
        or not value.isprintable()
        or " " in value
    ):
        raise ValueError('a text such as "/railcni/" that starts and ends with "/"')
    return value


def _timeout(value: object) -> float:
    shortest, longest = _TIMEOUTS
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not shortest <= number <= longest:
        raise ValueError(f"a number of seconds from {shortest:g} to {longest:g}")
    return float(number)


def _resource(value: object) -> str:
    if not isinstance(value, str) or not RESOURCE.fullmatch(value):
        raise ValueError("a device plugin's resource such as rdma/hca_shared_a")
    return value


def _block_size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        value = 0
    try:
        check_block_size(value)
    except ValueError:
        raise ValueError(f"a power of two from 1 to {LARGEST_BLOCK}") from None
    return value


File = Annotated[Path, PlainValidator(_file)]


class Etcd(Config):
    """The cluster's registry: where it is, and what proves who we are."""

    endpoints: Annotated[tuple[str, ...], PlainValidator(several(_endpoint))]
    prefix: Annotated[str, PlainValidator(_key_prefix)] = "/railcni/"
    """What all keys begin with."""
    ca: File | None = None
    certificate: File | None = None
    key: File | None = None
    user_file: File | None = Field(None, alias="userFile")
    password_file: File | None = Field(None, alias="passwordFile")
    timeout: Annotated[float, PlainValidator(_timeout)] = 5.0
    """Seconds that an ADD waits at most."""

    @cached_property
    def settings(self) -> Settings:
        """The same, as the client takes it."""
        return Settings(
            self.endpoints, self.ca, self.certificate, self.key, self.user_file, self.password_file
        )


class RailEntry(Config):
    """One rail of a fabric."""

    subnet: Subnets
    gateway: Addresses = ()
    resource: Annotated[str, PlainValidator(_resource)] = ""
    """What the device plugin calls the rail's VFs: `railctl nad` is told it here."""


class Fabric(Config):
    """One fabric, as all nodes write it."""

    registry: Literal["etcd", "local"] | None = None
    """Who owns its slots; None: etcd where the file has an `[etcd]`, else this node."""
    block_size: Annotated[int, PlainValidator(_block_size)] = Field(BLOCK_SIZE, alias="blockSize")
    prefixes: Prefixes = ()
    exclude: Exclusions = ()
    static: Exclusions = ()
    rails: dict[Name, RailEntry]

    @property
    def subnets(self) -> dict[str, tuple[Network, ...]]:
        """The subnets of each rail."""
        return {name: rail.subnet for name, rail in self.rails.items()}

    def definition(self, name: str) -> Definition:
        """Return what all nodes must agree on (ValueError: the rails do not fit together)."""
        nets = [net for subnets in self.subnets.values() for net in subnets]
        gateways = [
            int(gateway) - int(net.network_address)
            for rail in self.rails.values()
            for net in rail.subnet
            for gateway in rail.gateway
            if gateway in net
        ]
        excluded = [run for entry in self.exclude for net in nets if (run := entry.slots_in(net))]
        static = [run for entry in self.static for net in nets if (run := entry.slots_in(net))]
        return define(
            name,
            self.subnets,
            prefixes=self.prefixes,
            excluded=[*excluded, *(Span(slot, slot) for slot in gateways)],
            static=static,
            block_size=self.block_size,
        )


def _host_name() -> str:
    return os.uname().nodename


class NodeFile(Config):
    """The node file."""

    node: Name = Field(default_factory=_host_name)
    node_id: Name | None = Field(None, alias="nodeId")
    etcd: Etcd | None = None
    fabrics: dict[Name, Fabric] = Field(default_factory=dict)

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """The declared fabrics, by name."""
        return {name: fabric.definition(name) for name, fabric in self.fabrics.items()}

    def is_shared(self, fabric: str) -> bool:
        """Tell whether etcd says who owns a declared fabric's slots (KeyError)."""
        return self.etcd is not None and self.fabrics[fabric].registry != "local"
