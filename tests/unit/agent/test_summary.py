"""What one line of the log says of a request."""

from __future__ import annotations

from typing import Any

import pytest

from cni.agent.summary import sentence, subject
from cni.protocol.request import Request
from cni.protocol.versions import Command


def about(config: dict[str, Any], reply: dict[str, Any] | None = None) -> dict[str, Any]:
    return subject(Request(Command.DEL, "1.1.0", {"name": "net", **config}), reply)


@pytest.mark.parametrize(
    ("config", "rail"),
    [
        ({}, "net"),
        ({"ipam": {"rail": "b"}}, "b"),
        ({"rail": "a", "ipam": {"rail": "b"}}, "a"),
        ({"ipam": 7}, "net"),
    ],
)
def test_the_rail(config: dict[str, Any], rail: str) -> None:
    assert about(config)["rail"] == rail


@pytest.mark.parametrize(
    ("config", "device"),
    [
        ({}, None),
        ({"device": "rail0"}, "rail0"),
        ({"deviceID": "0000:01:00.1"}, "0000:01:00.1"),
        ({"deviceID": "0000:01:00.1", "runtimeConfig": {"deviceID": "0000:01:00.2"}},
         "0000:01:00.2"),
    ],
)  # fmt: skip
def test_the_device(config: dict[str, Any], device: str | None) -> None:
    assert about(config).get("device") == device


@pytest.mark.parametrize(
    ("reply", "addresses"),
    [
        ({"ips": [{"address": "10.0.0.2/24"}, {"address": "fd00::2/64"}]},
         ["10.0.0.2/24", "fd00::2/64"]),
        ({"ip4": {"ip": "10.0.0.2/24"}, "ip6": {"ip": "fd00::2/64"}},
         ["10.0.0.2/24", "fd00::2/64"]),
        ({"ips": 7}, None),
        ({"ips": [7, {}, {"address": 7}], "ip4": 7}, None),
        (None, None),
    ],
)  # fmt: skip
def test_the_addresses_in_any_version(
    reply: dict[str, Any] | None, addresses: list[str] | None
) -> None:
    assert about({}, reply).get("addresses") == addresses
    assert about({"prevResult": reply}).get("addresses") == addresses


def test_what_was_not_even_read() -> None:
    assert subject(None, {"msg": "no JSON"}) == {"error": "no JSON"}
    assert sentence({}, {"code": 6, "ms": {}}) == ": failed with code 6"
