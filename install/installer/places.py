"""Where a node's runtime has its folders, or where the operator says that it has them."""

from __future__ import annotations

from pathlib import PurePosixPath

from install.installer.errors import InstallError
from install.installer.root import Root
from install.platforms import root as platform_root
from install.platforms.detection import detect
from install.platforms.platform import Platform, PlatformError


def find(root: Root, cni_bin: PurePosixPath | None, cni_conf: PurePosixPath | None) -> Platform:
    """Return the node's runtime and its folders.

    Args:
        root: the node's.
        cni_bin: the operator's own word for the folder of programs.
        cni_conf: and for the folder of networks.

    Raises:
        InstallError: they cannot be told, or the folder of programs is not there.
    """
    try:
        platform = detect(platform_root.Root(root.folder), cni_bin, cni_conf)
    except PlatformError as error:
        raise InstallError(str(error)) from None
    seen = root.see_folder(platform.cni_bin)
    if not seen.is_dir():
        raise InstallError(
            f"{platform.cni_bin} is not there (seen from here as {seen}), expected the runtime's "
            "folder of CNI programs: mount it, or name another one by --cni-bin"
        )
    return platform
