"""What the cache has is whole, whenever its making was interrupted."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from tests.vm.cache import cache_folder, locked, obtain


def _fill(folder: Path) -> None:
    (folder / "image").write_text("whole")


def test_what_is_built_once_is_there(tmp_path: Path) -> None:
    built = obtain(tmp_path, "a", _fill)
    assert (built / "image").read_text() == "whole"
    assert obtain(tmp_path, "a", lambda _: pytest.fail("built again")) == built


def test_another_key_is_built_anew(tmp_path: Path) -> None:
    assert obtain(tmp_path, "a", _fill) != obtain(tmp_path, "b", _fill)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(tmp_path, "a", fail)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_removed_and_made_anew(tmp_path: Path) -> None:
    def die(folder: Path) -> None:
        (folder / "image").write_text("half")
        os._exit(1)

    killed = multiprocessing.get_context("fork").Process(target=obtain, args=(tmp_path, "a", die))
    killed.start()
    killed.join()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.unfinished"]
    assert (obtain(tmp_path, "a", _fill) / "image").read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_what_nobody_has_asked_for_in_two_weeks_is_removed(tmp_path: Path) -> None:
    for key, days in (("old", 15), ("recent", 13)):
        built = obtain(tmp_path, key, _fill)
        then = time.time() - days * 24 * 3600
        os.utime(built, (then, then))
    obtain(tmp_path, "new", _fill)
    assert {entry.name for entry in tmp_path.iterdir()} == {"new", "recent"}


def test_a_second_user_of_a_lock_waits_and_says_so(tmp_path: Path) -> None:
    file, waiting = tmp_path / "lock", []

    class _Waiting(Exception):  # noqa: N818 - it only leaves the wait
        pass

    def say() -> None:
        waiting.append(True)
        raise _Waiting

    with locked(file, lambda: pytest.fail("nobody else has it")), pytest.raises(_Waiting):  # noqa: SIM117
        with locked(file, say):
            pytest.fail("two have it")
    assert waiting
    with locked(file, lambda: pytest.fail("it was not let go")):
        pass


@pytest.mark.parametrize(
    ("named", "expected"), [("/xdg", "/xdg/railcni-lab"), ("", "/home/a/.cache/railcni-lab")]
)
def test_the_cache_is_where_caches_are(
    monkeypatch: pytest.MonkeyPatch, named: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/a")
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert cache_folder() == Path(expected)
