"""Locks exclude processes and the threads of one process, and give up in bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cni.host import locks
from cni.host.locks import Locks
from cni.protocol.errors import CniError, Code


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with Locks(tmp_path).device("pci-0000:3b:02.1"):
                inside += 1
                most = max(most, inside)
                threading.Event().wait(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[int]:
    """Let another process hold a container's lock; tell which."""
    code = (
        "import sys; from pathlib import Path; from cni.host.locks import Locks\n"
        "with Locks(Path(sys.argv[1])).container('c1'): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder.pid
        finally:
            holder.kill()


def test_another_process_is_waited_for_in_bounded_time(tmp_path: Path) -> None:
    with (
        held_elsewhere(tmp_path),
        pytest.raises(CniError) as caught,
        Locks(tmp_path).container("c1", patience=0.05),
    ):
        pass
    assert caught.value.code == Code.TRY_AGAIN
    assert "lslocks" in caught.value.details
    with Locks(tmp_path).container("c1", patience=0):
        pass  # a dead process holds nothing


def test_nobody_waits_for_a_process_that_is_stopped(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as pid:
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(CniError) as caught, Locks(tmp_path).container("c1"):
            pass
        assert 0.5 <= time.monotonic() - begun < 5
        [file] = tmp_path.iterdir()
        assert caught.value.code == Code.TRY_AGAIN
        assert caught.value.msg.startswith(f"{file} is held by process {pid} (python")
        assert caught.value.msg.endswith("which is stopped")
        assert f"kill -CONT {pid}" in caught.value.details
        assert f"kill -KILL {pid}" in caught.value.details


def test_who_goes_on_is_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    with held_elsewhere(tmp_path) as pid:
        ending = threading.Timer(0.8, os.kill, (pid, signal.SIGKILL))
        ending.start()
        with Locks(tmp_path).container("c1"):
            pass
        ending.join()
    assert time.monotonic() - begun >= 0.8


def test_threads_of_one_process_wait_for_each_other_without_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def taken(descriptor: int) -> bool:
        tries.append(descriptor)
        return True

    monkeypatch.setattr(locks, "_try", taken)

    def work() -> None:
        with pytest.raises(CniError, match="another request has held"), other.journal(0.05):
            pass

    one, other = Locks(tmp_path), Locks(tmp_path)
    with one.journal():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(tries) == 1


def test_files_are_private_stay_and_are_bounded_in_number(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "state/locks")
    for number in range(3000):
        with locks.container(f"container-{number}"):
            pass
    files = list((tmp_path / "state/locks").iterdir())
    assert len(files) <= 1024
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), Locks(tmp_path).journal():
        pass
    assert not (tmp_path / "elsewhere").exists()
