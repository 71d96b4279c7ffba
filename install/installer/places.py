"""Where a node's runtime has its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from install.installer.errors import InstallError
from install.installer.root import Root

_BIN, _CONF = PurePosixPath("/opt/cni/bin"), PurePosixPath("/etc/cni/net.d")


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a runtime, on the node."""

    bin: PurePosixPath
    conf: PurePosixPath
    drops_in: bool = False
    """Whether every runtime that reads `conf` has libcni 1.3 or later."""
    is_k3s: bool = False
    """Whether K3s's own flannel is the primary."""


def find(root: Root, bin_: PurePosixPath | None, conf: PurePosixPath | None) -> Places:
    """Return where they are.

    Args:
        root: the node's.
        bin_: the operator's own word for the folder of programs.
        conf: and for the folder of networks.

    Raises:
        InstallError: the folder of programs is not there.
    """
    places = Places(bin_ or _BIN, conf or _CONF)
    if not root.see_folder(places.bin).is_dir():
        raise InstallError(
            f"{places.bin} is not there (seen from here as {root.see_folder(places.bin)}), "
            "expected the runtime's folder of CNI programs: name it by --cni-bin"
        )
    return places
