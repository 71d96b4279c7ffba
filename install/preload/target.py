"""Where images are to go on this node."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from install.platforms import containerd
from install.platforms.detection import detect
from install.platforms.platform import Name, PlatformError
from install.platforms.root import Root
from install.preload.space import Room

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""What the kernel calls a machine, and Go; the rest have one name."""


@dataclass(frozen=True, slots=True)
class Target:
    """A node's containerd, and the folder from which K3s imports."""

    name: str
    socket: Path | None
    """None where containerd is left alone."""
    storage: Path | None
    """Where it keeps images."""
    snapshotter: str = ""
    """What it unpacks with, where its settings say it."""
    images: Path | None = None
    """K3s's or RKE2's."""

    @property
    def is_up(self) -> bool:
        """Whether containerd is there to be asked."""
        return bool(self.socket and self.socket.is_socket())


def find(root: Root, settings: Path | None = None, images: Path | None = None) -> Target:
    """Return where images go.

    Args:
        root: this node's files.
        settings: containerd's file, where a person names it; else the node's runtime is looked for.
        images: K3s's folder of images, where a person names it: before K3s's first start there is
            nothing else, so without `settings` nothing else is used.

    Raises:
        PlatformError: there is no runtime, or it is not containerd.
    """
    if settings:
        said = containerd.settings(root, PurePosixPath(settings.absolute()))
        if said is None:
            raise PlatformError(f"{settings} is not there, expected containerd's config.toml")
        socket, storage = said.socket or containerd.SOCKET, said.storage or containerd.STORAGE
        return Target("containerd", Path(socket), Path(storage), said.snapshotter, images)
    if images:
        return Target(Name.K3S, None, None, images=images)
    found = detect(root)
    if found.socket is None or found.storage is None:
        raise PlatformError(
            f"the node's runtime is {found.name}, expected containerd: load the archive with the "
            "runtime's own tools, or name containerd's config.toml with --settings"
        )
    folder = Path(found.images) if found.images else None
    return Target(
        found.name, Path(found.socket), Path(found.storage), found.snapshotter, images=folder
    )


def machine() -> str:
    """Return this node's architecture, as images name it."""
    kernels = platform.machine()
    return _MACHINES.get(kernels, kernels)


def room(folder: Path) -> Room:
    """Return the file system that a folder is on, or will be when it is made.

    Raises:
        OSError: it cannot be asked.
    """
    while not folder.exists():
        folder = folder.parent
    state = os.statvfs(folder)
    return Room(
        folder.stat().st_dev, state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
    )
