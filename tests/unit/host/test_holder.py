"""Who holds a lock, read from what the kernel lists."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from cni.host import holder
from cni.protocol.errors import CniError

LOCKS = """\
1: POSIX  ADVISORY  WRITE 11 {place} 0 EOF
2: FLOCK  ADVISORY  WRITE 12 fe:00:1 0 EOF
3: FLOCK  ADVISORY  WRITE {pid} {place} 0 EOF
3: -> FLOCK  ADVISORY  WRITE 14 {place} 0 EOF
"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with one process, whose name is as bad as names can be."""
    monkeypatch.setattr(holder, "_PROC", tmp_path)
    (tmp_path / "13").mkdir()
    (tmp_path / "13/comm").write_text("a) S (b\n")
    (tmp_path / "13/stat").write_text("13 (a) S (b) T 1 13 13 0")
    return tmp_path


def look(proc: Path, pid: str, state: str = "") -> None:
    """Look who holds a file that a process holds."""
    with (proc / "lock").open("w") as file:
        status = os.fstat(file.fileno())
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        (proc / "locks").write_text(LOCKS.format(place=place, pid=pid))
        if state:
            (proc / "13/stat").write_text(f"13 (a) T (b) {state} 1 13 13 0")
        holder.refuse_stopped(file.fileno(), proc / "lock")


def test_a_stopped_holder_is_named(proc: Path) -> None:
    with pytest.raises(CniError, match=r"process 13 \(a\) S \(b\), which is stopped"):
        look(proc, "13")


@pytest.mark.parametrize("state", ["S", "R", "D", "t", "Z"])
def test_any_other_state_is_none_of_our_business(proc: Path, state: str) -> None:
    look(proc, "13", state)


@pytest.mark.parametrize("pid", ["0", "-1", "99"])
def test_nobody_is_suspected_where_the_kernel_does_not_tell(proc: Path, pid: str) -> None:
    look(proc, pid)


def test_the_kernel_names_this_process(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        assert holder._holder(file.fileno()) == 0
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder._holder(file.fileno()) == os.getpid()
