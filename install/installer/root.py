"""The node's files as this process sees them: at `/`, or below a folder such as /host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from install.installer.errors import InstallError

_MOST_LINKS = 40
"""As the kernel has it (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class Root:
    """The root of the node.

    Args:
        folder: where it is seen.
    """

    folder: Path = Path("/")

    @property
    def is_here(self) -> bool:
        """Whether it is this process's own."""
        return self.folder == Path("/")

    def see(self, path: PurePosixPath) -> Path:
        """Return where a path of the node is seen; the links on the way are the node's.

        Its last part is not followed.

        Raises:
            InstallError: it leads round in circles.
        """
        return self._follow(PurePosixPath(path).parent) / PurePosixPath(path).name

    def see_folder(self, path: PurePosixPath) -> Path:
        """Return where a folder of the node is seen, which may itself be a link."""
        return self._follow(path)

    def _follow(self, path: PurePosixPath) -> Path:
        rest = list(path.parts[1:])
        done: list[str] = []
        links = 0
        while rest:
            part = rest.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = self.folder.joinpath(*done, part)
            try:
                target = here.readlink()
            except OSError:  # no link, or not there
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise InstallError(f"{path}: too many links on the way to it")
            if target.is_absolute():
                done = []
            rest[:0] = [each for each in target.parts if each != os.sep]
        return self.folder.joinpath(*done)
