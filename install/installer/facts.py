"""What is found on a node, and what is to be there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath

from install.conflist.folder import Change
from install.installer.layout import Layout


class Kind(Enum):
    """What is in a place."""

    NOTHING = "nothing"
    LINK = "a link"
    FILE = "a file"
    FOLDER = "a folder"


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a place."""

    kind: Kind
    target: str = ""
    """Where a link leads."""


@dataclass(frozen=True, slots=True)
class BinFacts:
    """One CNI bin folder."""

    layout: Layout
    present: tuple[str, ...] = ()
    """The versions, those that were written first before the others."""
    current: str = ""
    """The version that `current` leads to; empty: it leads nowhere of ours."""
    damaged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Files that are not as they should be, by version; of those that matter."""
    links: Mapping[PurePosixPath, Found] = field(default_factory=dict)
    drafts: tuple[PurePosixPath, ...] = ()
    """What killed installers have left."""
    is_copied: bool = False
    """Whether somebody has copied a bundle there by hand, as our README once had it."""
    used: frozenset[str] | None = None
    """The versions that processes run from; None: that cannot be seen."""


def digest_of(content: bytes) -> str:
    """Return a content's digest."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the node's configuration that is to be there."""

    path: PurePosixPath
    content: bytes = field(repr=False)
    digest: str
    source: str
    """Where it is from, for a person."""
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class ConfigurationFacts:
    """The files of the node's configuration."""

    wanted: tuple[Item, ...] = ()
    found: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """The digests of those that are there."""
    refused: tuple[str, ...] = ()
    """What is wrong with files that are not to be taken, in words."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """A folder of networks, where rail-hostgw is wanted in the primary's."""

    folder: PurePosixPath
    changes: tuple[Change, ...] = ()
    like: str = ""
    problem: str = ""
    """Why rail-hostgw cannot be in it, in words."""
    awaited: str = ""
    """What somebody has to do before it is in it, in words."""


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """The units of a host that is looked after by hand."""

    wanted: tuple[Item, ...]
    found: Mapping[PurePosixPath, str]
    """The digests of those that are there."""
    enabled: tuple[str, ...]
    """Those that were enabled; who disables one since has his reasons."""
    has_systemd: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    source: str
    """The version that this installer brings."""
    bins: tuple[BinFacts, ...]
    configuration: ConfigurationFacts = ConfigurationFacts()
    chain: ChainFacts | None = None
    """None: it is not wanted."""
    units: UnitFacts | None = None
    """None: none are wanted."""
    wanted: str = ""
    """The version that the record wants."""
    rejected: str = ""
    history: tuple[str, ...] = ()
    ours: frozenset[PurePosixPath] = frozenset()
    """The links that the record has."""


@dataclass(frozen=True, slots=True)
class Ours:
    """A file that the record has as ours."""

    path: PurePosixPath
    is_as_written: bool
    """Nobody has changed it since."""
    before: str = ""
    """Where what was there before is kept; empty: nothing was."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is to be taken away from a node."""

    layouts: tuple[Layout, ...]
    links: Mapping[PurePosixPath, Found]
    """What is in the places of our links."""
    before: Mapping[PurePosixPath, str]
    """Where our links led before they were ours."""
    files: tuple[Ours, ...] = ()
    chained: tuple[PurePosixPath, ...] = ()
    holders: tuple[str, ...] = ()
    """The attachments whose end needs our programs."""
    is_agent_running: bool = False
    units: tuple[str, ...] = ()
    """The units that were enabled."""
    has_systemd: bool = False
    has_routes: bool = False
    """Whether rail-hostgw has been at work since it was installed."""
    copies: tuple[str, ...] = ()
    """The files in which Multus has copied a network with rail-hostgw."""
    unread: tuple[str, ...] = ()
    """Why it cannot be told whether there are others."""
