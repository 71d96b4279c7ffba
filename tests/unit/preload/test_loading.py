"""What is proven of containerd after an import, and what is not done twice."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from install.preload.archive import Archive, Image
from install.preload.loading import (
    Given,
    MissingError,
    Row,
    Step,
    given,
    needs,
    planned,
    prove,
    steps,
)
from install.preload.placing import PlacingError
from install.preload.space import Need
from install.preload.target import Target
from tests.unit.preload.archives import oci, write

SHA, OTHER = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"
IMAGES = (Image("a.b/c:1", SHA), Image("a.b/d:1", ""))
GIVEN = Given("x.tar", io.BytesIO(), Archive(IMAGES, stored=10, unpacked=100), size=7)
FINAL = Path("/images/x.tar")
TARGET = Target("k3s", Path("/socket"), Path("/storage"), images=FINAL.parent)


@pytest.mark.parametrize(
    ("present", "said"),
    [
        ({"a.b/c:1": SHA, "a.b/d:1": OTHER}, ""),
        ({"a.b/c:1": SHA}, "a.b/d:1 was imported, expected it to be there"),
        ({"a.b/c:1": OTHER, "a.b/d:1": OTHER}, f"expected {SHA} to be there, and containerd has"),
        ({}, "does not list it whole"),
    ],
)
def test_an_import_is_believed_when_it_is_listed(present: dict[str, str], said: str) -> None:
    if not said:
        prove(GIVEN, present)
        return
    with pytest.raises(MissingError, match=said):
        prove(GIVEN, present)


@pytest.mark.parametrize(
    ("loads", "places", "expected"),
    [
        (True, True, [Need(FINAL.parent, 7), Need(Path("/storage"), 110)]),
        (True, False, [Need(Path("/storage"), 110)]),
        (False, False, []),
    ],
)
def test_room_is_needed_for_what_will_be_done(
    expected: list[Need], *, loads: bool, places: bool
) -> None:
    step = Step(GIVEN, loads=loads, final=FINAL, places=places)
    assert [need for need in needs([step], TARGET) if need.size] == expected


def test_what_would_be_done_is_said_of_each_image() -> None:
    steps = [Step(GIVEN, loads=False, final=FINAL, places=False)]
    assert [row.outcome for row in planned(steps)] == ["there already"] * 2
    steps = [Step(GIVEN, loads=True, final=None, places=False)]
    assert next(iter(planned(steps))) == Row("a.b/c:1", SHA, "x.tar", "to be imported")


def test_two_archives_for_one_place(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        write(folder / "x.tar", oci())
    target = Target("k3s", None, None, images=tmp_path / "images")
    names = [str(folder / "x.tar") for folder in folders]
    with given(names, io.BytesIO(), tmp_path) as archives:
        assert [step.places for step in steps(archives[:1], target)] == [True]
        with pytest.raises(PlacingError, match=r"a/x\.tar and .*b/x\.tar would both be .*x\.tar"):
            steps(archives, target)
