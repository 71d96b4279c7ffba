"""What in manifests would make a node ask a registry."""

from __future__ import annotations

import pytest

from install.preload.listed import read
from install.preload.manifests import Source, check

SHA = f"sha256:{'ab' * 32}"
DAEMONSET = """\
apiVersion: apps/v1
kind: DaemonSet
spec:
  template:
    spec:
      initContainers:
        - name: a
          image: railcni
          imagePullPolicy: Always
      containers:
        - {name: b, image: "quay.io/b:latest"}
        - name: c
          image: quay.io/c:1
        - name: d
          imagePullPolicy: IfNotPresent
          image: quay.io/d
---
apiVersion: batch/v1
kind: CronJob
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - image: Bad
              name: e
"""
KUSTOMIZATION = """\
kind: Kustomization
images:
  - name: railcni
    newName: ghcr.io/railcni/railcni
    newTag: 1.0.0
  - {name: quay.io/b, digest: "SHA"}
""".replace("SHA", SHA)


def said(*texts: str, listed: str = "") -> list[tuple[str, int, str]]:
    """Return file, line and check of each remark."""
    sources = [Source(f"{number}.yaml", text) for number, text in enumerate(texts)]
    found = check(sources, read(listed, "list") if listed else None)
    return [(one.file, one.line, one.finding.check) for one in found]


def test_each_place_is_named() -> None:
    assert said(DAEMONSET) == [
        ("0.yaml", 8, "pinned"),
        ("0.yaml", 9, "pull-policy"),
        ("0.yaml", 11, "pinned"),
        ("0.yaml", 16, "pinned"),
        ("0.yaml", 26, "image"),
    ]


def test_what_a_kustomization_makes_of_images() -> None:
    found = said(DAEMONSET, KUSTOMIZATION)
    assert [line for _, line, _ in found] == [9, 16, 26]


def test_what_is_not_in_the_list() -> None:
    pod = "spec:\n  containers:\n  - image: a.b/c:1\n  - image: a.b/d:1\n"
    assert said(pod, listed="a.b/c:1\n") == [("0.yaml", 4, "listed")]
    renamed = "kind: Kustomization\nimages: [{name: a.b/d, newName: a.b/c}]\n"
    assert said(pod, renamed, listed="a.b/c:1\n") == []


def test_words_say_what_to_do() -> None:
    first, second, *_ = (one.finding for one in check([Source("x", DAEMONSET)]))
    assert first.what == "docker.io/library/railcni has no tag, which means :latest"
    assert second.mend == ("imagePullPolicy: IfNotPresent",)


@pytest.mark.parametrize(
    "text", ["", "- a\n", "containers: 7\n", "spec: {containers: [{image: 7.0}, x, {name: y}]}\n",
             "kind: Kustomization\nimages: x\n"],
)  # fmt: skip
def test_what_has_no_containers(text: str) -> None:
    assert said(text) in ([], [("0.yaml", 1, "pinned")])


def test_what_cannot_be_read_is_said_and_the_rest_is_read() -> None:
    assert said("containers: [{image: a}]\n---\n{\n", "a: &a [*a]\n") == [
        ("0.yaml", 4, "yaml"), ("0.yaml", 1, "pinned")
    ]  # fmt: skip
