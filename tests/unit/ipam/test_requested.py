"""Addresses asked for by name: where from, in which forms, and what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import Command
from ipam.ranges import make_rail
from ipam.requested import requested_slot

RAIL = make_rail("roce-a", [ip_network("10.60.0.0/16"), ip_network("fd00:60::/64")])


def asked(environment: dict[str, str] | None = None, **config: Any) -> int | None:
    request = Request(Command.ADD, "1.1.0", {"name": "a", **config}, args=environment or {})
    return requested_slot(request, RAIL)


@pytest.mark.parametrize(
    "values",
    [
        ["10.60.0.9"],
        ["10.60.0.9/16"],
        ["fd00:60::9"],
        ["fd00:60::9/64", "10.60.0.9"],
        "10.60.0.9",
    ],
)
def test_with_and_without_prefix_length_in_either_family(values: object) -> None:
    assert asked(runtimeConfig={"ips": values}) == 9


def test_the_runtime_wins_over_args_and_these_over_cni_args() -> None:
    one, two, three = ({"ips": [f"10.60.0.{n}"]} for n in (1, 2, 3))
    old = {"IP": "10.60.0.4, fd00:60::4"}
    assert asked() is None
    assert asked(old) == 4
    assert asked(old, args={"cni": two}) == 2
    assert asked(old, args={"cni": two}, runtimeConfig=one) == 1
    assert asked(old, args={"cni": {}}, runtimeConfig={"ips": []}) == 4
    assert asked(args={"cni": three}, runtimeConfig=None) == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["10.61.0.9"], "expected an address in 10.60.0.0/16, fd00:60::/64"),
        (["10.60.0.9/24"], "expected an address in 10.60.0.0/16"),
        (["fd00:60::ffff:0:0:9"], "expected an address in"),
        (["nine"], "has 'nine', expected an address of rail roce-a, such as 10.60.0.1/16"),
        ([9], "has 9, expected an address of rail"),
        (["10.60.0.9", "fd00:60::8"], "expected the same host part in each"),
    ],
)
def test_what_is_refused(values: list[object], words: str) -> None:
    with pytest.raises(CniError) as caught:
        asked(runtimeConfig={"ips": values})
    assert (caught.value.code, words in caught.value.msg) == (Code.INVALID_CONFIG, True)
    assert caught.value.msg.startswith("runtimeConfig.ips ")


def test_the_environment_is_named_when_it_is_to_blame() -> None:
    with pytest.raises(CniError) as caught:
        asked({"IP": "10.60.0.x"})
    assert caught.value.code == Code.INVALID_ENVIRONMENT
