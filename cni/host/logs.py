"""Where a plugin logs: stderr, which the runtime keeps, and one file if the configuration asks.

stdout belongs to the protocol.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import sys
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path, PurePath

from cni.host.paths import private_folder
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import Command

OURS = ("cni", "ipam")
"""The loggers above all of ours."""
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "panic": logging.CRITICAL,
}
"""By the names that configurations have for them."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
_LARGEST = 1 << 20
"""Bytes of a program's log."""
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a network configuration wants the lines of one request."""

    level: int
    formatter: logging.Formatter
    """Names the request in every line."""
    file: logging.Handler | None
    """Open, and to be closed by whoever asked."""


def wanted(request: Request, folder: Path) -> Wanted:
    """Return how the log of a request is wanted.

    Args:
        request: names the level (`logLevel`) and a file (`logFile`), and appears in every line.
        folder: the only one that a file is in: of a path (sriov-cni takes any) its last part
            counts, since the author of a network configuration must not write elsewhere.

    Raises:
        CniError: code 7 on ADD for what is no file's name, 5 when it cannot be opened; a DEL must
            not fail for it.
    """
    file = None
    name = request.config.get("logFile")
    if name:
        try:
            file = _open(name, folder)
        except CniError:
            if request.command is Command.ADD:
                raise
    level = request.config.get("logLevel", "info")
    context = (
        f"{request.command.value} container={request.container_id} ifname={request.ifname} "
        f"network={request.config.get('name')} pod={str(request.pod) or '-'}"
    ).replace("%", "%%")
    formatter = logging.Formatter(f"%(asctime)s %(levelname)s %(message)s [{context}]")
    if file:
        file.setFormatter(formatter)
    known = LEVELS.get(level, logging.INFO) if isinstance(level, str) else logging.INFO
    return Wanted(known, formatter, file)


def configure(request: Request, folder: Path) -> None:
    """Send this process's log where the network configuration wants it (`wanted`)."""
    how = wanted(request, folder)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(how.formatter)
    if how.file:
        handlers.append(how.file)
    for ours in OURS:
        logging.getLogger(ours).setLevel(how.level)
    # Of the libraries: their debugging is not ours.
    logging.basicConfig(level=max(how.level, logging.WARNING), handlers=handlers, force=True)


def configure_program(name: str, folder: Path) -> None:
    """Send a program's log, for which nobody waits, to a file of its name.

    Args:
        name: the program's.
        folder: where the file is; beyond 1 MiB it becomes `NAME.log.1` when the program starts.
    """
    try:
        file = _checked(f"{name}.log", folder)
        if file.exists() and file.lstat().st_size > _LARGEST:
            file.replace(file.with_name(f"{file.name}.1"))
        handlers: list[logging.Handler] = [_PrivateFile(file)]
    except (OSError, CniError):
        handlers = [logging.NullHandler()]  # a log that cannot be written stops nothing
    logging.basicConfig(
        level=logging.WARNING, format=f"%(asctime)s %(levelname)s {name}: %(message)s",
        handlers=handlers, force=True,
    )  # fmt: skip


def _open(name: object, folder: Path) -> logging.Handler:
    try:
        return _PrivateFile(_checked(name, folder))
    except OSError as error:
        raise CniError(
            Code.IO_FAILURE, f"logFile is {name!r}, which cannot be opened in {folder}: {error}"
        ) from None


class _PrivateFile(logging.FileHandler):
    """Appends to a file that is root's alone, and follows no link to it."""

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        file = os.fdopen(descriptor, "ab", buffering=0)
        return TextIOWrapper(file, "utf-8", "backslashreplace", write_through=True)


def _checked(name: object, folder: Path) -> Path:
    """Return the file in the folder that has this name, or the last part of this path."""
    last = PurePath(name).name if isinstance(name, str) else ""
    if not _FILE_NAME.fullmatch(last):
        raise CniError(
            Code.INVALID_CONFIG,
            f"logFile is {name!r}, expected the name of a file, which will be in {folder}",
        )
    found = private_folder(folder).lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid or found.st_mode & _OTHERS_MAY_WRITE:
        raise CniError(
            Code.IO_FAILURE,
            f"{folder} must be a folder that only root can write",
            f"mend it: chown root {folder} && chmod 700 {folder}",
        )
    return folder / last
