"""What is done on a node, a step at a time; each can be killed, and done again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeAlias

from install.conflist.folder import Change
from install.installer.facts import Item
from install.installer.layout import Layout


@dataclass(frozen=True, slots=True)
class Sweep:
    """Remove what a killed installer has left."""

    path: PurePosixPath

    def __str__(self) -> str:
        return f"remove {self.path}, left by an installer that was killed"


@dataclass(frozen=True, slots=True)
class PutVersion:
    """Copy the bundle beside the others, verify it and give it its name."""

    layout: Layout
    name: str

    def __str__(self) -> str:
        return f"copy the bundle to {self.layout.version(self.name)}, verify it by MANIFEST"


@dataclass(frozen=True, slots=True)
class MendVersion:
    """Write files of a version anew."""

    layout: Layout
    name: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""  # noqa: PLR2004
        listed = ", ".join(self.files[:3])
        return f"write anew in {self.layout.version(self.name)}: {listed}{more}"


@dataclass(frozen=True, slots=True)
class Flip:
    """Run a version by its path on the node, then let new processes run from it."""

    layout: Layout
    name: str

    def __str__(self) -> str:
        return (
            f"run VERSION by {self.layout.version(self.name)}, then point {self.layout.current} "
            "at it"
        )


@dataclass(frozen=True, slots=True)
class PutLink:
    """Make a link."""

    path: PurePosixPath
    target: str
    before: str = ""
    """Where it led."""

    def __str__(self) -> str:
        instead = f" instead of {self.before}" if self.before else ""
        return f"link {self.path} to {self.target}{instead}"


@dataclass(frozen=True, slots=True)
class PutFile:
    """Write a file of the configuration."""

    item: Item

    def __str__(self) -> str:
        return f"write {self.item.path} ({self.item.mode:04o}), from {self.item.source}"


@dataclass(frozen=True, slots=True)
class Chain:
    """Bring rail-hostgw into the primary's network."""

    folder: PurePosixPath
    changes: tuple[Change, ...] = field(repr=False)
    like: str

    def __str__(self) -> str:
        words = (
            f"{'remove' if each.after is None else 'write'} {self.folder / each.name}"
            for each in self.changes
        )
        return f"chain rail-hostgw: {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class RemoveVersion:
    """Remove a version that nobody needs."""

    layout: Layout
    name: str

    def __str__(self) -> str:
        return f"remove {self.layout.version(self.name)}: superseded, no process runs from it"


@dataclass(frozen=True, slots=True)
class RemoveCopy:
    """Remove what is left of a bundle that somebody copied into our folder by hand."""

    layout: Layout

    def __str__(self) -> str:
        return f"remove the bundle that was copied to {self.layout.home} by hand"


@dataclass(frozen=True, slots=True)
class EnableUnits:
    """Have systemd start our units, now and at each boot."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"systemctl daemon-reload, enable --now {' '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class DisableUnits:
    """Have systemd end our units."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"systemctl disable --now {' '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Unchain:
    """Take rail-hostgw out of the primary's network."""

    folder: PurePosixPath

    def __str__(self) -> str:
        return f"take rail-hostgw out of the networks in {self.folder}"


@dataclass(frozen=True, slots=True)
class WithdrawRoutes:
    """Take back the direct routes of rail-hostgw, and put back what it loosened."""

    def __str__(self) -> str:
        return "withdraw the direct routes of rail-hostgw, restore rp_filter"


@dataclass(frozen=True, slots=True)
class TakeFile:
    """Remove a file of ours, or put back what was there before."""

    path: PurePosixPath
    before: str
    """Where that is kept; empty: nothing was there."""

    def __str__(self) -> str:
        return f"{'restore what was in' if self.before else 'remove'} {self.path}"


@dataclass(frozen=True, slots=True)
class TakeLink:
    """Remove a link of ours, or let it lead where it led."""

    path: PurePosixPath
    before: str

    def __str__(self) -> str:
        return (
            f"let {self.path} lead to {self.before} again"
            if self.before
            else (f"remove {self.path}")
        )


@dataclass(frozen=True, slots=True)
class TakeHome:
    """Remove all versions of one CNI bin folder."""

    layout: Layout

    def __str__(self) -> str:
        return f"remove {self.layout.home} with all versions"


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove the record, which has nothing more to say."""

    def __str__(self) -> str:
        return "forget what was installed"


Step: TypeAlias = (
    Sweep | PutVersion | MendVersion | Flip | PutLink | PutFile | Chain | EnableUnits
    | RemoveVersion | RemoveCopy
    | DisableUnits | Unchain | WithdrawRoutes | TakeFile | TakeLink | TakeHome | Forget
)  # fmt: skip


HOUSEKEEPING = (Sweep, RemoveVersion, RemoveCopy)
"""Steps that make room: no node is to be without programs because one of them cannot be done."""


def subject(step: Step) -> str:
    """Return what a step is about: the path that it changes, of a configuration which one."""
    match step:
        case Sweep(path) | PutLink(path) | TakeFile(path) | TakeLink(path):
            place = path
        case PutVersion(layout, name) | MendVersion(layout, name) | RemoveVersion(layout, name):
            place = layout.version(name)
        case Flip(layout):
            place = layout.current
        case PutFile(item):
            return f"{item.path} ({item.digest[:8]})"
        case Chain(folder) | Unchain(folder):
            place = folder
        case TakeHome(layout) | RemoveCopy(layout):
            place = layout.home
        case EnableUnits() | DisableUnits() | WithdrawRoutes() | Forget():
            return str(step)
    return str(place)


Stage: TypeAlias = tuple[Step, ...]
"""Steps of which each needs those before it: when one fails, the rest has to wait."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and what cannot be."""

    stages: tuple[Stage, ...]
    """In their order; one that fails stops none of the others."""
    problems: tuple[str, ...] = ()
    """In words for the person who must act."""
    warnings: tuple[str, ...] = ()
    """Problems that keep nobody from his work: what was there stays, or something is to come."""
    remarks: tuple[str, ...] = ()
    """What is as it should be, but may surprise."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in their order."""
        return tuple(step for stage in self.stages for step in stage)
