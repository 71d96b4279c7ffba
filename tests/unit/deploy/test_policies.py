"""Who may attach what: the policies' CEL, evaluated by what the API server evaluates it with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ipam.node_file.reading import read
from tests.unit.deploy.annotations import Spelling
from tests.unit.deploy.rendering import DEPLOY, Document, one, program, rendered

NETWORKS, DEFAULT = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
STORAGE, OTHER, RAILS = "storage-rails", "own-networks", "rail-networks"
LABELS = {
    STORAGE: "railcni.io/storage-rails",
    OTHER: "railcni.io/other-networks",
    RAILS: "railcni.io/networks",
}


@dataclass(frozen=True)
class Asked:
    """A pod that somebody wants in the namespace `shop`."""

    networks: str | None = None
    default: str | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    init_resources: Mapping[str, Any] = field(default_factory=dict)

    def pod(self) -> Document:
        said = {NETWORKS: self.networks, DEFAULT: self.default}
        annotations = {key: text for key, text in said.items() if text is not None}
        first = {"name": "first", "resources": dict(self.init_resources)}
        return {
            "metadata": {"name": "p", **({"annotations": annotations} if annotations else {})},
            "spec": {
                "containers": [{"name": "c", "resources": dict(self.resources)}, {"name": "d"}],
                **({"initContainers": [first]} if self.init_resources else {}),
            },
        }


def request(
    asked: Document, labels: Mapping[str, str] | None = None, before: Document | None = None
) -> Document:
    namespace: Document = {"metadata": {"name": "shop"}}
    if labels is not None:
        namespace["metadata"]["labels"] = dict(labels)
    return {
        "object": asked,
        "oldObject": before,
        "request": {"namespace": "shop", "operation": "UPDATE" if before else "CREATE"},
        "namespaceObject": namespace,
    }


def judge(policy: str, requests: Sequence[Document]) -> list[str | None]:
    """Return for each request the message that refuses it, or None."""
    document = one(rendered("policies"), "ValidatingAdmissionPolicy", f"{policy}.railcni.io")
    done = subprocess.run(
        [program("admission")], input=json.dumps({"policy": document, "requests": requests}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def refused(
    policy: str, asked: Sequence[Asked], labels: Mapping[str, str] | None = None
) -> list[Asked]:
    answers = judge(policy, [request(one.pod(), labels) for one in asked])
    return [one for one, message in zip(asked, answers, strict=True) if message]


def listed(**keys: str) -> str:
    return json.dumps([keys])


STO = {"limits": {"rdma/hca_sto_a": 1, "cpu": "2"}}
STORAGE_ASKED = [
    Asked("sto-a"),
    Asked("sto-b"),
    Asked("roce-a,sto-a"),
    Asked("roce-a , sto-a@net3"),
    Asked("ai-train/sto-a"),
    Asked("ai-train/sto-a@net3"),
    Asked("shop/ sto-a"),
    Asked("/sto-a"),
    Asked("\tsto-a\n"),
    Asked("roce-a,\u00a0sto-a"),
    Asked(listed(name="sto-a")),
    Asked(listed(name="sto-b", namespace="ai-train")),
    Asked(json.dumps([{"name": "roce-a"}, {"name": "sto-a", "interface": "net3"}], indent=2)),
    Asked('[{"NAME": "sto-a"}]'),
    Asked('[{"name": "roce-a", "name": "sto-a"}]'),
    Asked('[{"name": "st\\u006f-a"}]'),
    Asked('[{"name": "\\u0073to-a", "namespace": "ai-train"}]'),
    Asked('{"name": "sto-a"}'),
    Asked(default="ai-train/sto-a"),
    Asked(networks="roce-a", default="sto-a"),
    Asked("roce-a", resources=STO),
    Asked(resources={"requests": {"rdma/hca_sto_b": 1}}),
    Asked(init_resources=STO),
]
ORDINARY = [
    Asked(),
    Asked(""),
    Asked("roce-a"),
    Asked("roce-a, roce-b@net2"),
    Asked("ai-train/roce-a"),
    Asked("my-sto-a"),
    Asked("sto-a-archive"),
    Asked("sto-ab"),
    Asked(listed(name="roce-a", interface="net1")),
    Asked(listed(name="roce-a", namespace="shop")),
    Asked("roce-a", resources={"limits": {"rdma/hca_shared_a": 1, "nvidia.com/gpu": 8}}),
    Asked(resources={"requests": {"cpu": "1"}}, init_resources={"limits": {"memory": "1Gi"}}),
]


def test_storage_rails_are_refused_in_whatever_way_they_are_asked_for() -> None:
    assert refused(STORAGE, STORAGE_ASKED) == STORAGE_ASKED
    assert refused(STORAGE, STORAGE_ASKED, {"team": "shop"}) == STORAGE_ASKED
    assert refused(STORAGE, STORAGE_ASKED, {LABELS[STORAGE]: "no"}) == STORAGE_ASKED


def test_a_namespace_with_the_label_gets_them() -> None:
    assert refused(STORAGE, [*STORAGE_ASKED, *ORDINARY], {LABELS[STORAGE]: "allowed"}) == []


def test_other_rails_and_other_pods_are_not_concerned() -> None:
    assert refused(STORAGE, ORDINARY) == []


def test_the_refusal_says_what_is_missing_where() -> None:
    messages = judge(STORAGE, [request(Asked("sto-a").pod()), request(Asked(resources=STO).pod())])
    for message in messages:
        assert message
        assert "railcni.io/storage-rails=allowed" in message
        assert "shop" in message
        assert "\n" not in message  # the API server leaves out a message of several lines


def test_the_rails_are_the_node_files() -> None:
    file = read((DEPLOY / "node.toml").read_bytes()).file
    assert file
    rails = file.fabrics["storage"].rails
    wanted = [Asked(name) for name in rails]
    devices = [Asked(resources={"limits": {rail.resource: 1}}) for rail in rails.values()]
    assert refused(STORAGE, [*wanted, *devices]) == [*wanted, *devices]
    others = [Asked(name) for name in file.fabrics["backend"].rails]
    assert refused(STORAGE, others) == []


FOREIGN = [
    Asked("ai-train/roce-a"),
    Asked("roce-a,ai-train/roce-b@net2"),
    Asked("shop-2/roce-a"),
    Asked("my-shop/roce-a"),
    Asked(" ai-train /roce-a"),
    Asked("ai-train/shop/roce-a"),
    Asked(listed(name="roce-a", namespace="ai-train")),
    Asked('[{"name":"roce-a","NameSpace":"ai-train"}]'),
    Asked('[{"name":"roce-a","namespace":"shop","namespace":"ai-train"}]'),
    Asked('[{"name":"a","namespace":"shop"},{"name":"roce-a","namespace" : "ai-train"}]'),
    Asked('[{"name":"roce-a","name\\u0073pace":"ai-train"}]'),
    Asked('[{"name":"roce-a","name\u017fpace":"ai-train"}]'),
    Asked('{"namespace":"ai-train"}'),
    Asked(default="kube-system/other"),
    Asked(default="other"),
]
OWN = [
    Asked(),
    Asked("roce-a"),
    Asked("roce-a, roce-b@net2"),
    Asked("shop/roce-a@net1, roce-b"),
    Asked(" shop / roce-a"),
    Asked("/roce-a"),
    Asked(listed(name="roce-a")),
    Asked(listed(name="roce-a", namespace="shop")),
    Asked('[{"name": "a", "namespace": ""}, {"name": "b", "Namespace" : "shop"}]'),
    Asked('[{"name": "a", "ips": ["10.60.0.7/16"]}]'),
    Asked("sto-a"),
]


def test_other_namespaces_networks_are_refused() -> None:
    assert refused(OTHER, FOREIGN) == FOREIGN
    assert refused(OTHER, FOREIGN, {"team": "shop"}) == FOREIGN


def test_ones_own_are_not() -> None:
    assert refused(OTHER, OWN) == []
    assert refused(OTHER, [*FOREIGN, *OWN], {LABELS[OTHER]: "allowed"}) == []


def looked_up(texts: Sequence[str]) -> list[list[dict[str, str]]]:
    """Return what Multus looks up for each annotation; nothing for what it does not understand."""
    done = subprocess.run(
        [program("admission"), "networks", "shop"], input=json.dumps(texts),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [found or [] for found in json.loads(done.stdout)]


def test_no_spelling_gets_by() -> None:
    spelling = Spelling(seed=7)
    texts = [spelling.annotation() for _ in range(5000)]
    found = looked_up(texts)
    storage = [
        Asked(text)
        for text, networks in zip(texts, found, strict=True)
        if {each["name"] for each in networks} & {"sto-a", "sto-b"}
    ]
    foreign = [
        Asked(text)
        for text, networks in zip(texts, found, strict=True)
        if {each["namespace"] for each in networks} - {"shop"}
    ]
    assert min(len(storage), len(foreign)) > 1000
    assert refused(STORAGE, storage) == storage
    assert refused(OTHER, foreign) == foreign


@pytest.mark.parametrize("policy", [STORAGE, OTHER])
def test_a_pod_that_was_there_before_can_end_and_nothing_is_slipped_in(policy: str) -> None:
    foreign = Asked("ai-train/sto-a").pod()
    ended = {**foreign, "metadata": {**foreign["metadata"], "finalizers": []}}
    harmless = Asked("roce-a").pod()
    answers = judge(
        policy,
        [
            request(ended, before=foreign),
            request(foreign, before=harmless),
            request(foreign, before=Asked().pod()),
            request(harmless, before=foreign),
        ],
    )
    assert [bool(each) for each in answers] == [False, True, True, False]


def nad(config: str) -> Document:
    return {"metadata": {"name": "sneaky"}, "spec": {"config": config}}


def test_networks_are_defined_where_that_is_allowed() -> None:
    made, changed = nad('{"type": "rail-sriov"}'), nad('{"type": "host-device"}')
    allowed = {LABELS[RAILS]: "allowed"}
    answers = judge(
        RAILS,
        [
            request(made), request(made, {"team": "shop"}), request(changed, {}, before=made),
            request(made, {}, before=made), request(made, allowed),
            request(changed, allowed, before=made),
        ],
    )  # fmt: skip
    assert [bool(each) for each in answers] == [True, True, True, False, False, False]


def test_the_namespace_of_the_samples_may_do_what_they_do() -> None:
    labels = one(rendered("ai-train"), "Namespace", "ai-train")["metadata"]["labels"]
    pods = [Asked("roce-a, roce-b, sto-a, sto-b", resources=STO)]
    assert refused(STORAGE, pods, labels) == []
    assert judge(RAILS, [request(nad("{}"), labels)]) == [None]
    assert refused(OTHER, pods, labels) == []


@pytest.mark.parametrize("policy", LABELS)
def test_each_policy_is_bound_and_denies(policy: str) -> None:
    documents = rendered("policies")
    name = f"{policy}.railcni.io"
    binding = one(documents, "ValidatingAdmissionPolicyBinding", name)["spec"]
    assert binding == {"policyName": name, "validationActions": ["Deny"]}
    spec = one(documents, "ValidatingAdmissionPolicy", name)["spec"]
    assert spec["failurePolicy"] == "Fail"
    assert spec["matchConstraints"]["resourceRules"][0]["operations"] == ["CREATE", "UPDATE"]


def test_no_annotation_chooses_a_device() -> None:
    """Multus hands it on where the device plugin has given none: it may be a storage rail's VF."""
    ways = [
        Asked(json.dumps([{"name": "roce-a", key: "0000:3b:10.2"}]))
        for key in ("deviceID", "DeviceId", "deviceid")
    ]
    assert refused(STORAGE, ways) == ways
    assert refused(STORAGE, ways, {LABELS[STORAGE]: "allowed"}) == []
