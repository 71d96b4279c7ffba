"""Where keys and items stand in a JSON text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecoder
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
"""From the outermost key on; items of lists are numbers."""

_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"[^\s,\]}]+")
_DECODER = JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Positions:
    """Where in a text each key and each item begins."""

    of: Mapping[Path, int]
    twice: tuple[tuple[Path, int], ...] = ()
    """Keys that an object has again, and where: the last one counts."""

    def nearest(self, path: Path) -> int:
        """Return where a path begins, or the innermost thing around it that is there."""
        while path not in self.of:
            path = path[:-1]  # the whole text is there, under no key at all
        return self.of[path]


def positions_in(text: str) -> Positions:
    """Return where things are in a text that is JSON, and nested as deep as a configuration is."""
    scan = _Scan(text)
    scan.value(0, ())
    return Positions(scan.found, tuple(scan.twice))


@dataclass
class _Scan:
    """One walk over a text.  The parser has accepted it, so only the places are looked for."""

    text: str
    found: dict[Path, int] = field(default_factory=dict)
    twice: list[tuple[Path, int]] = field(default_factory=list)

    def value(self, at: int, path: Path) -> int:
        """Pass over a value; return where it ends."""
        at = self.blank(at)
        self.found.setdefault(path, at)
        match self.text[at : at + 1]:
            case "{":
                return self.members(at + 1, path)
            case "[":
                return self.items(at + 1, path)
            case '"':
                return self.string(at)[1]
        plain = _PLAIN.match(self.text, at)
        return plain.end() if plain else at

    def members(self, at: int, path: Path) -> int:
        """Pass over an object, from behind its brace."""
        at = self.blank(at)
        while self.text[at] != "}":
            key, behind = self.string(at)
            if (*path, key) in self.found:
                self.twice.append(((*path, key), at))
            self.found[*path, key] = at
            at = self.value(self.blank(behind) + 1, (*path, key))
            at = self.next(at)
        return at + 1

    def items(self, at: int, path: Path) -> int:
        """Pass over a list, from behind its bracket."""
        at, number = self.blank(at), 0
        while self.text[at] != "]":
            at = self.next(self.value(at, (*path, str(number))))
            number += 1
        return at + 1

    def next(self, at: int) -> int:
        """Pass over the comma behind a member or an item, if there is one."""
        at = self.blank(at)
        return self.blank(at + 1) if self.text[at] == "," else at

    def blank(self, at: int) -> int:
        """Pass over white space."""
        blank = _BLANK.match(self.text, at)
        return blank.end() if blank else at

    def string(self, at: int) -> tuple[str, int]:
        """Return the string that begins here, and where it ends."""
        text, end = _DECODER.raw_decode(self.text, at)
        return str(text), end
