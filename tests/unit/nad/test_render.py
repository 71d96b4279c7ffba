"""What `railctl nad render` writes, file by file, and that `lint` agrees with it."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from install.nad.lint import Source, lint
from install.nad.remarks import Measure
from install.nad.render import RenderError, Wishes, nads, quoted
from ipam.node_file.reading import read
from tests.unit.nad.reading import HERE, node_file, rendered, said

GOLDEN = HERE / "golden"


def test_the_examples_nads() -> None:
    expected = {file.stem: file.read_text("utf-8") for file in GOLDEN.glob("*.yaml")}
    assert rendered(Wishes("ai-train")) == expected


def test_lint_finds_nothing_in_them() -> None:
    texts = rendered().values()
    assert said(*texts, declared=True) == []
    assert said("---\n".join(texts), declared=True) == []
    assert {check for _, _, check in said(*texts)} == {"fabric"}


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,10}[A-Za-z0-9]", fullmatch=True)


def kubernetes_name(rail: str) -> str:
    return rail.lower().replace("_", "-")


@settings(deadline=None, max_examples=60)
@given(
    rails=st.lists(NAMES, min_size=1, max_size=4, unique_by=kubernetes_name),
    mtu=st.integers(9000, 65535),
    version=st.sampled_from(["0.3.1", "0.4.0", "1.0.0", "1.1.0"]),
    namespace=st.sampled_from(["", "ai-train", "on", "7"]),
    wide=st.booleans(),
)  # fmt: skip
def test_lint_finds_nothing_in_whatever_is_rendered(
    rails: list[str], mtu: int, version: str, namespace: str, *, wide: bool
) -> None:
    lines = ["[fabrics.f]"]
    for number, rail in enumerate(rails):
        v6 = f', "fd00:{number + 60}::/64"' if wide else ""
        lines += [
            f'[fabrics.f.rails."{rail}"]',
            f'subnet = ["10.{number + 60}.0.0/16"{v6}]',
            f'resource = "rdma/{number}"',
        ]
    file = read("\n".join(lines).encode()).file
    assert file
    made = list(nads(file, Wishes(namespace, mtu, version)))
    assert len(made) == len(rails)
    found = lint([Source(one.name, one.text) for one in made], Measure(mtu, file))
    assert [one.finding.what for one in found] == []
    for one in made:
        document = yaml.safe_load(one.text)
        assert document["metadata"]["name"] == one.name
        assert document["metadata"].get("namespace", "") == namespace
        assert json.loads(document["spec"]["config"]) == one.config


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_quoted_text_is_that_text(text: str) -> None:
    assert yaml.safe_load(f"a: {quoted(text)}") == {"a": text}


@pytest.mark.parametrize("text", ["yes", "Null", "1.5", "1e3", "0x1", "on", "~", "", "2001-01-01"])
def test_what_yaml_would_take_for_something_else(text: str) -> None:
    assert yaml.safe_load(f"a: {quoted(text)}") == {"a": text}


def declared(*lines: str) -> str:
    """Return why a node file cannot be rendered."""
    file = read("\n".join(lines).encode()).file
    assert file
    with pytest.raises(RenderError) as refusal:
        list(nads(file, Wishes()))
    return str(refusal.value)


def test_a_rail_without_a_resource() -> None:
    assert declared("[fabrics.f.rails.a]", 'subnet = "10.60.0.0/16"') == (
        "fabrics.f.rails.a.resource is missing, expected what the device plugin calls the rail's "
        "VFs, such as rdma/hca_a: write it there, or say --resource a=PREFIX/NAME"
    )


def test_two_rails_of_one_name() -> None:
    both = [
        line
        for number, name in enumerate(("r_a", "r-a"))
        for line in (
            f"[fabrics.f.rails.{name}]",
            f'subnet = "10.{number}.0.0/16"',
            'resource = "rdma/x"',
        )
    ]
    assert "would both be called r-a" in declared(*both)


def test_a_name_that_kubernetes_refuses() -> None:
    text = declared('[fabrics.f.rails."a."]', 'subnet = "10.60.0.0/16"', 'resource = "rdma/x"')
    assert "'a.'" in text


def test_a_resource_that_is_none() -> None:
    reading = read(b'[fabrics.f.rails.a]\nsubnet = "10.60.0.0/16"\nresource = "hca"\n')
    assert [(each.line, each.key[-1]) for each in reading.errors] == [(3, "resource")]
    assert node_file().fabrics["backend"].rails["roce-a"].resource == "rdma/hca_shared_a"
