"""What a step leaves behind when it cannot be done."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from install.installer import commands
from install.installer.carrying_out import Hands
from install.installer.errors import InstallError
from install.installer.gathering import Site
from install.installer.layout import Layout, Version
from install.installer.root import Root
from install.installer.source import Source
from install.installer.steps import PutVersion
from install.platforms.platform import Platform


def _nowhere() -> Platform:
    raise InstallError("no runtime is here")


def test_what_was_begun_and_never_became_current_is_taken_away(tmp_path: Path) -> None:
    bundle, root = tmp_path / "bundle", tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    bundle.mkdir()
    (bundle / "railcni").write_text("no executable")
    source = Source(bundle, Version("1.0.0", "a" * 16), {"railcni": "0" * 64})
    site = Site(Root(root), _nowhere, PurePosixPath("/etc/railcni"), PurePosixPath("/state"))
    step = PutVersion(Layout(PurePosixPath("/bin")), source.name)
    with pytest.raises(InstallError, match="is not what MANIFEST says"):
        Hands(site, source, site.book()).do(step)
    assert [each.name for each in (root / "bin").iterdir()] == ["railcni.d"]
    assert commands.uninstall(site, force=False, dry_run=False) == 0
    assert list((root / "bin").iterdir()) == []
