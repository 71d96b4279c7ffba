"""How a file, a link or a folder comes to stand in its place: beside it first, then by rename.

Who looks at any time meets the former one or the new one, also after a power failure.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from cni.host.paths import draft_of


def put_file(file: Path, content: bytes, mode: int) -> None:
    """Give a file this content and mode, whatever is there now, but for a folder (OSError)."""
    draft = draft_of(file)
    draft.unlink(missing_ok=True)  # of a writer that was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.rename(file)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(file)  # a full disk is met by a write, which knows no name
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(file.parent)


def put_link(link: Path, target: str) -> None:
    """Make a link lead there, whatever is there now, but for a folder (OSError)."""
    draft = draft_of(link)
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.rename(link)
    sync_folder(link.parent)


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder and its parents, where they are missing (OSError)."""
    if not folder.is_dir():
        make_folder(folder.parent, mode)
        folder.mkdir(mode=mode, exist_ok=True)
        folder.chmod(mode)  # whatever the umask
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power failure (OSError)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing there is as good (OSError)."""
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if is_folder:
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def target_of(link: Path) -> str | None:
    """Return where a link leads; None for what is none, or is not there."""
    try:
        return str(link.readlink())
    except OSError:
        return None
