"""Who is which rank, and how launchers read it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.job.api import pods_in
from install.job.errors import JobError, NotYetError
from install.job.hostfiles import Rendezvous, hostfile, torchrun
from install.job.ranks import number_of, ranks
from tests.unit.job.jobs import interface, pod, status


def names(*pods: dict[str, Any], count: int | None = None) -> list[str]:
    return [rank.pod for rank in ranks(pods, ["roce-a"], count)]


@given(st.integers(1, 25), st.randoms(use_true_random=False), st.sampled_from(["", "-x8k2p"]))
def test_ranks_are_in_the_order_of_the_numbers(
    count: int, chance: random.Random, ending: str
) -> None:
    ordered = [f"train-{number}{ending}" for number in range(count)]
    shuffled = [pod(name) for name in ordered]
    chance.shuffle(shuffled)
    assert names(*shuffled, count=count) == ordered


def test_a_master_is_rank_0() -> None:
    pods = [pod(f"job-{name}") for name in ("worker-1", "master-0", "worker-0")]
    assert names(*pods) == ["job-master-0", "job-worker-0", "job-worker-1"]


def test_what_labels_say_counts_before_names() -> None:
    label = "batch.kubernetes.io/job-completion-index"
    pods = [
        pod("run-2-1-abcde", labels={label: "0"}),
        pod("run-2-0-abcde", annotations={label: "1"}),
    ]
    pods[1]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = status(1)
    with pytest.raises(JobError, match="several jobs"):
        names(*pods)
    assert names(pod("run-2-10000", labels={"apps.kubernetes.io/pod-index": "0"})) == [
        "run-2-10000"
    ]


def test_what_has_ended_does_not_count() -> None:
    dead = pod("train-0-aaaaa")
    dead["status"]["phase"] = "Failed"
    leaving = pod("train-0-bbbbb", deletionTimestamp="2026-11-26T00:00:00Z")
    assert names(dead, pod("train-0-ccccc"), leaving) == ["train-0-ccccc"]


@pytest.mark.parametrize(
    ("pods", "count", "words"),
    [
        ([], None, "0 of the ranks are there"),
        ([pod("train-0")], 2, "1 of 2 ranks are there"),
        ([pod("train-0"), pod("train-2")], 3, "train-1 is not there"),
        ([pod("train-1")], None, "train-0 is not there"),
        ([pod("train-0", None)], 1, "train-0 has no annotation k8s.v1.cni.cncf.io/network-status"),
        ([pod("train-0-aaaaa"), pod("train-0-bbbbb")], 2, "are both number 0"),
        ([pod("train-0", "[]")], 1, "train-0: the pod has no rail roce-a"),
        (
            [pod("train-0", json.dumps([interface("ai-train/roce-a", "net1")]))], 1,
            r"train-0 has no address on net1 \(ai-train/roce-a\)",
        ),
    ],
)  # fmt: skip
def test_what_is_still_to_come(pods: list[dict[str, Any]], count: int | None, words: str) -> None:
    with pytest.raises(NotYetError, match=words):
        names(*pods, count=count)


@pytest.mark.parametrize(
    ("pods", "count", "words"),
    [
        ([pod("train-0"), pod("train-1")], 1, "there are 2 pods, expected 1: train-0, train-1"),
        ([pod("train-0"), pod("other-0")], 2, r"several jobs \(other, train\)"),
        ([pod("launcher")], 1, "'launcher', has no number"),
        ([pod("train-0", "{")], 1, "train-0: the annotation"),
    ],
)
def test_what_never_will_be(pods: list[dict[str, Any]], count: int, words: str) -> None:
    with pytest.raises(JobError, match=words):
        names(*pods, count=count)


def test_a_hostfile() -> None:
    found = ranks([pod("t-1", gpus=4), pod("t-0")], ["roce-b"], 2)
    assert hostfile(found, None) == "10.61.0.10 slots=8\n10.61.0.11 slots=4\n"
    assert hostfile(found, 2) == "10.61.0.10 slots=2\n10.61.0.11 slots=2\n"
    assert hostfile(ranks([pod("t-0", gpus=0)], [], 1), 3) == "10.60.0.10 slots=3\n"
    with pytest.raises(JobError, match="t-0 asks for no GPU"):
        hostfile(ranks([pod("t-0", gpus=0)], [], 1), None)


def test_ranks_meet_on_one_rail() -> None:
    pods = [pod("t-0"), pod("t-1", json.dumps([interface("ai-train/sto-a", "net1", "10.70.0.1")]))]
    with pytest.raises(JobError, match="first rails are ai-train/roce-a and ai-train/sto-a: name"):
        ranks(pods, [], 2)
    assert [str(rank.address) for rank in ranks(pods, ["sto-a"], 2)] == ["10.70.0.10", "10.70.0.1"]


def test_torchruns_options() -> None:
    found = ranks([pod("t-1"), pod("t-0")], [], 2)
    assert torchrun(found, None, Rendezvous("t-1", 29500, "run")) == (
        "--nnodes=2 --nproc-per-node=8 --node-rank=1 --rdzv-backend=static "
        "--rdzv-endpoint=10.60.0.10:29500 --rdzv-id=run --local-addr=10.60.0.11\n"
    )
    six = ranks([pod("t-0", json.dumps([interface("r", "net1", "fd00:60::a")]))], [], 1)
    assert "--rdzv-endpoint=[fd00:60::a]:1 " in torchrun(six, 1, Rendezvous("t-0", 1, "run"))
    with pytest.raises(JobError, match="'elsewhere' is no pod of the job, which has t-0, t-1"):
        number_of(found, "elsewhere")


def test_what_kubectl_writes() -> None:
    one = pod("t-0")
    assert pods_in(json.dumps({"kind": "List", "items": [one, {"kind": "Job"}, 5]})) == [one]
    assert pods_in(json.dumps(one)) == [one]
    for text in ("", "{"):
        with pytest.raises(NotYetError):
            pods_in(text)
    for text in ("[]", "{}", '{"items": 5}'):
        with pytest.raises(JobError, match="no list of pods"):
            pods_in(text)
