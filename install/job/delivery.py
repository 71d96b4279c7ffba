"""A job's file, written whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

from cni.host.paths import write_atomically
from install.job.errors import JobError

_READABLE = 0o644
"""The container that reads it is seldom root."""


def deliver(text: str, file: Path | None) -> None:
    """Write a text to a file, or to stdout where there is none.

    Raises:
        JobError: the file cannot be written.
    """
    if file is None:
        sys.stdout.write(text)
        return
    try:
        write_atomically(file, text.encode(), _READABLE)
    except OSError as error:
        raise JobError(f"{file} cannot be written: {error.strerror}") from None
