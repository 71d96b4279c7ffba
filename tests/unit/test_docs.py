"""What the documents say exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
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
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")]


def _links(document: Path) -> Iterator[tuple[Path, str]]:
    """Yield what a document of ours leads to: the file or folder, and the heading in it."""
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, heading = link.partition("#")
        yield (document.parent / path if path else document).resolve(), heading


def _headings(document: Path) -> set[str]:
    """Return the names by which a document's headings are linked to, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_tests_that_are_named(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"`((?:cni|ipam|install|deploy|tests|docs)/[\w./-]+)(?:::(\w+))?`", text)
    for path, test in named:
        assert (ROOT / path).exists() or (document.parent / path).exists(), path
        assert f"def {test}" in (ROOT / path).read_text(encoding="utf-8") if test else True, test
    for file, heading in _links(document):
        assert file.exists(), file
        assert not heading or heading in _headings(file), f"{file}#{heading}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page.is_dir():
            ahead += page.glob("*.md")
        elif page.suffix == ".md" and page not in reached:
            reached.add(page)
            ahead += [file for file, _ in _links(page)]
    assert not {str(page.relative_to(ROOT)) for page in DOCUMENTS if page not in reached}


_OF_OTHERS = (
    "failed to find plugin",
    "permission denied",
    "Permission denied",
    "Operation not permitted",
    "ErrImage",
    "Init",
    "rail-agent",
    "railctl ",
    "/readyz",
)
"""How messages and words begin that are not of our programs' making."""


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("docs/troubleshooting.md", "## Pods that do not start"),
        ("docs/troubleshooting.md", "## The node"),
        ("docs/install.md", "## When it refuses"),
        ("docs/hostgw.md", "## When it does not go straight"),
    ],
)
def test_what_programs_are_quoted_with_they_say(page: str, heading: str) -> None:
    section = (ROOT / page).read_text(encoding="utf-8").split(heading + "\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[1:]
    quoted = [quote for cell in cells for quote in re.findall(r"`([^`]+)`", cell)]
    if not quoted:
        quoted = cells
    said = _said()
    for quote in quoted:
        if not quote.startswith(_OF_OTHERS):
            pieces = [piece.strip() for piece in re.split(r"…|\b\d+\b", quote)]
            form = ".*".join(re.escape(piece) for piece in pieces if piece)
            assert re.search(form, said), quote


@cache
def _said() -> str:
    """Return the texts of the programs, one a line; what is filled in is `…`."""
    texts: list[str] = []
    for room in ("cni", "ipam", "install", "deploy/policies"):
        for file in (ROOT / room).rglob("*.py"):
            nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            texts += [
                _text(node) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr)
            ]
        texts += [
            " ".join(file.read_text("utf-8").split()) for file in (ROOT / room).glob("*.yaml")
        ]
    return "\n".join(text.replace("\n", " ") for text in texts)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(_text(one) if isinstance(one, ast.Constant) else "…" for one in node.values)


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
