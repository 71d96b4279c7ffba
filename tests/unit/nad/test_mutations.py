"""Every fault that is put into a rendered NAD is found, on its line, and the offer has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from install.doctor.findings import Severity
from tests.unit.nad.reading import ANNOTATION, bad, judged, rendered

NADS = rendered()
Document = dict[str, Any]
Draw = st.DataObject


WHOLES_AND_HALVES = ("0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "default", "8000::/1")


def wide(bits: int, length: int) -> str:
    rest = 32 - length
    return str(ip_network((bits >> rest << rest, length)))


def default_route(config: Document, _nad: Document, data: Draw) -> None:
    pieces = st.builds(wide, st.integers(0, 2**32 - 1), st.integers(1, 7))
    dst = data.draw(st.one_of(st.sampled_from(WHOLES_AND_HALVES), pieces))
    config["ipam"].setdefault("routes", []).append({"dst": dst})


def host_local(config: Document, _nad: Document, data: Draw) -> None:
    subnet = f"10.{data.draw(st.integers(0, 255))}.0.0/16"
    one_range = {"subnet": subnet}
    form: Document = data.draw(st.sampled_from([one_range, {"ranges": [[one_range]]}]))
    config["ipam"] = {"type": "host-local", **form}


def whereabouts(config: Document, _nad: Document, data: Draw) -> None:
    subnet = f"10.{data.draw(st.integers(0, 255))}.0.0/16"
    form: Document = data.draw(
        st.sampled_from([{"range": subnet}, {"ipRanges": [{"range": subnet}]}])
    )
    config["ipam"] = {"type": "whereabouts", **form}


def static(config: Document, _nad: Document, data: Draw) -> None:
    address = f"10.60.{data.draw(st.integers(0, 255))}.7/16"
    config["ipam"] = {"type": "static", "addresses": [{"address": address}]}


def small_mtu(config: Document, _nad: Document, data: Draw) -> None:
    config["mtu"] = data.draw(st.integers(1280, 8999))


def no_mtu(config: Document, _nad: Document, _data: Draw) -> None:
    config["type"] = "sriov"
    del config["mtu"]


def malformed(config: Document, _nad: Document, data: Draw) -> None:
    key = data.draw(st.sampled_from(["rangeStart", "rangeEnd", "gateway", "exclude", "subnet"]))
    value = data.draw(st.sampled_from(["10.60", "10.60.0.1/33", "", "a", 5, True, ["x"]]))
    config["ipam"][key] = value


def another_networks(config: Document, _nad: Document, data: Draw) -> None:
    key = data.draw(st.sampled_from(["rangeStart", "rangeEnd", "gateway", "exclude"]))
    config["ipam"][key] = f"192.168.{data.draw(st.integers(0, 255))}.1"


def unknown_key(config: Document, _nad: Document, data: Draw) -> None:
    where = data.draw(st.sampled_from([config, config["ipam"]]))
    key = data.draw(st.from_regex(r"[a-z]{2,12}", fullmatch=True))
    where[f"x-{key}"] = data.draw(st.sampled_from([1, "1", None, [], {}]))


def misspelt_key(config: Document, _nad: Document, data: Draw) -> None:
    where = data.draw(st.sampled_from([config, config["ipam"]]))
    key = data.draw(st.sampled_from(sorted(set(where) - {"type", "cniVersion", "name", "ipam"})))
    where[key.upper()] = where.pop(key)


def no_resource(_config: Document, nad: Document, _data: Draw) -> None:
    del nad["metadata"]["annotations"]


def malformed_resource(_config: Document, nad: Document, data: Draw) -> None:
    name = data.draw(
        st.sampled_from(["hca", "", "rdma/", "/hca", "rdma/a/b", "RDMA/hca", "rdma/-"])
    )
    nad["metadata"]["annotations"][ANNOTATION] = name


def another_resource(_config: Document, nad: Document, data: Draw) -> None:
    nad["metadata"]["annotations"][ANNOTATION] = f"rdma/x{data.draw(st.integers(0, 99))}"


def malformed_name(_config: Document, nad: Document, data: Draw) -> None:
    nad["metadata"]["name"] = data.draw(st.sampled_from(["Roce-A", "roce_a", "-a", "", "a" * 254]))


def malformed_network_name(config: Document, _nad: Document, data: Draw) -> None:
    config["name"] = data.draw(st.sampled_from(["", "-a", "a b", 5, "a/b"]))


def another_name(config: Document, _nad: Document, _data: Draw) -> None:
    config["name"] = "another"


def version(config: Document, _nad: Document, data: Draw) -> None:
    config["cniVersion"] = data.draw(st.sampled_from(["", "1.0", "2.0.0", 1, None]))


def refused_value(config: Document, _nad: Document, data: Draw) -> None:
    key, value = data.draw(
        st.sampled_from([
            ("vlan", 4095), ("vlan", "5"), ("spoofchk", True), ("trust", "yes"), ("mtu", 70000),
            ("link_state", "up"), ("vlanQoS", 3), ("mac", "01:00:5e:00:00:01"), ("min_tx_rate", -1),
            ("prefixes", ["0.0.0.0/0"]), ("sysctl", {"kernel.panic": "1"}), ("rail", "another"),
        ])
    )  # fmt: skip
    config[key] = value


MUTATIONS: dict[Callable[[Document, Document, Draw], None], set[str]] = {
    default_route: {"default-route"},
    host_local: {"host-local"},
    whereabouts: {"whereabouts"},
    static: {"static"},
    small_mtu: {"mtu"},
    no_mtu: {"mtu"},
    malformed: {"malformed"},
    another_networks: {"malformed"},
    unknown_key: {"unknown-key"},
    misspelt_key: {"unknown-key"},
    no_resource: {"resource"},
    malformed_resource: {"resource"},
    another_resource: {"resource"},
    malformed_name: {"name"},
    malformed_network_name: {"name"},
    another_name: {"name"},
    version: {"cni-version"},
    refused_value: {"malformed"},
}


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: str(mutate.__name__))
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_fault_is_found_and_the_offer_has_none(
    mutate: Callable[[Document, Document, Draw], None], data: Draw
) -> None:
    text = NADS[data.draw(st.sampled_from(sorted(NADS)))]
    nad = yaml.safe_load(text)
    config = json.loads(nad["spec"]["config"])
    mutate(config, nad, data)
    nad["spec"]["config"] = json.dumps(config, indent=data.draw(st.sampled_from([None, 1, 4])))
    style = data.draw(st.sampled_from([None, '"', "'", "|", ">"]))
    faulty = yaml.safe_dump(nad, default_style=style, width=data.draw(st.sampled_from([40, 9999])))

    found = judged(faulty, declared=True)
    assert {one.finding.check for one in found} >= MUTATIONS[mutate]
    lines = faulty.splitlines()
    for one in found:
        assert 1 <= one.line <= len(lines)
        if one.finding.severity >= Severity.WARNING:
            assert one.right
            assert bad(one.right, declared=True) == set()


@pytest.mark.parametrize("name", sorted(NADS))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_json_that_is_cut_anywhere_is_found(name: str, data: Draw) -> None:
    nad = yaml.safe_load(NADS[name])
    whole = nad["spec"]["config"].strip()
    nad["spec"]["config"] = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert bad(yaml.safe_dump(nad), declared=True) == {"json"}


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    judged(text, f"kind: NetworkAttachmentDefinition\nspec:\n  config: '{text}'", declared=True)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([
                "type", "ipam", "ranges", "routes", "dst", "plugins", "mtu", "subnet", "rails",
                "rail", "fabric", "range", "ipRanges", "addresses", "address", "exclude", "name",
            ]),
            inner, max_size=5,
        ),
    ),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    JSON, st.sampled_from(["rail-sriov", "sriov", "bridge"]),
    st.sampled_from(["rail-ipam", "host-local", "whereabouts", "static"]),
)  # fmt: skip
def test_any_configuration_is_judged(config: Any, kind: str, ipam: str) -> None:
    if isinstance(config, dict):
        config["type"] = kind
        if isinstance(config.get("ipam"), dict):
            config["ipam"]["type"] = ipam
    nad = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "a"},
        "spec": {"config": json.dumps(config)},
    }
    for one in judged(yaml.safe_dump(nad), declared=True):
        assert one.finding.what
