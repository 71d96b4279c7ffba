"""Room for images, and files on their way to the folder of images."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from install.preload.placing import PlacingError, copy, has, name_for, place, stage
from install.preload.space import Need, Room, crowded, shortages

A, B, C = Path("/a"), Path("/b"), Path("/c")
ROOMS = {A: Room(1, 100, 1000), B: Room(1, 100, 1000), C: Room(2, 50, 60)}


def test_what_goes_to_one_file_system_is_added_up() -> None:
    assert shortages([Need(A, 60), Need(B, 40), Need(C, 50)], ROOMS) == []
    (said,) = shortages([Need(A, 60), Need(B, 41)], ROOMS)
    assert said == "/a has 100 bytes free, expected 101: make room there"


def test_where_the_kubelet_would_remove_images_again() -> None:
    rooms = {A: Room(1, 500, 1000)}
    assert crowded([Need(A, 350)], rooms) == []
    (said,) = crowded([Need(A, 351)], rooms)
    assert "/a will be more than 85% full" in said


@pytest.mark.parametrize(
    ("given", "image", "name"),
    [
        ("railcni.tar", "x", "railcni.tar"),
        ("railcni.tar.gz", "x", "railcni.tar.gz"),
        ("railcni.oci", "x", "railcni.oci.tar"),
        ("", "ghcr.io/railcni/railcni:1", "ghcr.io_railcni_railcni_1.tar"),
        (".hidden tar\n", "x", "hidden_tar_.tar"),
    ],
)
def test_an_archives_name_in_the_folder(given: str, image: str, name: str) -> None:
    assert name_for(given, image) == name


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "agent/images"


def test_a_file_is_staged_outside_and_renamed_into_the_folder(images: Path) -> None:
    final = images / "x.tar"
    with stage(images) as folder:
        assert not folder.is_relative_to(images)
        assert "/agent/images" not in str(folder)  # K3s looks at whatever has that in its path
        copy(io.BytesIO(b"content"), folder / "next")
        place(folder / "next", final)
    assert final.read_bytes() == b"content"
    with final.open("rb") as same:
        assert has(final, same)
    (images / "y.tar").symlink_to(final)
    with final.open("rb") as same:
        assert not has(images / "y.tar", same)


def test_what_a_killed_process_has_left_is_removed(images: Path) -> None:
    with stage(images) as folder:
        left = folder / "next"
    left.write_text("half")
    with stage(images):
        assert not left.exists()


def test_two_at_once(images: Path) -> None:
    with stage(images), pytest.raises(PlacingError, match="another railctl preload"), stage(images):
        pytest.fail("both have it")


def test_a_file_is_never_written_through_a_link(images: Path, tmp_path: Path) -> None:
    with stage(images) as folder:
        (folder / "next").symlink_to(tmp_path / "victim")
        with pytest.raises(FileExistsError):
            copy(io.BytesIO(b"x"), folder / "next")
        assert not (tmp_path / "victim").exists()
