"""Where the node's files are.

Only the runtime's environment can move them, never a network configuration: its author must not
choose a path on the node.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATE_DIR = "RAILCNI_STATE_DIR"
"""Environment variable that moves the state folder (tests, several runtimes on one node)."""
LOG_DIR = "RAILCNI_LOG_DIR"
"""Environment variable that moves the only folder a `logFile` may be in."""
CONFIG_DIR = "RAILCNI_CONFIG_DIR"
"""Environment variable that moves the folder of the node file and the agent's."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one node, all of them root's alone."""

    state: Path = Path("/var/lib/railcni")
    logs: Path = Path("/var/log/railcni")
    config: Path = Path("/etc/railcni")

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Paths:
        """Return the folders that an environment asks for."""
        defaults = cls()
        return cls(
            Path(environ.get(STATE_DIR) or defaults.state),
            Path(environ.get(LOG_DIR) or defaults.logs),
            Path(environ.get(CONFIG_DIR) or defaults.config),
        )

    def environment(self) -> dict[str, str]:
        """Return what makes another process of ours use the same folders."""
        return {
            STATE_DIR: str(self.state),
            LOG_DIR: str(self.logs),
            CONFIG_DIR: str(self.config),
        }

    @property
    def attachments(self) -> Path:
        """Records of what rail-sriov has attached, one file each."""
        return self.state / "attachments"

    @property
    def locks(self) -> Path:
        """Lock files; none is ever unlinked."""
        return self.state / "locks"

    @property
    def journal(self) -> Path:
        """The SQLite journal of claims."""
        return self.state / "ipam/journal.db"

    @property
    def hostgw(self) -> Path:
        """What rail-hostgw remembers until the next boot."""
        return self.state / "hostgw.json"

    @property
    def node_file(self) -> Path:
        """What all nodes must know of etcd and the fabrics; there need be none."""
        return self.config / "node.toml"

    @property
    def agent_file(self) -> Path:
        """The agent's settings; there need be none."""
        return self.config / "agent.toml"


def private_folder(folder: Path) -> Path:
    """Make a folder and its parents, mode 0700 for what it makes; return it."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def draft_of(file: Path) -> Path:
    """Return where a file's next content is written, and left by a writer that was killed."""
    return file.with_name(f".{file.name}.draft")


def write_atomically(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file's content as a whole: a reader, or a crash, meets the old one or the new one.

    Whoever may write a file holds the lock for it.  It is not synced to disk: a power failure that
    loses it has ended the containers as well.

    Args:
        file: which.
        content: what it is to have.
        mode: who may read it, less what the umask takes.
    """
    draft = draft_of(file)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        draft.rename(file)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(file)  # a full disk is met by a write, which knows no name
        draft.unlink(missing_ok=True)
        raise
