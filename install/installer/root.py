"""The node's files as this process sees them: at `/`, or below a folder such as /host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from install.installer.errors import InstallError
from install.platforms import root
from install.platforms.platform import PlatformError


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
        """Return where a path of the node is seen; links on the way are the node's own.

        Its last part is not followed.

        Raises:
            InstallError: it leads round in circles.
        """
        return self.see_folder(path.parent) / path.name

    def see_folder(self, path: PurePosixPath) -> Path:
        """Return where a folder of the node is seen, which may itself be a link (as above)."""
        try:
            return root.Root(self.folder).locate(path)
        except PlatformError as error:
            raise InstallError(str(error)) from None
