"""Where a key stands in a TOML text, found with the standard library's parser alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

Key: TypeAlias = tuple[str, ...]

_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def lines_of(text: str, keys: Iterable[Key]) -> dict[Key, int | None]:
    """Return the line, from 1, on which each key begins, or the innermost table around it.

    A key is there from the first line on with which the text so far has it.  Inside a value of
    several lines the text so far is no TOML: then the value began where that began.

    Args:
        text: TOML without an error.
        keys: each from the outermost table on; items of lists are numbers.
    """
    found: dict[Key, int | None] = dict.fromkeys(keys)
    depths = dict.fromkeys(found, 0)
    lines, began = text.split("\n"), None
    for number in range(1, len(lines) + 1):
        data = _parsed("\n".join(lines[:number]) + "\n")
        if data is None:
            began = began or number
            continue
        for key, depth in depths.items():
            held = depth if depth == len(key) else _depth(data, key)
            if held > depth:
                found[key], depths[key] = began or number, held
        began = None
    return found


def line_of_error(text: str, message: str) -> int:
    """Return the line of what the parser complains about; the last one where it does not say."""
    match = _AT_LINE.search(message)
    return int(match[1]) if match else text.rstrip("\n").count("\n") + 1


def _parsed(text: str) -> dict[str, Any] | None:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _depth(data: object, key: Key) -> int:
    """Return how many parts of a key are there."""
    for depth, part in enumerate(key):
        if isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        elif isinstance(data, dict) and part in data:
            data = data[part]
        else:
            return depth
    return len(key)
