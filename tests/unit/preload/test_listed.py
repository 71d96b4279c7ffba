"""References to images, and the list of them."""

from __future__ import annotations

import pytest

from install.preload.listed import ListError, read
from install.preload.reference import ImageNameError, parse

SHA, OTHER = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("rancher/k3s:v1", "docker.io/rancher/k3s:v1"),
        ("docker.io/busybox:1", "docker.io/library/busybox:1"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1"),
        ("localhost/pause:1", "localhost/pause:1"),
        ("registry:5000/a/b-c__d:V_1.2", "registry:5000/a/b-c__d:V_1.2"),
        (f"ghcr.io/a/b:1@{SHA}", f"ghcr.io/a/b:1@{SHA}"),
        (f"ghcr.io/a/b@{SHA}", f"ghcr.io/a/b@{SHA}"),
        ("ghcr.io/a/b", "ghcr.io/a/b"),
    ],
)
def test_a_references_whole_name(text: str, whole: str) -> None:
    assert str(parse(text)) == whole


@pytest.mark.parametrize(
    "text", ["", "A:1", "a:", "a:1:2", "a//b", "/a", "a@sha256:12", "a b", "-a", "${IMAGE}", "a:é"]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ImageNameError, match="expected REGISTRY/NAME:TAG"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("a", True),
        ("a:latest", True),
        ("a:1", False),
        (f"a@{SHA}", False),
        (f"a:latest@{SHA}", False),
    ],
)
def test_what_may_be_another_image_tomorrow(text: str, *, loose: bool) -> None:
    assert bool(parse(text).loose) == loose


def test_a_list() -> None:
    text = f"# what is needed\n\nghcr.io/a/b:1  # ours\nquay.io/c:2@{SHA}\n"
    assert [str(one) for one in read(text, "x").images] == ["ghcr.io/a/b:1", f"quay.io/c:2@{SHA}"]


def test_every_line_that_is_wrong_is_named() -> None:
    with pytest.raises(ListError) as refused:
        read(f"a:1\nB\na:latest\na:1\na\nb@{SHA}\n", "list")
    said = str(refused.value).splitlines()
    assert [line.split(": ")[0] for line in said] == ["list:2", "list:3", "list:4", "list:5"]
    assert "has the tag :latest" in said[1]
    assert "is there already" in said[2]


def test_what_a_node_lacks() -> None:
    wanted = read(f"a.b/c:1\na.b/d:1@{SHA}\na.b/e:1\na.b/f@{SHA}\n", "list")
    present = {"a.b/d:1": OTHER, "a.b/e:1": OTHER, "a.b/f:1": SHA}
    assert wanted.lacking(present) == [
        "a.b/c:1", f"a.b/d:1@{SHA} (the node has {OTHER})", f"a.b/f@{SHA}"
    ]  # fmt: skip
    assert wanted.lacking({**present, "a.b/d:1": SHA, "a.b/c:1": SHA, f"a.b/f@{SHA}": SHA}) == []


@pytest.mark.parametrize(
    ("image", "is_in"),
    [
        ("a.b/c:1", True),
        ("a.b/c:2", False),
        ("a.b/x:1", False),
        (f"a.b/c:1@{OTHER}", True),
        (f"a.b/d:1@{SHA}", True),
        (f"a.b/d:1@{OTHER}", False),
        (f"a.b/d@{SHA}", True),
        (f"a.b/d@{OTHER}", False),
        ("a.b/d:1", True),
    ],
)
def test_what_is_in_a_list(image: str, *, is_in: bool) -> None:
    assert read(f"a.b/c:1\na.b/d:1@{SHA}\n", "list").has(parse(image)) == is_in
