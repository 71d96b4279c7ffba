"""What a chained plugin is handed, in every version."""

from __future__ import annotations

from typing import Any

import pytest

from cni.protocol.chaining import previous_result
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.supported import SUPPORTED
from cni.protocol.versions import RULES, Command


def request(version: str, **config: Any) -> Request:
    return Request(Command.ADD, version, {"name": "cbr0", **config})


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_very_document(version: str) -> None:
    document = {"cniVersion": version, "later": [1, {"a": None}]}
    if RULES[version].chaining:
        assert previous_result(request(version, prevResult=document)) is document
        return
    with pytest.raises(CniError, match="has no chained plugins") as refusal:
        previous_result(request(version, prevResult=document))
    assert refusal.value.code == Code.INCOMPATIBLE_VERSION
    assert "0.3.0 or later" in refusal.value.details


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "is missing"),
        ({"prevResult": None}, "is missing"),
        ({"prevResult": [1]}, r"is \[1\]"),
        ({"prevResult": {"a": [float("nan")]}}, "a number"),
        ({"prevResult": {"a": {"b": float("inf")}}}, "a number"),
    ],
)
def test_none_or_a_malformed_one(config: dict[str, Any], words: str) -> None:
    with pytest.raises(CniError, match=words) as refusal:
        previous_result(request("1.1.0", **config))
    assert refusal.value.code == Code.INVALID_CONFIG
