"""What CRI-O's settings say of CNI (crio.conf(5), crio.conf.d(5)).  Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from install.platforms.platform import (
    DEFAULT_BIN,
    DEFAULT_CONF,
    Files,
    Name,
    Platform,
    checked_folder,
)
from install.platforms.toml import Table, get, over, read

SETTINGS = PurePosixPath("/etc/crio/crio.conf")
FOLDER = PurePosixPath("/etc/crio/crio.conf.d")
SOCKET = PurePosixPath("/run/crio/crio.sock")


def is_there(files: Files) -> bool:
    """Tell whether the node has CRI-O."""
    return files.has(SETTINGS) or bool(_parts(files)) or files.has(SOCKET)


def platform(files: Files) -> Platform:
    """Return what its files say, a later one winning.

    Raises:
        PlatformError: one of them cannot be understood.
    """
    document: Table = {}
    for path in (SETTINGS, *_parts(files)):
        document = over(document, read(files, path) or {})
    network = get(document, "crio", "network")
    conf = get(document, "crio", "network", "network_dir")
    many, one = (get(document, "crio", "network", key) for key in ("plugin_dirs", "plugin_dir"))
    listed = many if isinstance(many, list) and many else [one] if one else []
    bins = [checked_folder(each, f"{SETTINGS} or {FOLDER}: plugin_dirs") for each in listed]
    said = f"[crio.network] in {SETTINGS} or {FOLDER}" if network else "CRI-O's own folders"
    return Platform(
        Name.CRIO,
        bins[0] if bins else DEFAULT_BIN,
        checked_folder(conf, f"{SETTINGS} or {FOLDER}: network_dir") if conf else DEFAULT_CONF,
        evidence=(said,),
    )


def _parts(files: Files) -> list[PurePosixPath]:
    """Return the files of the folder, in the order in which they are laid over each other."""
    return [FOLDER / name for name in files.names(FOLDER) if not name.startswith(".")]
