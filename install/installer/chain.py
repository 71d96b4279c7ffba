"""rail-hostgw in the primary's network: what is to change in a folder of networks."""

from __future__ import annotations

from pathlib import PurePosixPath

from install.conflist import ways, writing
from install.conflist.document import ConflistError
from install.conflist.folder import COPY, primary
from install.conflist.folder import copies as copied
from install.conflist.ways import Way
from install.installer.facts import ChainFacts
from install.installer.root import Root

_UNTIL_K3S = (
    "rail-hostgw is not chained until K3s starts anew with `flannel-cni-conf: {}` in "
    "/etc/rancher/k3s/config.yaml"
)


def copies(root: Root, folder: PurePosixPath) -> list[str]:
    """Return the files of Multus that have a network with rail-hostgw copied (ConflistError)."""
    seen = root.see_folder(folder)
    files = writing.read_folder(seen) if seen.is_dir() else {}
    return [str(folder / name) for name in copied(files)]


def gather(root: Root, folder: PurePosixPath, *, drops_in: bool, is_k3s: bool) -> ChainFacts:
    """Return what chains rail-hostgw into the primary's network, or why it cannot be.

    Args:
        root: the node's.
        folder: of networks, on the node.
        drops_in: whether every runtime that reads it has libcni 1.3 or later.
        is_k3s: whether K3s's own flannel is the primary.
    """
    try:
        files = writing.read_folder(root.see_folder(folder))
        way = ways.choose(files, drops_in=drops_in, is_k3s=is_k3s)
        plan = ways.chain(files, {}, way)
        waits = way is Way.K3S_COPY and not primary(files).network.has_ours
    except ConflistError as error:
        return ChainFacts(folder, problem=f"rail-hostgw is not chained: {error}")
    copy = folder / f"{plan.like}{COPY}"
    awaited = _UNTIL_K3S.format(copy) if waits else ""
    return ChainFacts(folder, plan.changes, plan.like, awaited=awaited)
