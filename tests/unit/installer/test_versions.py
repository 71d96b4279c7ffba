"""What is in a folder of versions, whoever put it there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from install.installer.layout import Layout
from install.installer.root import Root
from install.installer.versions import Versions

A, B = "1.0.0-" + "a" * 16, "1.0.1-" + "b" * 16


def test_what_has_a_versions_name_and_is_no_folder_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "bin/railcni.d/versions"
    (folder / A).mkdir(parents=True)
    (folder / B).symlink_to("/nowhere")
    (folder / f"1.0.2-{'c' * 16}").write_text("")
    assert Versions(Root(tmp_path), Layout(PurePosixPath("/bin"))).present() == [A]
