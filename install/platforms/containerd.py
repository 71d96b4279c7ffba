"""What containerd's settings say of CNI.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from install.platforms.platform import DEFAULT_BIN, DEFAULT_CONF, Files, checked_folder
from install.platforms.toml import Table, get, with_imports

SETTINGS = PurePosixPath("/etc/containerd/config.toml")
SOCKET = PurePosixPath("/run/containerd/containerd.sock")
STORAGE = PurePosixPath("/var/lib/containerd")
_RUNTIME = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri")
"""The plugin that has CNI's settings: in version 3 and 4, 2, and 1 of the document."""
_SNAPSHOTTER = (
    ("io.containerd.cri.v1.images",),
    ("io.containerd.grpc.v1.cri", "containerd"),
    ("cri", "containerd"),
)
_CRI = frozenset({"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"})
_SERVER = "io.containerd.server.v1.grpc"
"""Has the socket from version 4 on."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is said, and what is so where nothing is said."""

    bins: tuple[PurePosixPath, ...] = (DEFAULT_BIN,)
    conf: PurePosixPath = DEFAULT_CONF
    says_cni: bool = False
    """Whether the folders are said; else they are containerd's own."""
    has_many_bins: bool = False
    """Whether `bin_dirs` is said, which is containerd's from 2.1 on (and with it libcni 1.3)."""
    has_cri: bool = True
    """Whether a kubelet can use it: Docker's packages switch that off."""
    socket: PurePosixPath | None = None
    storage: PurePosixPath | None = None
    snapshotter: str = ""
    """What images are unpacked with; empty where it is not said."""


def settings(files: Files, path: PurePosixPath) -> Settings | None:
    """Return what a containerd's file and its imports say; None where there is no file.

    Raises:
        PlatformError: one of the files cannot be understood.
    """
    document = with_imports(files, path)
    return None if document is None else understood(document, str(path))


def understood(document: Table, where: str) -> Settings:
    """Return what a document says.

    Args:
        document: containerd's, of any version.
        where: its file, for errors.

    Raises:
        PlatformError: a folder in it is no absolute path.
    """
    bins, conf, many = (_of_cni(document, key) for key in ("bin_dir", "conf_dir", "bin_dirs"))
    # `bin_dir` wins: it can stand beside `bin_dirs` only where that is the default.
    listed = [bins] if bins else many if isinstance(many, list) else []
    disabled = document.get("disabled_plugins")
    root = document.get("root")
    address = get(document, "plugins", _SERVER, "address") or get(document, "grpc", "address")
    return Settings(
        tuple(checked_folder(each, f"{where}: bin_dir") for each in listed) or (DEFAULT_BIN,),
        checked_folder(conf, f"{where}: conf_dir") if conf else DEFAULT_CONF,
        says_cni=bool(listed or conf),
        has_many_bins=bool(many),
        has_cri=not (isinstance(disabled, list) and _CRI & set(map(str, disabled))),
        socket=checked_folder(address, f"{where}: address") if address else None,
        storage=checked_folder(root, f"{where}: root") if root else None,
        snapshotter=_snapshotter(document),
    )


def _snapshotter(document: Table) -> str:
    for keys in _SNAPSHOTTER:
        said = get(document, "plugins", *keys, "snapshotter")
        if isinstance(said, str) and said.isidentifier():  # a template has a variable there
            return said
    return ""


def _of_cni(document: Table, key: str) -> object:
    for plugin in _RUNTIME:
        if value := get(document, "plugins", plugin, "cni", key):
            return value
    return None
