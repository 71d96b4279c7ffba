"""What is in a folder of versions, whoever put it there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from install.bundle import manifest
from install.installer.layout import Layout, Version
from install.installer.root import Root
from install.installer.source import Source
from install.installer.versions import Versions

FOLDER = "bin/railcni.d/versions"
A, B = "1.0.0-" + "a" * 16, "1.0.1-" + "b" * 16


def test_what_has_a_versions_name_and_is_no_folder_is_none(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    (folder / A).mkdir(parents=True)
    (folder / B).symlink_to("/nowhere")
    (folder / f"1.0.2-{'c' * 16}").write_text("")
    assert Versions(Root(tmp_path), Layout(PurePosixPath("/bin"))).present() == [A]


def test_mending_writes_nothing_beyond_its_folder(tmp_path: Path) -> None:
    bundle, victim, version = tmp_path / "bundle", tmp_path / "victim", tmp_path / FOLDER / A
    (bundle / "licenses").mkdir(parents=True)
    (bundle / "licenses/INDEX.md").write_text("ours")
    digest = manifest.digest(bundle / "licenses/INDEX.md")
    version.mkdir(parents=True)
    victim.mkdir()
    (version / "licenses").symlink_to(victim)
    source = Source(bundle, Version("1.0.0", "a" * 16), {"licenses/INDEX.md": digest})
    Versions(Root(tmp_path), Layout(PurePosixPath("/bin"))).mend(source, ("licenses/INDEX.md",))
    assert (version / "licenses/INDEX.md").read_text() == "ours"
    assert not (version / "licenses").is_symlink()
    assert list(victim.iterdir()) == []
