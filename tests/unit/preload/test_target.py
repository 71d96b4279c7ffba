"""Where images go, on each kind of node."""

from __future__ import annotations

from pathlib import Path

import pytest

from install.platforms.platform import PlatformError
from install.preload.target import Target, find, machine, room
from tests.unit.platforms.given import CRIO, K3S, K3S_NEW, make

IMAGES = Path("/k3s/agent/images")


def test_k3s(tmp_path: Path) -> None:
    assert find(make(tmp_path, K3S_NEW)) == Target(
        "k3s",
        Path("/run/k3s/containerd/containerd.sock"),
        Path(f"{K3S}/agent/containerd"),
        images=Path(f"{K3S}/agent/images"),
    )


def test_k3s_before_its_first_start(tmp_path: Path) -> None:
    found = find(make(tmp_path), images=IMAGES)
    assert found == Target("k3s", None, None, images=IMAGES)
    assert not found.is_up


def test_settings_that_a_person_names(tmp_path: Path) -> None:
    content = 'root = "/big"\n[plugins.cri.containerd]\nsnapshotter = "native"\n'
    root = make(tmp_path, {"/my/config.toml": content})
    found = find(root, Path("/my/config.toml"))
    assert found == Target(
        "containerd", Path("/run/containerd/containerd.sock"), Path("/big"), "native"
    )
    with pytest.raises(PlatformError, match="is not there, expected containerd's"):
        find(root, Path("/my/other.toml"))


def test_cri_o_is_another_runtime(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="the node's runtime is cri-o, expected containerd"):
        find(make(tmp_path, CRIO))


def test_the_room_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    there = room(tmp_path)
    assert room(tmp_path / "not/yet").device == there.device == tmp_path.stat().st_dev
    assert 0 <= there.free <= there.size


def test_this_machine_has_a_name_that_images_use() -> None:
    assert machine() not in {"x86_64", "aarch64"}
