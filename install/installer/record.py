"""What rail-install remembers on a node: what it has written, and what was there before.

It is saved before each change.  A change that was never made is harmless: what is there is compared
with what was written before anything is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cni.host.paths import private_folder
from install.installer.errors import InstallError
from install.installer.placing import put_file

FILE = "installed.json"
BEFORE = "before"
"""The folder beside it with the content of files that were there before ours."""


class Written(BaseModel):
    """A file of ours."""

    model_config = ConfigDict(extra="forbid")

    digest: str
    mode: int = 0o600
    before: str = ""
    """The file with what was there, in the folder `before`; empty: there was none."""


class Record(BaseModel):
    """All of it."""

    model_config = ConfigDict(extra="forbid")

    format: int = Field(1, ge=1, le=1)
    wanted: str = ""
    """The version that is to be current; empty before the first one is."""
    history: list[str] = []
    """The versions that have been current, the latest last."""
    rejected: str = ""
    """The version that somebody went back from: it does not come by itself again."""
    bins: list[str] = []
    """The CNI bin folders that have ours."""
    links: dict[str, str] = {}
    """The links of ours, and where one led before; empty: there was none."""
    files: dict[str, Written] = {}
    """The files of ours, by path."""
    units: list[str] = []
    """The units that were enabled."""
    chained: list[str] = []
    """The folders of networks that rail-hostgw was brought into."""

    def becomes(self, name: str) -> None:
        """Note that a version is current."""
        self.wanted = name
        if self.history[-1:] != [name]:
            self.history = [*(each for each in self.history if each != name), name]


@dataclass
class Book:
    """The record and its file.

    Args:
        state: the node's state folder, as it is seen here.
    """

    state: Path
    record: Record = field(default_factory=Record)

    def load(self) -> Book:
        """Read it; one that is not there is empty.

        Raises:
            InstallError: it is malformed, or cannot be read.
        """
        file = self.state / FILE
        try:
            self.record = Record.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            self.record = Record()
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is malformed"
            raise InstallError(
                f"{file}: {reason}; it says what was here before us: mend it, or move it away to "
                "begin anew"
            ) from None
        return self

    def save(self) -> None:
        """Write it (OSError)."""
        private_folder(self.state)
        put_file(self.state / FILE, self.record.model_dump_json(indent=1).encode() + b"\n", 0o600)

    def keep(self, name: str, content: bytes) -> None:
        """Keep what was in a file before ours (OSError)."""
        put_file(private_folder(self.state / BEFORE) / name, content, 0o600)

    def kept(self, name: str) -> bytes:
        """Return that (OSError)."""
        return (self.state / BEFORE / name).read_bytes()
