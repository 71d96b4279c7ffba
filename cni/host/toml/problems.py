"""What is wrong with a file, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cni.host.toml.lines import Key, lines_of
from cni.protocol.config import Config


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


def placed(text: str, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems with the lines on which they are in a text, which is TOML."""
    found = tuple(problems)
    lines = lines_of(text, (problem.key for problem in found)) if found else {}
    return tuple(replace(problem, line=lines[problem.key]) for problem in found)


def located(path: Path, problem: Problem) -> str:
    """Return a problem with its place: `node.toml:12: fabrics.backend.blockSize is …`."""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{path}{line}: {problem}"


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
    elif isinstance(value, tuple):
        for number, entry in enumerate(value):
            yield from _unknown_below(entry, (*key, str(number)))
