"""Names, and which versions are kept."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from install.installer.layout import BY_HAND, Layout, of_process, previous, superseded

LAYOUT = Layout(PurePosixPath("/opt/cni/bin"))
A, B, C, D = (f"0.1.0-{letter * 16}" for letter in "abcd")


def test_every_link_is_relative_and_leads_to_the_current_bundle() -> None:
    links = {str(path): target for path, target in LAYOUT.links.items()}
    assert links["/opt/cni/bin/rail-sriov"] == "railcni.d/current/railcni"
    assert links["/opt/cni/bin/railcni.d/railcni"] == "current/railcni"
    assert not any(target.startswith("/") for target in links.values())
    assert LAYOUT.version_of(LAYOUT.current_target(A)) == A


@pytest.mark.parametrize("target", ["", "versions/x", f"elsewhere/{A}", f"/x/versions/{A}", A])
def test_what_current_may_lead_to_besides_is_none_of_ours(target: str) -> None:
    assert LAYOUT.version_of(target) == ""


@pytest.mark.parametrize(
    ("executable", "version"),
    [
        (f"/opt/cni/bin/railcni.d/versions/{A}/railcni", A),
        (f"/host/opt/cni/bin/railcni.d/versions/{A}/railcni (deleted)", A),
        ("/opt/cni/bin/railcni.d/railcni (deleted)", BY_HAND),
        (f"/elsewhere/versions/{A}/railcni", ""),
        ("/usr/bin/containerd", ""),
    ],
)
def test_a_process_tells_by_its_executable_what_it_needs(executable: str, version: str) -> None:
    assert of_process(executable, LAYOUT) == version


def test_the_version_before_is_the_last_other_one_that_is_still_there() -> None:
    assert previous({A, B, C}, [A, B, C], C) == B
    assert previous({A, C}, [A, B, C], C) == A
    assert previous({C}, [A, B, C], C) is None


def test_two_former_ones_are_kept() -> None:
    assert superseded([A, B, C, D], [A, B, C, D], D, frozenset()) == [A]
    assert superseded([A, B, C, D], [A, B, C, D], D, frozenset({A})) == []
    assert superseded([A, B], [A], B, frozenset()) == []
