"""What commands do and leave alone, on a root that is a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from install.bundle import manifest
from install.installer import commands
from install.installer.carrying_out import Hands
from install.installer.errors import InstallError
from install.installer.gathering import Site
from install.installer.layout import Layout
from install.installer.record import Record
from install.installer.root import Root
from install.installer.steps import Plan, PutLink, RemoveVersion, Step, Sweep
from install.platforms.platform import Platform

A, B = "1.0.0-" + "a" * 16, "1.0.1-" + "b" * 16


def _nowhere() -> Platform:
    raise InstallError("no runtime is here")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A node whose current version is B, and that has A as well."""
    root = tmp_path / "root"
    home = root / "bin/railcni.d"
    for name in (A, B):
        (home / "versions" / name).mkdir(parents=True)
        program = home / "versions" / name / "railcni"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        manifest.write(program.parent)
    (home / "current").symlink_to(f"versions/{B}")
    made = Site(Root(root), _nowhere, PurePosixPath("/etc/railcni"), PurePosixPath("/state"))
    book = made.book()
    book.record = Record(wanted=B, history=[A, B], bins=["/bin"])
    book.save()
    return made


def tree(site: Site) -> dict[Path, tuple[int, int]]:
    """Return everything below the root, with the time of its last change."""
    paths = [site.root.folder, *site.root.folder.rglob("*")]
    return {path: (path.lstat().st_ino, path.lstat().st_ctime_ns) for path in paths}


def test_what_is_only_said_changes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(site)
    assert commands.uninstall(site, force=False, dry_run=True) == 0
    assert commands.rollback(site, None, dry_run=True) == 0
    assert tree(site) == before
    assert f"would run VERSION by /bin/railcni.d/versions/{A}" in capsys.readouterr().out


def test_who_turned_the_link_by_hand_can_still_say_that_he_means_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    current = site.root.folder / "bin/railcni.d/current"
    current.unlink()
    current.symlink_to(f"versions/{A}")
    commands.rollback(site, A, dry_run=True)
    assert f"would run VERSION by /bin/railcni.d/versions/{A}" in capsys.readouterr().out


@pytest.mark.parametrize("former", ["/usr/lib/old/railcni", "../usr/lib/old/railcni"])
def test_a_link_leads_again_where_it_led_on_the_node(site: Site, former: str) -> None:
    old = site.root.folder / "usr/lib/old/railcni"
    old.parent.mkdir(parents=True)
    old.write_text("")
    link = site.root.folder / "bin/rail-sriov"
    link.symlink_to("railcni.d/current/railcni")
    book = site.book().load()
    book.record.links = {"/bin/rail-sriov": former}
    book.save()
    assert commands.uninstall(site, force=False, dry_run=False) == 0
    assert str(link.readlink()) == former


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Sweep(PurePosixPath("/circle/9.draft")), 0),
        (RemoveVersion(Layout(PurePosixPath("/circle")), A), 0),
        (PutLink(PurePosixPath("/circle/rail-sriov"), "railcni"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_makes_room_fails_nothing(
    site: Site, capsys: pytest.CaptureFixture[str], step: Step, code: int
) -> None:
    (site.root.folder / "circle").symlink_to("circle")
    assert commands.carry_out(Plan(((step,),)), Hands(site, None, site.book())) == code
    assert "its links go in a circle" in capsys.readouterr().err


def test_a_journal_that_cannot_be_read_stops_who_does_not_force_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = site.paths.journal
    journal.parent.mkdir(parents=True)
    journal.write_text("no database")
    assert commands.status(site, as_json=False) in {0, 1}
    assert commands.uninstall(site, force=False, dry_run=False) == 1
    assert "journal.db: file is not a database" in capsys.readouterr().err
    assert list(site.root.folder.glob("bin/*"))
    assert commands.uninstall(site, force=True, dry_run=False) == 0
    assert not list(site.root.folder.glob("bin/*"))


def test_the_programs_stay_while_a_network_cannot_be_changed(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = site.root.folder / "net.d"
    networks.mkdir()
    book = site.book().load()
    book.record.chained = ["/net.d"]
    book.save()
    (networks / "05-other.conflist").symlink_to("nowhere")
    commands.status(site, as_json=False)
    for force in (False, True):
        assert commands.uninstall(site, force=force, dry_run=False) == 1
        assert "05-other.conflist: No such file" in capsys.readouterr().err
        assert (site.root.folder / f"bin/railcni.d/versions/{B}/railcni").exists()
    (networks / "05-other.conflist").unlink()
    assert commands.uninstall(site, force=False, dry_run=False) == 0
    assert not list(site.root.folder.glob("bin/*"))


def test_a_home_on_another_disk_is_emptied_of_what_is_ours(site: Site) -> None:
    home, disk = site.root.folder / "bin/railcni.d", site.root.folder / "disk"
    home.rename(disk)
    home.symlink_to("/disk")
    (disk / "another's").write_text("")
    assert commands.uninstall(site, force=False, dry_run=False) == 0
    assert not home.is_symlink()
    assert [each.name for each in disk.iterdir()] == ["another's"]
