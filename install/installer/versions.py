"""The versions in one CNI bin folder, on the disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from install.bundle import LIBRARIES, elf, manifest
from install.installer.errors import InstallError
from install.installer.facts import Found, Kind
from install.installer.layout import (
    DRAFT,
    EXECUTABLE,
    MANIFEST,
    OF_A_COPY,
    Layout,
    is_version,
    of_process,
)
from install.installer.placing import (
    make_folder,
    put_file,
    put_link,
    remove,
    sync_folder,
    target_of,
)
from install.installer.root import Root
from install.installer.source import Source

_FOLDER_MODE = 0o755
_EXECUTABLE_MODE, _FILE_MODE = 0o755, 0o644
_SYNCING = 16
"""Threads that wait for the disk."""
_RESERVE = 16 << 20
"""Bytes of the disk that are left to others."""
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h: in it every process is seen."""


class Versions:
    """The versions in one CNI bin folder.

    Args:
        root: where the node's files are seen.
        layout: of the folder.
    """

    def __init__(self, root: Root, layout: Layout) -> None:
        self.layout = layout
        self._root = root

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def present(self) -> list[str]:
        """Return the versions, those that were written first before the others (OSError)."""
        found = {each.name: each.lstat() for each in self._entries() if is_version(each.name)}
        folders = [name for name, status in found.items() if stat.S_ISDIR(status.st_mode)]
        return sorted(folders, key=lambda name: found[name].st_mtime_ns)

    def drafts(self) -> list[PurePosixPath]:
        """Return what killed installers have left (OSError)."""
        found = [each.name for each in self._entries() if each.name.endswith(DRAFT)]
        return [self.layout.versions / name for name in sorted(found)]

    def current(self) -> str:
        """Return the version that `current` leads to; empty for none."""
        target = target_of(self._root.see(self.layout.current))
        return self.layout.version_of(target or "")

    def links(self) -> dict[PurePosixPath, Found]:
        """Return what is in the places of our links."""
        return {path: what_is(self._root.see(path)) for path in self.layout.links}

    def is_copied(self) -> bool:
        """Tell whether somebody has copied a bundle into our folder by hand."""
        return any((self._root.see(self.layout.home) / name).exists() for name in OF_A_COPY)

    def folder(self, name: str) -> Path:
        """Return where a version is seen."""
        return self._root.see(self.layout.version(name))

    def used(self) -> frozenset[str] | None:
        """Return the versions that processes run from; None where not all of them are seen."""
        if target_of(Path("/proc/self/ns/pid")) != _INITIAL_PID_NAMESPACE:
            return None
        targets = (target_of(each / "exe") for each in Path("/proc").glob("[0-9]*"))
        found = {of_process(target, self.layout) for target in targets if target}
        return frozenset(found - {""})

    def _entries(self) -> Iterator[Path]:
        folder = self._root.see(self.layout.versions)
        yield from folder.iterdir() if folder.is_dir() else ()

    # ── changing ──────────────────────────────────────────────────────────────────────────────

    def put(self, source: Source) -> None:
        """Copy a bundle beside the others and give it its name, when it is whole and on the disk.

        Raises:
            InstallError: the disk has no room, or what was copied is not what MANIFEST says.
            OSError: it cannot be written.
        """
        folder = self._root.see(self.layout.versions)
        make_folder(folder, _FOLDER_MODE)
        draft = folder / f"{source.name}{DRAFT}"
        remove(draft)
        _refuse_without_room(folder, source)
        try:
            self._fill(draft, source)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if what_is(folder / source.name).kind is not Kind.FOLDER:
            remove(folder / source.name)
        draft.rename(folder / source.name)
        sync_folder(folder)

    def mend(self, source: Source, files: tuple[str, ...]) -> None:
        """Write files of a version anew, each by rename: what runs keeps what it has open."""
        folder = self.folder(source.name)
        for name in files:
            if name != MANIFEST:
                self._put(folder, source, name)
        if MANIFEST in files or EXECUTABLE in files:
            self._put_manifest(folder, source)

    def flip(self, name: str) -> None:
        """Let new processes run from a version (OSError)."""
        put_link(self._root.see(self.layout.current), self.layout.current_target(name))

    def discard(self, name: str) -> None:
        """Remove a version (OSError); it is no version any more when that begins."""
        folder = self.folder(name)
        draft = folder.with_name(f"{name}{DRAFT}")
        remove(draft)
        folder.rename(draft)
        remove(draft)

    def remove_copy(self) -> None:
        """Remove what is left of a bundle that was copied by hand (OSError)."""
        for name in OF_A_COPY:
            remove(self._root.see(self.layout.home) / name)

    def _fill(self, draft: Path, source: Source) -> None:
        names = sorted(source.digests)
        for name in names:
            make_folder(draft / Path(name).parent, _FOLDER_MODE)
            self._copy(source, name, draft / name)
        self._put_manifest(draft, source)
        with ThreadPoolExecutor(_SYNCING) as workers:  # at once: one by one takes ten times as long
            list(workers.map(_sync_file, (draft / name for name in names)))
            list(workers.map(sync_folder, (Path(folder) for folder, _, _ in os.walk(draft))))

    def _put(self, folder: Path, source: Source, name: str) -> None:
        file = folder / name
        for parent in reversed(PurePosixPath(name).parents):
            _own_folder(folder / parent)
        draft = file.with_name(f".{file.name}{DRAFT}")
        remove(draft)
        try:
            self._copy(source, name, draft)
            _sync_file(draft)
            if what_is(file).kind is Kind.FOLDER:
                remove(file)
            draft.rename(file)
        except BaseException:
            remove(draft)
            raise
        sync_folder(file.parent)

    def _copy(self, source: Source, name: str, destination: Path) -> None:
        origin = source.folder / name
        shutil.copyfile(origin, destination)
        executable = origin.stat().st_mode & stat.S_IXUSR
        destination.chmod(_EXECUTABLE_MODE if executable else _FILE_MODE)
        if manifest.digest(destination) != source.digests[name]:
            raise InstallError(f"{origin} is not what MANIFEST says: get this bundle anew")
        if name == EXECUTABLE:
            self._settle(destination, source.name)

    def _settle(self, executable: Path, name: str) -> None:
        """Have an executable started by the loader that its bundle brings, at its place here."""
        try:
            loader = LIBRARIES / PurePosixPath(elf.interpreter(executable)).name
            elf.set_interpreter(executable, str(self.layout.version(name) / loader))
        except elf.ElfError as error:
            raise InstallError(str(error)) from None

    def _put_manifest(self, folder: Path, source: Source) -> None:
        """Write the MANIFEST of what is there: the executable is not what it was in the source."""
        executable = manifest.digest(folder / EXECUTABLE)
        content = manifest.encode({**source.digests, EXECUTABLE: executable})
        put_file(folder / MANIFEST, content, _FILE_MODE)


def what_is(path: Path) -> Found:
    """Return what is in a place (OSError: that cannot be told)."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Found(Kind.NOTHING)
    if stat.S_ISLNK(mode):
        return Found(Kind.LINK, str(path.readlink()))
    return Found(Kind.FOLDER if stat.S_ISDIR(mode) else Kind.FILE)


def _own_folder(folder: Path) -> None:
    """Have a folder there, no link to another one, that root alone writes (OSError)."""
    if what_is(folder).kind is not Kind.FOLDER:
        remove(folder)
        make_folder(folder, _FOLDER_MODE)
    os.chown(folder, 0, 0)
    folder.chmod(_FOLDER_MODE)


def _refuse_without_room(folder: Path, source: Source) -> None:
    needed = sum((source.folder / name).stat().st_size for name in source.digests)
    room = shutil.disk_usage(folder).free
    if room < needed + _RESERVE:
        raise InstallError(
            f"{folder} has {room >> 20} MiB free, expected {(needed + _RESERVE) >> 20}: make room"
        )


def _sync_file(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
