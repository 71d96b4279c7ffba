"""The NetworkAttachmentDefinitions of a file, each with the lines of what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from install.manifest import nodes
from install.manifest.nodes import Node, Said, get, line_of, pairs, said, text

KIND = "NetworkAttachmentDefinition"
API_VERSION = "k8s.cni.cncf.io/v1"
SELECTION = "k8s.v1.cni.cncf.io/networks"
"""The annotation by which a pod asks for networks."""


@dataclass(frozen=True, slots=True)
class Nad:
    """One NetworkAttachmentDefinition, as it is written."""

    line: int
    api_version: Said
    name: Said
    namespace: Said
    annotations: Mapping[str, Said]
    config: Said | None
    """`spec.config`; None where it is missing or no text."""
    config_problem: str = ""
    """Why it is no text, where it is there."""

    @property
    def title(self) -> str:
        """What to call it: `ai-train/roce-a`."""
        return f"{self.namespace.text}/{self.name.text}".lstrip("/")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file has."""

    nads: tuple[Nad, ...] = ()
    selections: tuple[Said, ...] = ()
    """Values of the annotation by which pods ask for networks, wherever in the file."""
    error: Said | None = None
    """Why nothing behind this line could be read."""


def read(source: str) -> Document:
    """Return what a YAML text (or JSON, which is YAML) has, as far as it can be read."""
    reading = nodes.read(source)
    found = [
        _nad(node, source)
        for root in reading.roots
        for node in nodes.objects(root)
        if text(get(node, "kind")) == KIND
    ]
    selections = [one for root in reading.roots for one in _selections(root, source)]
    return Document(tuple(found), tuple(selections), reading.error)


def _nad(node: Node, source: str) -> Nad:
    line = line_of(node, 1)
    metadata, spec = get(node, "metadata"), get(node, "spec")
    around = line_of(metadata, line)
    config = get(spec, "config")
    return Nad(
        line,
        said(get(node, "apiVersion"), source, line),
        said(get(metadata, "name"), source, around),
        said(get(metadata, "namespace"), source, around),
        {key: said(value, source, around) for key, value in pairs(get(metadata, "annotations"))},
        said(config, source, line) if nodes.is_text(config) else None,
        "" if nodes.is_text(config) or config is None else _not_text(config),
    )


def _not_text(config: Node) -> str:
    return f"{nodes.words(config)} (line {line_of(config, 1)})"


def _selections(root: Node | None, source: str) -> Iterator[Said]:
    """Return how pods and their templates ask for networks."""
    for mapping in nodes.mappings(root):
        for key, value in pairs(mapping):
            if key == SELECTION:
                yield said(value, source, 1)
