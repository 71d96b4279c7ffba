"""What has been built, kept outside the work tree for the next time."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = ".unfinished"
_KEPT_SECONDS = 14 * 24 * 3600


def cache_folder() -> Path:
    """Return where the laboratory keeps things (XDG base directory specification)."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "railcni-lab"


@contextmanager
def locked(file: Path, say_waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock on a file, which is made if need be and stays.

    Args:
        file: what everybody locks.
        say_waiting: called if another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say_waiting()
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def obtain(folder: Path, key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of what is built under a key, and build it if it is not there.

    It gets its name when it is whole and on the disk: what an interrupted build left is not taken
    for it.  What nobody has asked for in two weeks is removed.

    Args:
        folder: the cache; whoever calls this has locked it.
        key: what decides what is built.
        build: fills an empty folder.
    """
    whole = folder / key
    if not whole.exists():
        unfinished = folder / f"{key}{_UNFINISHED}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            build(unfinished)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        os.sync()
        unfinished.rename(whole)
    os.utime(whole)
    _remove_old(folder)
    return whole


def _remove_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_SECONDS
    for entry in folder.iterdir():
        if entry.is_dir() and (entry.name.endswith(_UNFINISHED) or entry.stat().st_mtime < oldest):
            shutil.rmtree(entry)
