"""From YAML to the NetworkAttachmentDefinitions in it, each with the lines of what it says.

The one module that reads YAML: what is wanted are places, so it composes nodes, and makes no
objects of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml

KIND = "NetworkAttachmentDefinition"
API_VERSION = "k8s.cni.cncf.io/v1"
SELECTION = "k8s.v1.cni.cncf.io/networks"
"""The annotation by which a pod asks for networks."""
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Said:
    """A text in a document, and its line from 1 on."""

    text: str
    line: int
    lines: tuple[int, ...] = ()
    """The line of each character, where the text spans several."""

    def line_at(self, position: int) -> int:
        """Return the line of one character; of one behind the end, the last."""
        if not self.lines:
            return self.line
        return self.lines[min(max(position, 0), len(self.lines) - 1)]


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


def read(text: str) -> Document:
    """Return what a YAML text (or JSON, which is YAML) has, as far as it can be read."""
    nads: list[Nad] = []
    selections: list[Said] = []
    error = None
    try:
        for root in yaml.compose_all(text, Loader=yaml.SafeLoader):
            nads.extend(_nad(node, text) for node in _objects(root) if _is_nad(node))
            selections.extend(_selections(root, text))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        words = ", ".join(filter(None, (problem.context, problem.problem)))
        error = Said(words, mark.line + 1 if mark else 1)
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        error = Said(f"the character U+{problem.character:04X} is not allowed", line)
    except RecursionError:
        error = Said("it is nested too deeply", 1)
    return Document(tuple(nads), tuple(selections), error)


def _objects(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Return a document, or the objects of a list such as kubectl writes."""
    if not isinstance(root, yaml.MappingNode):
        return
    items = _get(root, "items")
    if isinstance(items, yaml.SequenceNode) and _text(_get(root, "kind")).endswith("List"):
        yield from (item for item in items.value if isinstance(item, yaml.MappingNode))
    else:
        yield root


def _is_nad(node: yaml.MappingNode) -> bool:
    return _text(_get(node, "kind")) == KIND


def _nad(node: yaml.MappingNode, source: str) -> Nad:
    line = node.start_mark.line + 1
    metadata, spec = _get(node, "metadata"), _get(node, "spec")
    around = _line_of(metadata, line)
    annotations = _get(metadata, "annotations")
    pairs = _pairs(annotations)
    config = _get(spec, "config")
    is_text = isinstance(config, yaml.ScalarNode) and config.tag == _TEXT
    return Nad(
        line,
        _said(_get(node, "apiVersion"), source, line),
        _said(_get(metadata, "name"), source, around),
        _said(_get(metadata, "namespace"), source, around),
        {key: _said(value, source, around) for key, value in pairs},
        _said(config, source, line) if is_text else None,
        "" if is_text or config is None else _not_text(config),
    )


def _not_text(config: yaml.Node) -> str:
    match config:
        case yaml.MappingNode():
            what = "a YAML object"
        case yaml.SequenceNode():
            what = "a YAML list"
        case _:
            what = f"{_text(config)!r}"
    return f"{what} (line {config.start_mark.line + 1})"


def _selections(node: yaml.Node | None, source: str) -> Iterator[Said]:
    """Return how pods and their templates ask for networks; each node is looked at once."""
    waiting, seen = [node], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.SequenceNode):
            waiting.extend(one.value)
        for key, value in _pairs(one):
            if key == SELECTION:
                yield _said(value, source, 1)
            waiting.append(value)


def _pairs(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(_text(key), value) for key, value in node.value]


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value in reversed(_pairs(node)) if name == key), None)


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _line_of(node: yaml.Node | None, otherwise: int) -> int:
    return node.start_mark.line + 1 if node else otherwise


def _said(node: yaml.Node | None, source: str, otherwise: int) -> Said:
    if not isinstance(node, yaml.ScalarNode):
        return Said("", _line_of(node, otherwise))
    return Said(str(node.value), node.start_mark.line + 1, tuple(_lines(node, source)))


def _lines(node: yaml.ScalarNode, source: str) -> Iterable[int]:
    r"""Return the line of each character of a scalar that spans several.

    Folding and indentation touch white space alone, so what is not white is counted.  Between
    double quotes an escape may stand for any character: there it is the first line.
    """
    if node.style == '"':
        return
    start, line = node.start_mark, node.start_mark.line + 1
    raw = source[start.index : node.end_mark.index]
    if node.style in {"|", ">"}:
        raw, line = raw.partition("\n")[2], line + 1
    elif node.style == "'":
        raw = raw[1:].replace("''", "'")
    rest = iter(_visible(raw, line))
    for character in node.value:
        line = line if character.isspace() else next(rest, line)
        yield line


def _visible(raw: str, line: int) -> Iterator[int]:
    """Return the line of each character that is not white space."""
    for character in raw:
        if character == "\n":
            line += 1
        elif not character.isspace():
            yield line
