"""What is said of NADs: each fault with its line, and nothing of those without one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from install.nad.lint import lint
from install.nad.remarks import Measure
from tests.unit.nad.reading import ANNOTATION, HERE, judged, nad, node_file, said, sound

BE = (HERE / "given/be.yaml").read_text("utf-8")


def test_a_sound_nad() -> None:
    assert said(nad(sound())) == []


def test_the_first_nads_of_deployment_1_with_both_mistakes() -> None:
    found = judged(BE)
    errors = [(one.nad, one.line, one.finding.check) for one in found]
    assert errors == [
        ("ai-train/roce-a", 18, "host-local"),
        ("ai-train/roce-a", 22, "default-route"),
        ("ai-train/roce-b", 37, "mtu"),
        ("ai-train/roce-b", 38, "host-local"),
        ("ai-train/roce-b", 39, "default-route"),
    ]
    for one in found:
        assert '"type": "rail-ipam"' in one.right
        assert "routes" not in one.right
        assert "10.61" in one.right if one.nad.endswith("b") else "10.60.0.0/16" in one.right


@pytest.mark.parametrize("declared", [False, True])
def test_the_right_nads_that_are_offered_are_right(declared: bool) -> None:  # noqa: FBT001
    offered = {one.right for one in judged(BE, declared=declared)}
    assert len(offered) == 2
    assert said("---\n".join(offered), declared=declared) == []


def test_with_the_node_file_it_is_what_render_writes() -> None:
    measure = Measure(node_file=node_file())
    text = nad(sound(ipam={"type": "host-local", "subnet": "10.61.0.0/16"}), name="roce-b")
    offer = judged(text.replace("shared_a", "shared_b"), declared=True)[0].right
    assert '"fabric": "backend",\n        "rail": "roce-b"' in offer
    assert lint([], measure) == []


def test_what_the_addresses_are_of() -> None:
    static = {"type": "static", "addresses": [5, {"address": "10.60.0.7/16"}]}
    local = {"type": "host-local"}
    for ipam, words in ((static, "address of 10.60.0.0/16"), (local, "addresses of its subnet")):
        assert any(words in one.finding.what for one in judged(nad(sound(ipam=ipam))))


def test_a_nad_that_cannot_be_read_is_known_by_its_name() -> None:
    (found,) = judged(nad("{", name="sto-b"), declared=True)
    assert '"fabric": "storage",\n        "rail": "sto-b"' in found.right
    assert "rdma/hca_sto_b" in found.right
    (found,) = judged(nad("{", name="other"), declared=True)
    assert found.right == ""
    (found,) = judged(nad("{", name="sto-b"))
    assert found.right == ""


HOST_LOCAL = {"type": "host-local", "subnet": "10.60.0.0/16"}
WHEREABOUTS = {"type": "whereabouts", "range": "10.60.0.0/16"}


def ranges(**one: str) -> dict[str, Any]:
    return {"type": "host-local", "ranges": [[{"subnet": "10.60.0.0/16", **one}]]}


def ours(**keys: Any) -> dict[str, Any]:
    return {"type": "rail-ipam", "subnet": "10.60.0.0/16", **keys}


def routes(*dsts: str) -> dict[str, Any]:
    return ours(routes=[{"dst": dst} for dst in dsts])


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"ipam": routes("0.0.0.0/0")}, [(20, "error", "default-route")]),
        ({"ipam": routes("10.60.4.0/24", "0.0.0.0/1")}, [(23, "error", "default-route")]),
        ({"ipam": routes("128.0.0.0/1")}, [(20, "error", "default-route")]),
        ({"ipam": routes("64.0.0.0/2")}, [(20, "error", "default-route")]),
        ({"ipam": routes("::/0")}, [(20, "error", "default-route")]),
        ({"ipam": routes("2000::/3")}, [(20, "error", "default-route")]),
        ({"ipam": routes("10.99.0.0/16")}, [(19, "warning", "foreign-route")]),
        ({"ipam": routes("10.60.0.1/16")}, [(18, "error", "malformed")]),
        ({"default-route": ["10.60.0.1"]}, [
            (19, "error", "default-route"), (19, "warning", "unknown-key"),
        ]),
        ({"ipam": HOST_LOCAL}, [(16, "error", "host-local")]),
        ({"ipam": HOST_LOCAL, "type": "ptp"}, []),
        ({"ipam": WHEREABOUTS}, [(16, "warning", "whereabouts")]),
        ({"ipam": {"type": "static", "addresses": [{"address": "10.60.0.7/16"}]}}, [
            (16, "error", "static"),
        ]),
        ({"ipam": {"type": "static"}}, []),
        ({"ipam": {"type": "static", "addresses": [5]}}, [
            (16, "error", "static"), (18, "error", "malformed"),
        ]),
        ({"ipam": {"type": "static", "addresses": [{"address": "10.60.0.7"}]}}, [
            (16, "error", "static"), (19, "error", "malformed"),
        ]),
        ({"ipam": {"type": "static", "addresses": [
            {"address": "10.60.0.7/16", "gateway": "10.61.0.1"},
        ]}}, [(16, "error", "static"), (20, "error", "malformed")]),
        ({"ipam": {"type": "host-local", "ranges": 5}}, [
            (16, "error", "host-local"), (17, "error", "malformed"),
        ]),
        ({"ipam": {"type": "host-local", "ranges": [[]]}}, [
            (16, "error", "host-local"), (17, "error", "malformed"),
        ]),
        ({"ipam": {"type": "host-local", "ranges": [5]}}, [
            (16, "error", "host-local"), (17, "error", "malformed"),
        ]),
        ({"ipam": ranges(rangeStart="10.61.0.1", rangeEnd="10.60.0.9")}, [
            (16, "error", "host-local"), (21, "error", "malformed"),
        ]),
        ({"ipam": {**WHEREABOUTS, "gateway": "10.61.0.1"}}, [
            (16, "warning", "whereabouts"), (18, "error", "malformed"),
        ]),
        ({"ipam": {**WHEREABOUTS, "gateway": "10.60.0.1"}}, [(16, "warning", "whereabouts")]),
        ({"ipam": {**WHEREABOUTS, "exclude": ["10.60.0.1", "10.60.1.0/24"]}}, [
            (16, "warning", "whereabouts"),
        ]),
        ({"ipam": {"type": "whereabouts", "ipRanges": [{"range": "10.60.0.0/16"}, 5]}}, [
            (16, "warning", "whereabouts"), (21, "error", "malformed"),
        ]),
        ({"ipam": {"type": "whereabouts", "gateway": "10.60.0.1"}}, [
            (15, "error", "malformed"), (16, "warning", "whereabouts"),
        ]),
        ({"ipam": {"type": "rail-ipam", "rails": {"a": "10.60.0.0/16"}, "rail": []}}, [
            (20, "error", "malformed"),
        ]),
        ({"ipam": {"type": "dhcp", "routes": [5]}}, [(17, "warning", "unknown-key")]),
        ({"ipam": {**HOST_LOCAL, "routes": [{"dst": "10.60"}]}}, [
            (16, "error", "host-local"), (20, "error", "malformed"),
        ]),
        ({"ipam": {**HOST_LOCAL, "routes": [5]}}, [
            (16, "error", "host-local"), (19, "error", "malformed"),
        ]),
        ({"ipam": {**WHEREABOUTS, "addresses": ["10.60.0.7/16"]}}, [
            (16, "warning", "whereabouts"),
        ]),
        ({"ipam": {"type": "host-local"}}, [
            (15, "error", "malformed"), (16, "error", "host-local"),
        ]),
        ({"ipam": {"type": "rail-ipam"}}, [(15, "error", "malformed")]),
        ({"ipam": {"type": "rail-ipam", "fabric": "backend"}}, [(15, "error", "malformed")]),
        ({"prefixes": ["10.99.0.0/16"], "ipam": routes("10.99.0.0/24")}, []),
        ({"prefixes": ["10.99.0.0"], "ipam": routes("10.99.0.0/24")}, [
            (19, "warning", "foreign-route"), (25, "error", "malformed"),
        ]),
        ({"ipam": ours(fabric="f", rail="a", routes=[{"dst": "10.99.0.0/24"}])}, []),
        ({"ipam": ours(
            fabric="f", rail="a", rails={"a": "10.60.0.0/16"}, routes=[{"dst": "10.99.0.0/24"}],
        )}, [(24, "warning", "foreign-route")]),
        ({"ipam": None}, [(10, "warning", "no-addresses")]),
        ({"mtu": 1500}, [(14, "warning", "mtu")]),
        ({"mtu": None}, []),
        ({"mtu": None, "type": "sriov"}, [(13, "warning", "mtu")]),
        ({"mtu": 90000}, [(14, "error", "malformed")]),
        ({"mtu": "9000"}, [(14, "error", "malformed"), (14, "warning", "mtu")]),
        ({"ipam": ranges(rangeStart="10.61.0.1")}, [
            (16, "error", "host-local"), (21, "error", "malformed"),
        ]),
        ({"ipam": ranges(rangeStart="10.60.0.9", rangeEnd="10.60.0.8")}, [
            (16, "error", "host-local"), (21, "error", "malformed"),
        ]),
        ({"ipam": ranges(gateway="10.60.0")}, [
            (16, "error", "host-local"), (21, "error", "malformed"),
        ]),
        ({"ipam": {"type": "host-local", "ranges": [{"subnet": "10.60.0.0/16"}]}}, [
            (16, "error", "host-local"), (17, "error", "malformed"),
        ]),
        ({"ipam": {"type": "host-local", "subnet": "10.60.0.1/16"}}, [
            (16, "error", "host-local"), (17, "error", "malformed"),
        ]),
        ({"ipam": ranges(start="10.60.0.1")}, [
            (16, "error", "host-local"), (21, "warning", "unknown-key"),
        ]),
        ({"ipam": {**WHEREABOUTS, "range_end": "10.61.0.1"}}, [
            (16, "warning", "whereabouts"), (18, "error", "malformed"),
        ]),
        ({"ipam": {**WHEREABOUTS, "exclude": ["10.61.0.1/32"]}}, [
            (16, "warning", "whereabouts"), (19, "error", "malformed"),
        ]),
        ({"ipam": {"type": "whereabouts", "range": "10.60.0.0"}}, [
            (16, "warning", "whereabouts"), (17, "error", "malformed"),
        ]),
        ({"ipam": ours(rangeStart="10.61.0.1")}, [(18, "error", "malformed")]),
        ({"ipam": ours(exclude=["10.60.0.9-10.60.0.8"])}, [(18, "error", "malformed")]),
        ({"ipam": ours(gateway="10.60.0.0")}, [(18, "error", "malformed")]),
        ({"ipam": ours(fabric="backend")}, [(15, "error", "malformed")]),
        ({"ipam": ours(rangestart="10.60.0.1")}, [(18, "warning", "unknown-key")]),
        ({"ipam": {"type": "rail-ipam", "fabric": "backend", "rail": "roce-a"}}, [
            (17, "info", "fabric"),
        ]),
        ({"vlan": 5000}, [(19, "error", "malformed")]),
        ({"vlan": 5000, "type": "sriov"}, [(19, "error", "malformed")]),
        ({"vlanQoS": 3}, [(19, "error", "malformed")]),
        ({"Vlan": 5}, [(19, "warning", "unknown-key")]),
        ({"Vlan": 5, "type": "sriov"}, []),
        ({"cni.dev/something": 5}, []),
        ({"sysctl": {"net.ipv4.ip_forward": "1"}}, [(19, "error", "malformed")]),
        ({"rail": "roce-b", "ipam": ours(fabric="backend", rail="roce-a")}, [
            (21, "error", "malformed"),
        ]),
        ({"device": "rail0"}, [(7, "error", "resource")]),
        ({"cniVersion": None}, [(10, "warning", "cni-version")]),
        ({"cniVersion": "1.2.0"}, [(11, "error", "cni-version")]),
        ({"name": "roce a"}, [(12, "error", "name")]),
        ({"name": "roce-b"}, [(12, "warning", "name")]),
        ({"type": ""}, [(13, "error", "type")]),
        ({"plugins": []}, [(19, "error", "plugins")]),
        ({"plugins": 5}, [(19, "error", "plugins")]),
        ({"plugins": [5]}, [(19, "error", "plugins")]),
        ({"cniVersion": "0.2.0"}, []),
        ({"name": 5}, [(12, "error", "name")]),
        ({"args": {"note": "0.0.0.0/0"}}, []),
    ],
)  # fmt: skip
def test_a_fault_and_its_line(
    changed: dict[str, Any], expected: list[tuple[int, str, str]]
) -> None:
    assert said(nad(sound(**changed))) == expected


def test_a_list_of_plugins() -> None:
    main = {"type": "sriov", "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"}}
    tuning = {"type": "tuning", "mtu": 9000}
    document = {"cniVersion": "1.0.0", "name": "roce-a", "plugins": [main, tuning]}
    assert said(nad(document)) == []
    override = {"type": "route-override", "delroutes": [{"dst": "0.0.0.0/0"}]}
    assert said(nad(document | {"plugins": [main, tuning, override]})) == []
    assert said(nad(document | {"mtu": 9000})) == [(26, "warning", "unknown-key")]
    assert said(nad(document | {"cniVersion": "0.2.0"})) == [(11, "error", "cni-version")]
    (found,) = judged(nad(document | {"cniVersion": "0.2.0"}))
    assert found.finding.what.endswith("expected 0.3.0 or later")
    assert said(nad(document | {"plugins": [main, tuning | {"mtu": 1500}]})) == [
        (23, "warning", "mtu")
    ]
    assert said(nad(document | {"plugins": [tuning | {"mut": 1}, main]}))[0][2] == "unknown-key"


def test_a_bridge_that_becomes_the_default_gateway() -> None:
    bridge = sound(type="bridge", isDefaultGateway=True)
    assert said(nad(bridge)) == [(19, "error", "default-route")]
    assert said(nad(bridge | {"isDefaultGateway": False})) == []


def test_json_that_is_none_on_the_line_where_it_goes_wrong() -> None:
    text = json.dumps(sound(), indent=2).replace('"mtu": 9000,', '"mtu": 9000')
    assert said(nad(text)) == [(15, "error", "json")]
    assert said(nad("[]")) == [(10, "error", "json")]
    assert said(nad(json.dumps(sound(mtu=float("nan"))))) == [(10, "error", "json")]
    deep = '{"a":' * 100 + "1" + "}" * 100
    assert said(nad(deep)) == [(10, "error", "json")]


def test_what_was_meant() -> None:
    mends = {one.finding.mend for one in judged(nad(sound(Vlan=5, spoofcheck="on", tiger=1)))}
    assert mends == {("did you mean vlan?",), ("did you mean spoofchk?",), ()}


def test_a_key_that_is_there_twice() -> None:
    text = json.dumps(sound(), indent=2).replace('"mtu": 9000,', '"mtu": 1500,\n  "mtu": 9000,')
    assert said(nad(text)) == [(15, "warning", "twice")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("k8s.cni.cncf.io/v1", "k8s.cni.cncf.io/v2", (1, "error", "api-version")),
        ("name: roce-a", "name: RoCE_a", (4, "error", "name")),
        ("name: roce-a", f"name: {'a' * 254}", (4, "error", "name")),
        ("namespace: ai-train", f"namespace: {'a' * 64}", (5, "error", "name")),
        ("namespace: ai-train", "namespace: ai_train", (5, "error", "name")),
        ("rdma/hca_shared_a", "hca_shared_a", (7, "error", "resource")),
        ("rdma/hca_shared_a", "rdma/", (7, "error", "resource")),
        (ANNOTATION, "k8s.v1.cni.cncf.io/resourcename", (7, "error", "resource")),
        (ANNOTATION, "other", (4, "error", "resource")),
    ],
)
def test_what_is_around_the_configuration(
    before: str, after: str, expected: tuple[int, str, str]
) -> None:
    assert expected in said(nad(sound()).replace(before, after, 1))


def test_a_resource_that_is_another_rails() -> None:
    text = nad(sound(ipam={"type": "rail-ipam", "fabric": "backend", "rail": "roce-b"}))
    assert said(text, declared=True) == [(7, "error", "resource")]


def test_what_the_node_file_contradicts() -> None:
    text = nad(sound(ipam=ours(fabric="backend", rail="roce-b")))
    assert said(text.replace("shared_a", "shared_b"), declared=True) == [(17, "error", "malformed")]
    text = nad(sound(ipam={"type": "rail-ipam", "fabric": "backend", "rail": "roce-c"}))
    assert said(text, declared=True) == [(18, "error", "malformed")]


def test_subnets_that_overlap() -> None:
    one = nad(sound())
    other = nad(
        sound(name="roce-b", ipam=ours(subnet="10.60.128.0/17")),
        name="roce-b",
        resource="rdma/hca_shared_b",
    )
    assert said(one, other) == [(15, "error", "overlap")]
    apart = other.replace("10.60.128.0/17", "10.61.0.0/16")
    assert said(one, apart) == []
    assert said(one, apart.replace("shared_b", "shared_a")) == [(7, "warning", "resource")]
    twins = said(one, apart.replace('"name": "roce-b"', '"name": "roce-a"'))
    assert (12, "error", "name") in twins
    nameless = [text.replace('"name": "roce-', '"cni.dev/name": "roce-') for text in (one, apart)]
    assert said(*nameless) == []


def test_what_cannot_be_read_is_compared_with_nothing() -> None:
    broken, whole = nad("{"), nad(sound(name="roce-b"), name="roce-b")
    for files in ((broken, whole), (whole, broken)):
        assert said(*files) == [(10, "error", "json")]


def test_one_rail_in_two_namespaces() -> None:
    assert said(nad(sound()), nad(sound(), namespace="other")) == []
    assert said(nad(sound()), nad(sound())) == [(4, "error", "name")]


def test_a_pod_that_asks_a_rail_for_its_default_route() -> None:
    pod = """\
kind: Pod
metadata:
  annotations:
    k8s.v1.cni.cncf.io/networks: |
      [
        "roce-a",
        {"name": "roce-b", "default-route": ["10.61.0.1"]}
      ]
"""
    assert said(pod) == [(7, "error", "default-route")]
    assert said(pod.replace(', "default-route": ["10.61.0.1"]', "")) == []
    assert said(pod.replace('"roce-a",', '"roce-a"')) == [(4, "error", "json")]


def test_files_that_say_nothing() -> None:
    for text in ("kind: Pod\n", "kind: List\n", "", "- a\n"):
        assert said(text) == [(1, "warning", "empty")]
    assert said(nad(sound()) + "---\n{") == [(21, "error", "yaml")]
    assert said("a: &a [*a]") == [(1, "warning", "empty")]
    assert said("a: \x01") == [(1, "error", "yaml")]
    assert said("[" * 5000) == [(1, "error", "yaml")]


def test_a_list_as_kubectl_writes_it() -> None:
    document = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": "roce-a", "annotations": {ANNOTATION: "rdma/a"}},
                "spec": {"config": json.dumps(sound(mtu=1500))},
            }
        ],
    }
    assert said(json.dumps(document, indent=2)) == [(15, "warning", "mtu")]
    assert said(json.dumps(document | {"kind": "Other"})) == [(1, "warning", "empty")]


def test_a_configuration_that_is_no_text() -> None:
    head = nad("").partition("  config: |")[0]
    assert said(head + "  config: {a: 1}\n") == [(1, "error", "config")]
    assert said(head + "  config: 5\n") == [(1, "error", "config")]
    assert said(head + "  other: 5\n") == [(1, "info", "config")]
