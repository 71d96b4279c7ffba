"""What rail-hostgw remembers from one request to the next, until the node boots.

The routes themselves are in the kernel, and nowhere else.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cni.host.paths import private_folder, write_atomically


class Kept(BaseModel):
    """What is remembered."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    boot_id: str
    tables: tuple[int, ...] = ()
    """Where there may be routes and rules of ours."""
    rp_filter: dict[str, str] = {}
    """Of each device that was changed, what it was before."""
    proved: int = 0
    """When the last look at all peers began, in nanoseconds since the boot."""
    digest: str = ""
    """By which configuration that was."""
    failures: int = 0
    """How often something of ours has failed since the boot."""


class Notes:
    """The file that it is remembered in; who writes holds the lock `host_routes`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self, boot_id: str) -> Kept:
        """Return what is remembered of this boot; nothing where the file cannot be read."""
        try:
            kept = Kept.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return Kept(boot_id=boot_id)
        return kept if kept.boot_id == boot_id else Kept(boot_id=boot_id)

    def write(self, kept: Kept) -> None:
        """Remember (OSError where that is not possible)."""
        private_folder(self._file.parent)
        write_atomically(self._file, kept.model_dump_json().encode())
