"""Carrying out, on a node, the steps that take what is ours away."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath

from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.hostgw.config import HostgwConfig
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.hostgw.refresh import refresh
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import LinuxSysfs
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError
from install.conflist import ways, writing
from install.installer.errors import InstallError
from install.installer.gathering import Site
from install.installer.layout import DRAFT, Layout
from install.installer.placing import put_file, put_link, remove, sync_folder, target_of
from install.installer.record import BEFORE, FILE, Book
from install.installer.steps import (
    DisableUnits,
    Forget,
    RemoveCopy,
    RemoveVersion,
    Step,
    Sweep,
    TakeFile,
    TakeHome,
    TakeLink,
    Unchain,
    WithdrawRoutes,
)

_NAMESPACES = "/proc/{}/ns/net"


class Taking:
    """Takes away what the record has.

    Args:
        site: the node.
        book: the record.
    """

    def __init__(self, site: Site, book: Book) -> None:
        self._site = site
        self._book = book

    def do(self, step: Step) -> None:
        """Do one step (InstallError, ConflistError, OSError)."""
        match step:
            case Sweep(path):
                remove(self._site.root.see(path))
            case RemoveCopy(layout):
                self._site.versions(layout.bin).remove_copy()
            case RemoveVersion(layout, name):
                self._site.versions(layout.bin).discard(name)
            case _:
                self._leave(step)

    def _leave(self, step: Step) -> None:
        match step:
            case Unchain(folder):
                self._unchain(folder)
            case DisableUnits(names):
                self._site.systemd.disable(names)
                self._book.record.units = []
                self._book.save()
            case WithdrawRoutes():
                withdraw_routes(self._site.paths, is_here=self._site.root.is_here)
            case TakeFile(path, before):
                self._file(path, before)
            case TakeLink(path, before):
                self._refuse_while_chained()
                self._link(path, before)
            case TakeHome(layout):
                self._refuse_while_chained()
                self._home(layout)
            case Forget():
                remove(self._book.state / BEFORE)
                remove(self._book.state / FILE)
            case _:
                raise AssertionError(step)

    def _unchain(self, folder: PurePosixPath) -> None:
        seen = self._site.root.see_folder(folder)
        if seen.is_dir():
            writing.write(seen, ways.unchain(writing.read_folder(seen)))
        self._book.record.chained.remove(str(folder))
        self._book.save()

    def _refuse_while_chained(self) -> None:
        """Keep what a network names: without it no pod would start (InstallError)."""
        if chained := self._book.record.chained:
            raise InstallError(
                f"the programs stay while rail-hostgw is in the networks in {', '.join(chained)}"
            )

    def _file(self, path: PurePosixPath, before: str) -> None:
        file = self._site.root.see(path)
        if before:
            put_file(file, self._book.kept(before), self._book.record.files[str(path)].mode)
        else:
            remove(file)
        del self._book.record.files[str(path)]
        self._book.save()
        _remove_if_empty(file.parent)

    def _link(self, path: PurePosixPath, before: str) -> None:
        link = self._site.root.see(path)
        if before and self._site.root.see_folder(path.parent / before).exists():
            put_link(link, before)
        else:
            remove(link)

    def _home(self, layout: Layout) -> None:
        """Remove the folder under another name: half of it is nothing that a link could lead to."""
        home = self._site.root.see(layout.home)
        if home.is_symlink():  # what it leads to may have more than what is ours
            remove(self._site.root.see_folder(layout.home) / layout.current.name)
            remove(self._site.root.see_folder(layout.versions))
        draft = home.with_name(f".{home.name}{DRAFT}")
        remove(draft)
        with suppress(FileNotFoundError):
            home.rename(draft)
            sync_folder(home.parent)
        remove(draft)
        self._book.record.bins.remove(str(layout.bin))
        self._book.save()


def withdraw_routes(paths: Paths, *, is_here: bool) -> None:
    """Take back the direct routes of rail-hostgw without an agent, as its mode `off` does.

    Args:
        paths: the node's.
        is_here: whether this process is on the node itself, not in a container of it.

    Raises:
        InstallError: this process cannot, with what to do.
    """
    if not is_here and target_of(Path(_NAMESPACES.format("self"))) != target_of(
        Path(_NAMESPACES.format("1"))
    ):
        raise InstallError(
            "the direct routes of rail-hostgw may be left: this container sees the node's network "
            "only with hostNetwork and hostPID; look on the node: ip route show table 142; "
            "ip rule show"
        )
    node = Node(LinuxKernel(), LinuxSysfs(), Locks(paths.locks), Notes(paths.hostgw))
    try:
        refresh(node, HostgwConfig(mode="off"))
    except (CniError, KernelError) as error:
        raise InstallError(f"direct routes of rail-hostgw may be left: {error}") from error


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
