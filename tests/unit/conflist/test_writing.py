"""The edge: files on the disk, and who else is at them."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from install.conflist import writing
from install.conflist.document import ConflistError
from install.conflist.folder import Change
from install.conflist.ways import Plan, Way, chain, unchain
from install.conflist.writing import read_folder, write
from tests.unit.conflist.folders import KEYS, files_of, given

FILE = "10-flannel.conflist"
DROPPED = "cbr0/99-rail-hostgw.conf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of networks as K3s has it."""
    made = tmp_path / "net.d"
    made.mkdir()
    for name, raw in given("k3s").items():
        (made / name).write_bytes(raw)
    return made


@pytest.mark.parametrize("way", Way)
def test_in_and_out_again(folder: Path, way: Way) -> None:
    before = files_of(folder)
    write(folder, plan := chain(read_folder(folder), KEYS, way))
    assert files_of(folder) == before | {each.name: each.after for each in plan.changes}
    assert chain(read_folder(folder), KEYS, way).changes == ()
    write(folder, unchain(read_folder(folder), is_copied=False))
    assert files_of(folder) == before
    assert [each.name for each in folder.iterdir()] == [FILE]  # no folder is left either


def test_what_means_nothing_to_us_is_not_read(folder: Path) -> None:
    (folder / "readme.txt").touch()
    (folder / ".10-flannel.conflist.draft").touch()
    (folder / "cbr0").mkdir()
    (folder / "cbr0/50-other.conf").touch()
    (folder / "multus.d").mkdir()
    (folder / "multus.d/multus.kubeconfig").touch()
    assert read_folder(folder).keys() == {FILE, "cbr0/50-other.conf"}


def test_a_link_is_read_and_never_written(folder: Path, tmp_path: Path) -> None:
    target = (folder / FILE).rename(tmp_path / "elsewhere")
    (folder / FILE).symlink_to(target)
    before = target.read_bytes()
    plan = chain(read_folder(folder), KEYS, Way.IN_PLACE)
    with pytest.raises(ConflistError, match="is a link"):
        write(folder, plan)
    assert target.read_bytes() == before
    assert [each.name for each in folder.iterdir()] == [FILE]  # not begun
    write(folder, chain(read_folder(folder), KEYS, Way.OWN_LIST))
    assert (folder / FILE).is_symlink()


def test_a_linked_folder_of_a_network(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "cbr0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflistError, match="is a link"):
        write(folder, chain(read_folder(folder), KEYS, Way.DROP_IN))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for way in (Way.IN_PLACE, Way.DROP_IN):
        write(tmp_path / "link", chain(read_folder(tmp_path / "link"), KEYS, way))
        assert chain(read_folder(folder), KEYS, way).changes == ()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_the_mode_is_the_primarys(folder: Path, mode: int) -> None:
    (folder / FILE).chmod(mode)
    for way in Way:
        write(folder, plan := chain(read_folder(folder), KEYS, way))
        for each in plan.changes:
            if each.after is not None:
                assert stat.S_IMODE((folder / each.name).stat().st_mode) == mode
        write(folder, unchain(read_folder(folder), is_copied=False))
        assert stat.S_IMODE((folder / FILE).stat().st_mode) == mode


def test_a_new_file_is_roots_alone_to_write(folder: Path) -> None:
    (folder / FILE).chmod(0o666)
    write(folder, chain(read_folder(folder), KEYS, Way.OWN_LIST))
    assert stat.S_IMODE((folder / "00-rail-hostgw.conflist").stat().st_mode) == 0o644
    write(folder, chain(read_folder(folder), KEYS, Way.IN_PLACE))
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o666


def test_nobody_meets_half_a_file(folder: Path) -> None:
    write(folder, chain(read_folder(folder), KEYS, Way.IN_PLACE))
    with (folder / FILE).open("rb") as opened:  # a runtime at it
        before = (folder / FILE).read_bytes()
        write(folder, unchain(read_folder(folder)))
        assert opened.read() == before


def test_a_writer_that_was_killed_is_no_obstacle(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (folder / f".{FILE}.draft").symlink_to(tmp_path / "victim")
    write(folder, chain(read_folder(folder), KEYS, Way.IN_PLACE))
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (folder / f".{FILE}.draft").is_symlink()


def test_what_has_changed_since_the_plan_is_not_overwritten(folder: Path) -> None:
    plan = chain(read_folder(folder), KEYS, Way.IN_PLACE)
    (folder / FILE).write_bytes(b"{}")
    with pytest.raises(ConflistError, match="was changed meanwhile"):
        write(folder, plan)
    assert files_of(folder) == {FILE: b"{}"}


def test_what_changes_at_the_same_time_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = writing._replace

    def primary_rewrites(parent: int, change: Change, mode: int) -> None:
        replace(parent, change, mode)
        if change.name == FILE:
            (folder / FILE).write_bytes(given("k3s")[FILE])

    monkeypatch.setattr(writing, "_replace", primary_rewrites)
    with pytest.raises(ConflistError, match="was changed meanwhile"):
        write(folder, chain(read_folder(folder), KEYS, Way.IN_PLACE))


def test_a_file_that_does_not_fit_leaves_the_former(folder: Path) -> None:
    before = files_of(folder)
    plan = chain(read_folder(folder), KEYS, Way.OWN_LIST)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ConflistError, match="File too large"):
            write(folder, plan)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_of(folder) == before


def test_a_folder_with_somebody_elses_file_stays(folder: Path) -> None:
    write(folder, chain(read_folder(folder), KEYS, Way.DROP_IN))
    (folder / "cbr0/50-other.conf").touch()
    write(folder, unchain(read_folder(folder)))
    assert files_of(folder).keys() == {FILE, "cbr0/50-other.conf"}


def test_what_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConflistError, match="absent: No such file"):
        read_folder(tmp_path / "absent")
    os.mkfifo(folder / "00-pipe.conf")
    with pytest.raises(ConflistError, match="is no file"):
        read_folder(folder)


def test_nothing_to_do_touches_nothing(folder: Path) -> None:
    before = folder.stat().st_mtime_ns
    write(folder, Plan(()))
    assert folder.stat().st_mtime_ns == before
