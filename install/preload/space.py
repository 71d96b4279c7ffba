"""Whether there is room for images, and for how long they would stay.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_COLLECTED = 0.85
"""How full the kubelet lets a file system be before it removes images that no pod uses: its
imageGCHighThresholdPercent, if it is told nothing else."""


@dataclass(frozen=True, slots=True)
class Need:
    """What is going to be written."""

    folder: Path
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Room:
    """A file system."""

    device: int
    free: int
    """Bytes that root may write."""
    size: int
    """Bytes in all."""


def shortages(needs: Iterable[Need], rooms: Mapping[Path, Room]) -> list[str]:
    """Return where the room is not enough, in words."""
    return [
        f"{folder} has {room.free:,} bytes free, expected {size:,}: make room there"
        for folder, room, size in _together(needs, rooms)
        if size > room.free
    ]


def crowded(needs: Iterable[Need], rooms: Mapping[Path, Room]) -> list[str]:
    """Return where images would soon be removed again, in words."""
    return [
        f"{folder} will be more than {_COLLECTED:.0%} full: the kubelet removes images that no pod "
        "uses yet"
        for folder, room, size in _together(needs, rooms)
        if room.size - room.free + size > _COLLECTED * room.size
    ]


def _together(
    needs: Iterable[Need], rooms: Mapping[Path, Room]
) -> Iterable[tuple[Path, Room, int]]:
    """Return each file system once, with all that is going to be written there."""
    sizes: dict[int, int] = {}
    folders: dict[int, Path] = {}
    for need in needs:
        device = rooms[need.folder].device
        sizes[device] = sizes.get(device, 0) + need.size
        folders.setdefault(device, need.folder)
    return [(folder, rooms[folder], sizes[device]) for device, folder in folders.items()]
