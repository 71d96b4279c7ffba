"""A node's files below a folder: links stay below it, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from install.platforms.detection import detect
from install.platforms.platform import PlatformError
from install.platforms.root import Root
from tests.unit.platforms.given import K3S, K3S_NEW, V2, make

OUTSIDE = "of another root"
SETTINGS = PurePosixPath("/etc/settings")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root with a file beside it that must not be seen."""
    (tmp_path / "outside").write_text(OUTSIDE)
    (tmp_path / "host/etc").mkdir(parents=True)
    return tmp_path / "host"


@pytest.mark.parametrize(
    "target", ["/outside", "../../outside", "../../../../../outside", "/etc/../../outside"]
)
def test_a_link_does_not_lead_out(host: Path, target: str) -> None:
    (host / "etc/settings").symlink_to(target)
    assert Root(host).text(SETTINGS) is None
    (host / "outside").write_text("of the node")
    assert Root(host).text(SETTINGS) == "of the node"


def test_an_absolute_link_begins_at_the_root(host: Path) -> None:
    (host / "var/lib").mkdir(parents=True)
    (host / "var/lib/rancher").symlink_to("/mnt/big")
    (host / "mnt/big/k3s").mkdir(parents=True)
    (host / "mnt/big/k3s/current").symlink_to("/var/lib/rancher/k3s/abc")
    root = Root(host)
    found = root.locate(PurePosixPath("/var/lib/rancher/k3s/current/bin"))
    assert found == host / "mnt/big/k3s/abc/bin"
    assert root.has(PurePosixPath("/var/lib/rancher/k3s"))


def test_k3s_behind_a_link(tmp_path: Path) -> None:
    make(tmp_path, {path.replace("/var/lib/rancher", "/mnt"): what for path, what in
                    K3S_NEW.items()})  # fmt: skip
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/rancher").symlink_to("/mnt")
    assert str(detect(Root(tmp_path)).cni_bin) == f"{K3S}/data/cni"


def test_links_in_a_circle(host: Path) -> None:
    (host / "etc/settings").symlink_to("/etc/again")
    (host / "etc/again").symlink_to("settings")
    root = Root(host)
    assert not root.has(SETTINGS)
    assert root.names(SETTINGS) == []
    with pytest.raises(PlatformError, match="in a circle"):
        root.text(SETTINGS)


def test_what_is_no_file_of_settings(host: Path) -> None:
    root, settings = Root(host), host / "etc/settings"
    os.mkfifo(settings)
    assert root.text(SETTINGS) is None
    settings.unlink()
    settings.mkdir()
    assert root.text(SETTINGS) is None
    assert root.text(PurePosixPath("/etc/settings/x")) is None
    settings.rmdir()
    settings.write_bytes(b"\xff\xfe")
    with pytest.raises(PlatformError, match="no text in UTF-8"):
        root.text(SETTINGS)
    settings.write_bytes(b" " * (4 << 20) + b"x")
    with pytest.raises(PlatformError, match="File too large"):
        root.text(SETTINGS)


def test_imports_through_a_link_that_leads_out(host: Path) -> None:
    node = {"/etc/containerd/config.toml": 'imports = ["/etc/containerd/conf.d/*"]\n'}
    make(host, node)
    other = host.parent / "conf.d"
    other.mkdir()
    (other / "evil.toml").write_text(V2.format(bin="/evil", conf="/evil"))
    (host / "etc/containerd/conf.d").symlink_to("../../../conf.d")
    assert str(detect(Root(host)).cni_bin) == "/opt/cni/bin"


def test_the_programs_that_run_here() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    assert own in Root(Path("/")).programs()


def test_without_proc_no_program_is_seen(host: Path) -> None:
    assert Root(host).programs() == frozenset()
