"""What the documents say exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cni.agent.config import AgentConfig
from cni.agent.hostgw.settings import HostgwSettings
from cni.hostgw.config import HostgwConfig, StaticPeer, Uplink
from cni.kernel.fake import releases
from cni.protocol.config import Config
from cni.rail.config import RailConfig
from ipam.config import IpamConfig
from ipam.node_file import Etcd, Fabric, NodeFile, RailEntry

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_tests_that_are_named(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"`((?:cni|ipam|install|deploy|tests|docs)/[\w./-]+)(?:::(\w+))?`", text)
    named += [(link, "") for link in re.findall(r"\]\((?!http)([\w./-]+)\)", text)]
    for path, test in named:
        assert (ROOT / path).exists() or (document.parent / path).exists(), path
        assert f"def {test}" in (ROOT / path).read_text(encoding="utf-8") if test else True, test


_INTERNAL = {"type", "runtimeConfig", "declared"}
"""Keys that the runtime or railcni itself writes."""


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        (RailConfig, "## rail-sriov"),
        (HostgwConfig, "## rail-hostgw"),
        (Uplink, "## rail-hostgw"),
        (StaticPeer, "## rail-hostgw"),
        (IpamConfig, "## rail-ipam"),
        (NodeFile, "## The node file"),
        (Etcd, "## The node file"),
        (Fabric, "## The node file"),
        (RailEntry, "## The node file"),
        (AgentConfig, "## The agent's settings"),
        (HostgwSettings, "## The agent's settings"),
    ],
)
def test_every_key_is_in_the_tables(model: type[Config], heading: str) -> None:
    section = (
        (ROOT / "docs/configuration.md")
        .read_text(encoding="utf-8")
        .split(heading)[1]
        .split("\n## ")[0]
    )
    keys = {field.alias or name for name, field in model.model_fields.items()}
    missing = {key for key in keys - _INTERNAL if f"`{key}`" not in section}
    assert not missing


def test_every_release_that_the_fake_knows_of_is_in_the_table_of_kernels() -> None:
    table = (ROOT / "docs/any-host.md").read_text(encoding="utf-8").split("## Kernels")[1]
    known = {value for value in vars(releases).values() if isinstance(value, tuple)}
    for major, minor in known - {releases.OLDEST, releases.NEWEST}:
        assert f"| {major}.{minor} |" in table
