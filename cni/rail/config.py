"""The network configuration of rail-sriov.

The VF properties have sriov-cni's key names and values, so that a NAD migrates by changing `type`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cni.kernel.functions import NO_MAC, PCI_ADDRESS, LinkState, VlanProto
from cni.protocol.config import Config, parse, read_network
from cni.protocol.errors import CniError, Code
from cni.protocol.request import IDENTIFIER, IDENTIFIER_FORM, Json, Request, ifname_problem
from cni.rail.sysctl import SysctlError, normalise

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_SYSCTL_VALUE = re.compile(r"[!-~][ -~]{0,255}")
_MULTICAST_BIT = 1
FASTEST = 2**31 - 1
"""Mbit/s; drivers are told it as a C int."""
WIDEST_PREFIX = 8
"""A prefix shorter than this is no fabric but half of the Internet."""


def _mac(value: str) -> str:
    lowered = value.lower()
    unicast = _MAC.fullmatch(lowered) and not int(lowered[:2], 16) & _MULTICAST_BIT
    if not unicast or lowered == NO_MAC:
        raise ValueError("a unicast MAC address like 02:00:00:00:00:01")
    return lowered


def _interface_name(value: str) -> str:
    problem = ifname_problem(value)
    if problem:
        raise ValueError(f"the name of an interface; {problem}")
    return value


def _name(value: str) -> str:
    if not IDENTIFIER.fullmatch(value):
        raise ValueError(IDENTIFIER_FORM)
    return value


def _sysctl_value(value: str) -> str:
    if not _SYSCTL_VALUE.fullmatch(value):
        raise ValueError("one line of up to 256 printable ASCII characters")
    return value


def _pci(value: str) -> str:
    lowered = value.lower()
    if not PCI_ADDRESS.fullmatch(lowered):
        raise ValueError("a PCI address like 0000:3b:02.1")
    return lowered


def _network(value: object) -> IPv4Network | IPv6Network:
    network = read_network(value, "a network like 10.60.0.0/16 or fd00:60::/64, without host bits")
    if network.prefixlen < WIDEST_PREFIX:
        raise ValueError(
            f"a prefix of at least /{WIDEST_PREFIX}: a rail never carries a default route"
        )
    return network


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Mac = Annotated[str, AfterValidator(_mac)]
PciAddress = Annotated[str, AfterValidator(_pci)]
Prefix = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Switch = Literal["on", "off"]


class RuntimeConfig(Config):
    """What the runtime adds for declared capabilities."""

    mac: Mac | None = None
    device_id: PciAddress | None = Field(None, alias="deviceID")
    device_info_file: str | None = Field(None, alias="CNIDeviceInfoFile")


class RailConfig(Config):
    """The keys of a rail-sriov network configuration."""

    device_id: PciAddress | None = Field(None, alias="deviceID")
    device: Annotated[str, AfterValidator(_interface_name)] | None = None
    rail: Annotated[str, AfterValidator(_name)] = ""
    mtu: Annotated[int, Field(ge=1280, le=65535)] = 9000
    """Bytes; from 1280, the least that IPv6 takes."""
    mac: Mac | None = None
    on_foreign_route: Literal["strip", "reject"] = Field("strip", alias="onForeignRoute")
    prefixes: tuple[Prefix, ...] = Field((), strict=False)
    source_routing: bool | None = Field(None, alias="sourceRouting")
    """None: on where another interface of the pod already serves the subnet."""
    sysctl: dict[str, Annotated[str, AfterValidator(_sysctl_value)] | int] = Field({})
    log_level: Literal["debug", "info", "warning", "error", "panic"] = Field(
        "info", alias="logLevel"
    )
    log_file: str = Field("", alias="logFile")
    runtime: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")

    vlan: Annotated[int, Field(ge=0, le=4094)] | None = None
    vlan_qos: Annotated[int, Field(ge=0, le=7)] | None = Field(None, alias="vlanQoS")
    vlan_proto: Annotated[VlanProto, BeforeValidator(_lower)] | None = Field(
        None, alias="vlanProto"
    )
    spoofchk: Switch | None = None
    trust: Switch | None = None
    link_state: LinkState | None = None
    min_tx_rate: Annotated[int, Field(ge=0, le=FASTEST)] | None = None
    """Mbit/s."""
    max_tx_rate: Annotated[int, Field(ge=0, le=FASTEST)] | None = None
    """Mbit/s; 0 for no limit."""
    rdma: Literal["shared", "exclusive"] = "shared"
    """Whether the RDMA device moves into the pod, on a node in RDMA's exclusive mode."""

    @model_validator(mode="after")
    def _vlan_is_whole(self) -> RailConfig:
        for key, value in (("vlanQoS", self.vlan_qos), ("vlanProto", self.vlan_proto)):
            if value is not None and self.vlan is None:
                raise ValueError(f"{key} is {value!r}, but vlan is missing: expected both")
            if value not in {None, 0, "802.1q"} and not self.vlan:
                raise ValueError(f"{key} is {value!r}, but vlan is 0: expected a vlan from 1 on")
        return self

    @model_validator(mode="after")
    def _rates_fit(self) -> RailConfig:
        if self.max_tx_rate and (self.min_tx_rate or 0) > self.max_tx_rate:
            raise ValueError(
                f"min_tx_rate is {self.min_tx_rate}, "
                f"expected at most max_tx_rate ({self.max_tx_rate})"
            )
        return self

    def unknown_keys(self) -> list[str]:
        """Return the keys that nobody will read, those in `runtimeConfig` too."""
        unheard = (f"runtimeConfig.{key}" for key in self.runtime.unknown_keys())
        known = {"runtimeConfig.ips", "pciBusID"}  # Multus adds deviceID by this name as well
        return [key for key in (*super().unknown_keys(), *unheard) if key not in known]

    @property
    def wanted_device(self) -> str:
        """The device that the configuration names, for messages."""
        return self.pci_address or self.device or ""

    @property
    def pci_address(self) -> str:
        """The VF: what the runtime allocated, before what the NAD says."""
        return self.runtime.device_id or self.device_id or ""


def read(request: Request) -> RailConfig:
    """Return the typed configuration of a request; `mac` is the one that counts.

    Raises:
        CniError: code 7 for what is malformed.
    """
    config = parse(RailConfig, request.config)
    _check_rail(config, request)
    return config.model_copy(update={"mac": _asked_mac(config, request)})


def check_device(config: RailConfig, request: Request) -> None:
    """Raise code 7 unless exactly one device is named, and code 7 for a bad `sysctl` key."""
    if not config.wanted_device:
        raise CniError(
            Code.INVALID_CONFIG,
            "deviceID is missing, and so is device",
            "deviceID comes from the device plugin through Multus: is the annotation "
            "k8s.v1.cni.cncf.io/resourceName on the NetworkAttachmentDefinition, and does the "
            "container request that resource? Without SR-IOV, name a netdev with device.",
        )
    if config.pci_address and config.device:
        raise CniError(
            Code.INVALID_CONFIG,
            f"device is {config.device!r} and deviceID is {config.pci_address!r}, expected one",
        )
    sysctls(config, request.ifname)


def sysctls(config: RailConfig, ifname: str) -> dict[str, str]:
    """Return `sysctl` as keys below /proc/sys/net (code 7 for any other interface's key)."""
    try:
        return {normalise(key, ifname): str(value) for key, value in config.sysctl.items()}
    except SysctlError as error:
        raise CniError(Code.INVALID_CONFIG, str(error)) from None


def _asked_mac(config: RailConfig, request: Request) -> str | None:
    """Return the MAC asked for, the runtime's word first (CONVENTIONS.md)."""
    by_args = _dict(_dict(request.config.get("args")).get("cni")).get("mac")
    asked = config.runtime.mac or by_args or request.args.get("MAC") or config.mac
    if not asked:
        return None
    try:
        return _mac(str(asked))
    except ValueError as wanted:
        raise CniError(Code.INVALID_CONFIG, f"mac is {asked!r}, expected {wanted}") from None


def _check_rail(config: RailConfig, request: Request) -> None:
    ipam_rail = _dict(request.config.get("ipam")).get("rail")
    if config.rail and ipam_rail and ipam_rail != config.rail:
        raise CniError(
            Code.INVALID_CONFIG,
            f"rail is {config.rail!r} and ipam.rail is {ipam_rail!r}, expected the same",
        )


def _dict(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
