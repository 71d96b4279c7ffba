"""Archives onto a node: everything is checked before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from install.preload import members, placing, space
from install.preload.archive import Archive, Image, Walk
from install.preload.runtime import Containerd, RuntimeFailedError
from install.preload.space import Need
from install.preload.target import Target, machine, room

STDIN = "-"
_THERE = "there already"


class NoRoomError(Exception):
    """The node has no room for the images; nothing was changed."""


class MissingError(Exception):
    """containerd has taken an archive, and does not list what is in it."""


@dataclass(frozen=True, slots=True)
class Given:
    """An archive that has been proven."""

    name: str
    """As the person named it."""
    stream: BinaryIO
    """Without a buffer."""
    archive: Archive
    size: int
    """Bytes of the file."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one archive."""

    given: Given
    loads: bool
    """Whether containerd is to import it."""
    final: Path | None
    """Its place in the folder of images; None where there is no such folder."""
    places: bool
    """Whether the file is to be put there."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one image."""

    image: str
    digest: str
    archive: str
    outcome: str


@contextmanager
def given(names: Sequence[str], stdin: BinaryIO, folder: Path) -> Iterator[list[Given]]:
    """Open archives and prove each; `-` is read from stdin, into a folder for files on their way.

    Raises:
        ArchiveError: one is damaged, or not for this node.
        OSError: one cannot be read, or there is no room for what stdin has.
    """
    with ExitStack() as opened:
        found = []
        for name in names:
            path = Path(name)
            if name == STDIN:
                path = folder / "stdin"
                placing.copy(stdin, path)
            stream = opened.enter_context(path.open("rb", buffering=0))
            archive = Walk(members.read(stream, name), name, machine()).archive()
            found.append(Given(name, stream, archive, os.fstat(stream.fileno()).st_size))
        yield found


def steps(archives: Sequence[Given], target: Target) -> list[Step]:
    """Return what is to be done about each archive; done again, it is nothing.

    Raises:
        RuntimeFailedError: containerd is not there, or does not answer.
        PlacingError: two archives would get to one place.
        OSError: the folder of images cannot be read.
    """
    if not target.images and not target.is_up:
        raise RuntimeFailedError(f"containerd is not running: {target.socket} is not there")
    present = Containerd(target).images() if target.is_up else {}
    found, finals = [], dict[Path, Given]()
    for one in archives:
        loads = target.is_up and not all(map(_in(present), one.archive.images))
        final = target.images / _final_name(one) if target.images else None
        if final and (other := finals.setdefault(final, one)) is not one:
            raise placing.PlacingError(
                f"{other.name} and {one.name} would both be {final}: rename one of them"
            )
        places = final is not None and not placing.has(final, one.stream)
        found.append(Step(one, loads=loads, final=final, places=places))
    return found


def _in(present: Mapping[str, str]) -> Callable[[Image], bool]:
    """Return what tells whether an image is there whole; one without a digest is not known to."""
    return lambda image: bool(image.digest) and present.get(image.name) == image.digest


def needs(wanted: Sequence[Step], target: Target) -> list[Need]:
    """Return what will be written, and where."""
    found = [Need(one.final.parent, one.given.size) for one in wanted if one.final and one.places]
    if target.storage:
        archives = [one.given.archive for one in wanted if one.loads]
        size = sum(archive.stored + archive.unpacked for archive in archives)
        found.append(Need(target.storage, size))
    return found


def check_room(wanted: Sequence[Need]) -> list[str]:
    """Return warnings about the room for archives.

    Raises:
        NoRoomError: it is not enough.
        OSError: a file system cannot be asked.
    """
    rooms = {need.folder: room(need.folder) for need in wanted}
    if short := space.shortages(wanted, rooms):
        raise NoRoomError("; ".join(short))
    return space.crowded(wanted, rooms)


def planned(wanted: Sequence[Step]) -> Iterator[Row]:
    """Return what `load` would do, without doing it."""
    for step in wanted:
        words = ["to be imported"] if step.loads else []
        words += [f"to be put at {step.final}"] if step.places else []
        for image in step.given.archive.images:
            outcome = ", ".join(words) or _THERE
            yield Row(image.name, image.digest, step.given.name, outcome)


def load(wanted: Sequence[Step], target: Target, folder: Path) -> Iterator[Row]:
    """Bring archives to containerd and to the folder of images; yield what became of each image.

    An archive gets into the folder last: what containerd refuses would be refused at each start.

    Args:
        wanted: what is to be done, with room for it.
        target: where.
        folder: for files on their way (`placing.stage`).

    Raises:
        RuntimeFailedError: containerd refuses one.
        MissingError: it does not list an image after the import.
        OSError: a file cannot be written.
    """
    containerd = Containerd(target) if target.is_up else None
    for step in wanted:
        words = []
        if containerd and step.loads:
            containerd.load(step.given.stream)
            words.append("imported")
        present = containerd.images() if containerd else None
        if present is not None:
            prove(step.given, present)
        if step.final and step.places:
            _place(step.given, step.final, folder)
            words.append(f"put at {step.final}")
        for image in step.given.archive.images:
            digest = image.digest or (present or {}).get(image.name, "")
            yield Row(image.name, digest, step.given.name, ", ".join(words) or _THERE)


def _place(one: Given, final: Path, folder: Path) -> None:
    one.stream.seek(0)
    staged = folder / "next"
    placing.copy(one.stream, staged)
    placing.place(staged, final)


def _final_name(one: Given) -> str:
    own = "" if one.name == STDIN else Path(one.name).name
    return placing.name_for(own, one.archive.images[0].name)


def prove(one: Given, present: Mapping[str, str]) -> None:
    """Raise unless containerd lists an archive's images, whole and by their digests."""
    for image in one.archive.images:
        found = present.get(image.name)
        if found is None or (image.digest and found != image.digest):
            what = f"has {found}" if found else "does not list it whole"
            raise MissingError(
                f"{one.name}: {image.name} was imported, expected {image.digest or 'it'} to be "
                f"there, and containerd {what}: see its log"
            )
