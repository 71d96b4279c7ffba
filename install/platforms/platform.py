"""What is known of a node's container runtime, and what is needed to find it out.  Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol

DEFAULT_BIN = PurePosixPath("/opt/cni/bin")
DEFAULT_CONF = PurePosixPath("/etc/cni/net.d")
"""Where containerd and CRI-O look if they are told nothing."""
OVERRIDE = "say it: --cni-bin DIR --cni-conf DIR"


class PlatformError(Exception):
    """The runtime's folders cannot be told; the message says why, and what to do."""


class Name(StrEnum):
    """What made the node."""

    K3S = "k3s"
    RKE2 = "rke2"
    MICROK8S = "microk8s"
    KUBEADM = "kubeadm"
    """Its containerd or its CRI-O."""
    CONTAINERD = "containerd"
    CRIO = "cri-o"
    UNKNOWN = "unknown"
    """CNI's usual folders are there, and nothing says whose they are."""


class Files(Protocol):
    """A node's files by their paths on the node, for reading; links are followed."""

    def text(self, path: PurePosixPath) -> str | None:
        """Return a file's content, None where there is no file.

        Raises:
            PlatformError: there is one that cannot be read.
        """
        ...

    def has(self, path: PurePosixPath) -> bool:
        """Tell whether anything is there."""
        ...

    def names(self, folder: PurePosixPath) -> Sequence[str]:
        """Return what is in a folder, sorted; nothing where it is not there."""
        ...

    def programs(self) -> frozenset[str]:
        """Return the names of the programs that run, as far as they are seen."""
        ...


@dataclass(frozen=True, slots=True)
class Platform:
    """A node's container runtime.  All paths are the node's own."""

    name: Name
    cni_bin: PurePosixPath
    """The folder of the plugins: the first, where the runtime looks in several."""
    cni_conf: PurePosixPath
    """The folder of the networks."""
    socket: PurePosixPath | None = None
    """containerd's; None with another runtime."""
    storage: PurePosixPath | None = None
    """Where containerd keeps images; None with another runtime."""
    snapshotter: str = ""
    """What containerd unpacks images with, where its settings say it."""
    images: PurePosixPath | None = None
    """The folder from which K3s and RKE2 import archives."""
    has_drop_ins: bool = False
    """Whether it is known to have libcni 1.3, which reads `net.d/<network>/` too."""
    evidence: tuple[str, ...] = ()
    """Why all this is believed, in words."""

    @property
    def is_k3s(self) -> bool:
        """Whether K3s's own flannel may be the primary."""
        return self.name is Name.K3S


def checked_folder(value: object, where: str) -> PurePosixPath:
    """Return a folder that a file or a person names.

    Args:
        value: what is said.
        where: file and key, or option, for the error.

    Raises:
        PlatformError: it is no absolute path, or one that leads elsewhere than it seems.
    """
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise PlatformError(f"{where} is {value!r}, expected an absolute path; {OVERRIDE}")
    path = PurePosixPath(posixpath.normpath(value))
    if ".." in PurePosixPath(value).parts or path.parent == path:
        raise PlatformError(
            f"{where} is {value!r}, expected a folder below / without '..' in it; {OVERRIDE}"
        )
    return PurePosixPath("/", *path.parts[1:])  # `//x` is a root of its own to POSIX
