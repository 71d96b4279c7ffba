"""A node's files as a process sees them: at /, or where a container has mounted them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from install.platforms.platform import PlatformError

_MOST_LINKS = 40
"""As the kernel allows."""
_NOTHING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENAMETOOLONG})
_MOST_BYTES = 4 << 20
"""A file of settings that is larger is none."""


class Root:
    """Looks at files under a folder as if that were /, and never beyond it (`Files`).

    Args:
        folder: which; `/` itself, or a mount such as `/host`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def locate(self, path: PurePosixPath) -> Path:
        """Return where this process finds a path of the node, its links followed.

        A link's target is the node's as well: an absolute one begins at the root, and `..` does
        not lead out of it.  What is not there (yet) is returned like the rest.

        Raises:
            PlatformError: links go in a circle.
        """
        here, rest, links = PurePosixPath("/"), list(path.parts[1:]), 0
        while rest:
            part = rest.pop(0)
            if part in {"..", "."}:
                here = here.parent if part == ".." else here
                continue
            try:
                target = PurePosixPath(self._at(here / part).readlink())
            except OSError:  # no link, or nothing
                here /= part
                continue
            links += 1
            if links > _MOST_LINKS:
                raise PlatformError(f"{path}: its links go in a circle")
            here = PurePosixPath("/") if target.is_absolute() else here
            rest = [each for each in target.parts if each != "/"] + rest
        return self._at(here)

    def text(self, path: PurePosixPath) -> str | None:
        """Return a file's content, None where there is no file.

        Raises:
            PlatformError: there is one that cannot be read.
        """
        try:
            content = _content(self.locate(path))
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            raise PlatformError(f"{path} is no text in UTF-8: mend it") from None
        except OSError as error:
            if error.errno in _NOTHING:
                return None
            raise PlatformError(f"{path} cannot be read: {error.strerror}") from None

    def has(self, path: PurePosixPath) -> bool:
        """Tell whether anything is there."""
        try:
            return self.locate(path).exists()
        except (OSError, PlatformError):
            return False

    def names(self, folder: PurePosixPath) -> Sequence[str]:
        """Return what is in a folder, sorted; nothing where it is not there."""
        try:
            return sorted(entry.name for entry in self.locate(folder).iterdir())
        except (OSError, PlatformError):
            return []

    def programs(self) -> frozenset[str]:
        """Return the names of the programs that run, as far as they are seen."""
        seen = set()
        for name in self.names(PurePosixPath("/proc")):
            if name.isdecimal():
                try:
                    seen.add((self._folder / "proc" / name / "comm").read_text().strip())
                except (OSError, UnicodeDecodeError):
                    continue  # it has ended
        return frozenset(seen)

    def _at(self, path: PurePosixPath) -> Path:
        return self._folder.joinpath(*path.parts[1:])


def _content(file: Path) -> bytes | None:
    """Return a file's content, None of what is no file; a pipe is not waited for."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content
