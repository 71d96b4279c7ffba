"""The agent's socket in the file system: root's alone, and taken over without a gap."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cni import wire
from cni.host.paths import private_folder

_BACKLOG = 512
"""Processes that may wait to be taken."""


@contextmanager
def listening(state: Path) -> Iterator[socket.socket]:
    """Listen in the state folder.

    An agent that comes takes the name over from one that goes, so that at any time somebody
    listens; and who goes removes only its own.

    Args:
        state: the node's state folder; made when there is none.

    Raises:
        OSError: it cannot be made there.
    """
    name = wire.SOCKET.decode()
    folder = os.open(private_folder(state), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    draft = f"{name}.{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=folder)
            mask = os.umask(0o177)
            try:
                # By the folder's descriptor: a socket's path has a length that a folder has not.
                listener.bind(f"/proc/self/fd/{folder}/{draft}")
            finally:
                os.umask(mask)
            listener.listen(_BACKLOG)
            identity = _identity(draft, folder)
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            try:
                yield listener
            finally:
                if _identity(name, folder) == identity:
                    os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)


def _identity(name: str, folder: int) -> tuple[int, int] | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
