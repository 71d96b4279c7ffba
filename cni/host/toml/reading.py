"""From a file to what its tables hold, unless it is somebody else's or no TOML."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cni.host.toml.lines import line_of_error
from cni.host.toml.problems import Problem
from cni.protocol.errors import CniError, Code

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file's content is as TOML."""

    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    error: Problem | None = None
    """Why it is none."""


def content_of(path: Path) -> bytes | None:
    """Return the content of a file that nobody but root can write; None when there is none.

    Raises:
        CniError: code 7, with whose the file is and whose it should be, or why it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            _refuse_foreign(path, os.fstat(stream.fileno()))
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror}") from None


def decode(content: bytes) -> Decoded:
    """Return what a file's content is as TOML."""
    import tomllib

    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Decoded(error=Problem((), "is not UTF-8, expected TOML", line))
    try:
        return Decoded(text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        problem = Problem((), f"is not TOML: {error}", line_of_error(text, str(error)))
        return Decoded(text, error=problem)
    except RecursionError:
        return Decoded(text, error=Problem((), "is nested too deeply, expected TOML"))


def refused(path: Path, text: str, details: str = "") -> CniError:
    """Return the error of a file that is not taken."""
    return CniError(Code.INVALID_CONFIG, f"{path} {text}", details)


def _refuse_foreign(path: Path, status: os.stat_result) -> None:
    if status.st_uid != 0:
        raise refused(path, f"belongs to user {status.st_uid}, expected root", f"chown root {path}")
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise refused(
            path,
            f"has mode {stat.S_IMODE(status.st_mode):04o}, expected nobody but root to write it",
            f"chmod go-w {path}",
        )
