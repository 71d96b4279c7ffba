"""What is wrong with a node file, and how it is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cni.protocol.config import Config, shown
from ipam.node_file.lines import Key, lines_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_FORMS = {"model_type": "a table", "dict_type": "a table", "literal_error": "'etcd' or 'local'"}
_FILES = {"ca", "certificate", "key", "userFile", "passwordFile"}
_USERINFO = re.compile(r"[^/'\"@\s]+(?=@)")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must be, or at least should be, put right.

    Args:
        key: where, from the outermost table on; empty for the file as a whole.
        text: what was found and what was expected.
        line: where the key is, None where that is not known.
    """

    key: Key
    text: str
    line: int | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (".".join(self.key), self.text)))


def of_validation(details: ErrorDetails) -> Problem:
    """Return what a model found."""
    places = [str(part) for part in details["loc"] if part != "[key]"]
    if details["type"] == "missing":
        return Problem(tuple(places), "is missing")
    expected = _FORMS.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    found = _found(places, details["input"])
    return Problem(tuple(places), _USERINFO.sub("…", f"is {found}, expected {expected}"))


def placed(text: str, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems with the lines on which they are in a text, which is TOML."""
    found = tuple(problems)
    lines = lines_of(text, (problem.key for problem in found)) if found else {}
    return tuple(replace(problem, line=lines[problem.key]) for problem in found)


def unknown_keys(config: Config, below: Key = ()) -> Iterator[Key]:
    """Return the keys that nobody reads, each from the outermost table on."""
    yield from ((*below, key) for key in config.model_extra or {})
    for name, field in type(config).model_fields.items():
        yield from _unknown_below(getattr(config, name), (*below, field.alias or name))


def _unknown_below(value: object, key: Key) -> Iterator[Key]:
    if isinstance(value, Config):
        yield from unknown_keys(value, key)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _unknown_below(entry, (*key, name))


def _found(places: list[str], value: Any) -> str:
    # Where a path was expected, somebody may have written the secret itself.
    if len(places) > 1 and places[0] == "etcd" and places[1] in _FILES:
        return "no path"
    return shown(value)
