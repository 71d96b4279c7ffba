"""The NAD that is offered: what is sound of the faulty one stays, the rest is put right."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from install.nad.lint import Source, lint
from install.nad.remarks import Measure
from ipam.node_file.reading import read
from tests.unit.nad.reading import ANNOTATION, bad, judged, nad, sound

CAPABILITIES = {"capabilities": {"CNIDeviceInfoFile": True}}
OURS = {"type": "rail-ipam", "subnet": "10.60.0.0/16"}
ELSEWHERE = {"type": "rail-ipam", "fabric": "backend", "rail": "roce-a"}
PAIR = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16"}


def offered(text: str, *, declared: bool = False) -> dict[str, Any]:
    """Return the configuration that is offered for a NAD."""
    document = yaml.safe_load(judged(text, declared=declared)[-1].right)
    config = json.loads(document["spec"]["config"])
    assert isinstance(config, dict)
    return config


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"mtu": 1500}, {}),
        ({"mtu": 90000}, {}),
        ({"mtu": 9100, "x": 1}, {"mtu": 9100}),
        ({"cniVersion": "9", "mtu": 9000}, {"cniVersion": "1.0.0"}),
        ({"cniVersion": "0.2.0", "x": 1}, {"cniVersion": "1.0.0"}),
        ({"cniVersion": "0.3.1", "x": 1}, {"cniVersion": "0.3.1"}),
        ({"vlan": 5, "trust": "maybe"}, {"vlan": 5}),
        ({"vlanQoS": 5}, {}),
        ({"rail": "other", "x": 1}, {}),
        (
            {"rail": "roce-a", "x": 1, "ipam": {**ELSEWHERE, "rails": PAIR}},
            {"rail": "roce-a", "ipam": {**ELSEWHERE, "rails": PAIR}},
        ),
        ({"x": 1, "ipam": ELSEWHERE}, {"rail": "roce-a", "ipam": ELSEWHERE}),
        ({"ipam": {**OURS, "x": 1, "gateway": "10.60.0.1"}}, {"ipam": {
            **OURS, "gateway": "10.60.0.1",
        }}),
        ({"ipam": {**OURS, "gateway": "10.61.0.1"}}, {"ipam": OURS}),
        ({"ipam": {**OURS, "routes": [{"dst": "0.0.0.0/0"}]}}, {"ipam": OURS}),
        ({"ipam": {**OURS, "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.60.1.0/24"}]}}, {"ipam": {
            **OURS, "routes": [{"dst": "10.60.1.0/24"}],
        }}),
        ({"ipam": {**ELSEWHERE, "subnet": "10.60.0.0/16", "gateway": "10.61.0.1"}}, {"ipam": OURS}),
        ({"ipam": {"type": "host-local", "ranges": [
            [{"subnet": "10.60.0.0/16"}], [{"subnet": "fd00:60::/64"}],
        ]}}, {"ipam": {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]}}),
    ],
)  # fmt: skip
def test_what_is_offered_without_a_node_file(given: dict[str, Any], right: dict[str, Any]) -> None:
    text = nad(sound(**given))
    assert offered(text) == {**sound(), **CAPABILITIES, **right}
    assert bad(judged(text)[-1].right) == set()


@pytest.mark.parametrize(
    "ipam",
    [
        None,
        {"type": "dhcp"},
        {"type": "rail-ipam"},
        {
            "type": "host-local",
            "ranges": [[{"subnet": "10.60.0.0/16"}, {"subnet": "10.61.0.0/16"}]],
        },
        {**ELSEWHERE, "routes": [5], "quarantine": -1},
    ],
)
def test_what_cannot_be_known_is_not_offered(ipam: dict[str, Any] | None) -> None:
    assert judged(nad(sound(ipam=ipam, mtu=1500)))[-1].right == ""


def test_a_name_that_kubernetes_refuses_is_not_offered_again() -> None:
    assert judged(nad(sound(), name="roce_a"))[-1].right == ""


def test_the_device_plugins_resource_comes_before_a_device() -> None:
    text = nad(sound(device="rail0", x=1))
    assert "device" not in offered(text)
    without = text.replace(ANNOTATION, "other")
    assert offered(without)["device"] == "rail0"
    assert "resourceName" not in judged(without)[-1].right
    malformed = nad(sound(device="rail0"), resource="hca")
    assert offered(malformed)["device"] == "rail0"


def test_what_nobody_has_said_is_left_to_the_operator() -> None:
    text = nad(sound()).replace(ANNOTATION, "other")
    assert f"# annotations: {{{ANNOTATION}: " in judged(text)[-1].right


def test_the_resource_stays_where_the_node_file_names_none() -> None:
    file = read(b'[fabrics.f.rails.roce-a]\nsubnet = "10.60.0.0/16"\n').file
    for resource, stays in (("rdma/x", True), ("x", False)):
        source = Source("a", nad(sound(mtu=1500), resource=resource))
        found = lint([source], Measure(node_file=file))
        assert (f"{ANNOTATION}: {resource}" in found[-1].right) == stays
        assert '"fabric": "f"' in found[-1].right
    source = Source("a", nad(sound(mtu=1500)).replace(ANNOTATION, "other"))
    assert '"fabric": "f"' in lint([source], Measure(node_file=file))[-1].right
