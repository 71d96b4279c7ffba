"""One NAD whose configuration could be read: what the checks look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from install.nad import kinds
from install.nad.document import Nad
from install.nad.positions import Path, Positions

Keys = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin of a configuration."""

    keys: Keys
    path: Path
    """Where in the configuration it stands."""

    @property
    def kind(self) -> str:
        """Its `type`; empty where that is no text."""
        return text_of(self.keys.get("type"))


@dataclass(frozen=True)
class Subject:
    """A NAD with its configuration."""

    nad: Nad
    document: Keys
    """The configuration."""
    plugins: tuple[Plugin, ...]
    """At least one; a configuration that is no list is its own plugin."""
    positions: Positions

    @cached_property
    def main(self) -> Plugin:
        """The plugin that makes the interface: the first that is not there to change one."""
        makers = (plugin for plugin in self.plugins if plugin.kind not in kinds.CHAINED)
        return next(makers, self.plugins[0])

    @property
    def ipam(self) -> Keys:
        """The main plugin's `ipam`; empty where there is none."""
        section = self.main.keys.get("ipam")
        return section if isinstance(section, dict) else {}

    @property
    def ipam_path(self) -> Path:
        """Where that stands."""
        return (*self.main.path, "ipam")

    @property
    def ipam_kind(self) -> str:
        """The type of it."""
        return text_of(self.ipam.get("type"))

    def line(self, path: Path) -> int:
        """Return the line of a key of the configuration, or of what is around it."""
        config = self.nad.config
        return config.line_at(self.positions.nearest(path)) if config else self.nad.line

    def walk(self) -> Iterator[tuple[Path, str, Any]]:
        """Return every member of every object: its path, its key, its value."""
        yield from _members(self.document, ())


def _members(value: object, path: Path) -> Iterator[tuple[Path, str, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield (*path, key), key, member
            yield from _members(member, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _members(item, (*path, str(number)))


def text_of(value: object) -> str:
    """Return a value that is text, empty for any other."""
    return value if isinstance(value, str) else ""
