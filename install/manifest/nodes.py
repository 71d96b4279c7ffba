"""YAML and where in it everything stands.

The one module that reads YAML: what is wanted are places, so it composes nodes, and makes no
objects of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

Node = yaml.Node
"""A part of a document; the functions here say what it has."""
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
class Reading:
    """What a file has."""

    roots: tuple[Node | None, ...]
    """Of each document; None of an empty one."""
    error: Said | None = None
    """Why nothing behind this line could be read."""


def read(text: str) -> Reading:
    """Return what a YAML text (or JSON, which is YAML) has, as far as it can be read."""
    roots: list[Node | None] = []
    error = None
    try:
        roots.extend(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        words = ", ".join(filter(None, (problem.context, problem.problem)))
        error = Said(words, mark.line + 1 if mark else 1)
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        error = Said(f"the character U+{problem.character:04X} is not allowed", line)
    except RecursionError:
        error = Said("it is nested too deeply", 1)
    except (ValueError, OverflowError) as problem:  # escapes beyond Unicode, endless numbers
        error = Said(str(problem), 1)
    return Reading(tuple(roots), error)


def objects(root: Node | None) -> Iterator[Node]:
    """Return a document, or the objects of a list such as kubectl writes."""
    if not isinstance(root, yaml.MappingNode):
        return
    items = get(root, "items")
    if isinstance(items, yaml.SequenceNode) and text(get(root, "kind")).endswith("List"):
        yield from (item for item in items.value if isinstance(item, yaml.MappingNode))
    else:
        yield root


def mappings(root: Node | None) -> Iterator[Node]:
    """Return every mapping in a document, at any depth, each once.

    Aliases may make circles, and anchors let few lines stand for millions.
    """
    waiting, seen = [root], set[int]()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.MappingNode):
            yield one
        waiting.extend(value for _, value in pairs(one))
        waiting.extend(items(one))


def pairs(node: Node | None) -> list[tuple[str, Node]]:
    """Return a mapping's keys and values; nothing of what is none."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(text(key), value) for key, value in node.value]


def items(node: Node | None) -> list[Node]:
    """Return a list's items; nothing of what is none."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def get(node: Node | None, key: str) -> Node | None:
    """Return the value of a mapping's key, the last where it is said twice."""
    return next((value for name, value in reversed(pairs(node)) if name == key), None)


def text(node: Node | None) -> str:
    """Return a scalar as it is written; of anything else nothing."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def is_text(node: Node | None) -> bool:
    """Tell whether a scalar is a string to YAML, and no number, date or the like."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _TEXT


def words(node: Node) -> str:
    """Return what a node is, for an error."""
    match node:
        case yaml.MappingNode():
            return "a YAML object"
        case yaml.SequenceNode():
            return "a YAML list"
        case _:
            return f"{text(node)!r}"


def line_of(node: Node | None, otherwise: int) -> int:
    """Return the line that a node begins on, from 1 on."""
    return node.start_mark.line + 1 if node else otherwise


def said(node: Node | None, source: str, otherwise: int) -> Said:
    """Return what a scalar says and where.

    Args:
        node: which.
        source: the whole text.
        otherwise: the line, where there is no such node.
    """
    if not isinstance(node, yaml.ScalarNode):
        return Said("", line_of(node, otherwise))
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
