"""Addresses that a pod asks for by name."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from cni.protocol.errors import CniError, Code
from ipam.ranges import Rail, listing

if TYPE_CHECKING:
    from cni.protocol.request import Request


def requested_slot(request: Request, rail: Rail) -> int | None:
    """Return the slot of the addresses that a request asks for, None when it asks for none.

    Raises:
        CniError: code 7, or 4 for CNI_ARGS, when one is malformed or not of this rail, or when they
            do not belong to one slot.
    """
    key, code, values = _asked(request)
    slots = {_slot(rail, key, code, value): value for value in values}
    if len(slots) > 1:
        raise CniError(
            code,
            f"{key} asks for {listing(values)}, expected the same host part in each: an "
            "attachment has one slot",
        )
    return next(iter(slots), None)


def _asked(request: Request) -> tuple[str, Code, list[Any]]:
    """Return where addresses were asked for, and which; CNI_ARGS is deprecated, so it is last."""
    config = request.config
    for key, section in (
        ("runtimeConfig", config.get("runtimeConfig")),
        ("args.cni", _mapping(config.get("args")).get("cni")),
    ):
        values = _mapping(section).get("ips")
        if values:
            listed = values if isinstance(values, list) else [values]
            return f"{key}.ips", Code.INVALID_CONFIG, listed
    texts = [text.strip() for text in request.args.get("IP", "").split(",") if text.strip()]
    return "IP of CNI_ARGS", Code.INVALID_ENVIRONMENT, texts


def _slot(rail: Rail, key: str, code: Code, value: object) -> int:
    """Return the slot of one address, written with its subnet's prefix length or without one."""
    try:
        address = ip_interface(value if isinstance(value, str) else "")
    except ValueError:
        raise CniError(
            code, f"{key} has {value!r}, expected an address of rail {rail.name}, such as "
            f"{rail.addresses(rail.usable[0].first)[0]}",
        ) from None  # fmt: skip
    slot = rail.slot_of(address.ip)
    own = () if slot is None else rail.addresses(slot)
    if slot is None or ("/" in str(value) and address not in own):
        raise CniError(code, f"{key} has {value!r}, expected an address in {listing(rail.subnets)}")
    return slot


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
