"""The records are read again when, and only when, one of them has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.agent.roll import Roll, mtu_of
from cni.rail.attachment import Attachments
from tests.unit.agent.test_evidence import record


@pytest.fixture
def attachments(tmp_path: Path) -> Attachments:
    return Attachments(tmp_path / "attachments")


@pytest.fixture
def roll(attachments: Attachments) -> Roll:
    return Roll(attachments, lambda: "now")


def test_a_node_without_any(roll: Roll) -> None:
    assert roll.records() == ()


def test_what_is_saved_changed_and_forgotten(attachments: Attachments, roll: Roll) -> None:
    for number in range(3):
        attachments.save(record(number))
        assert len(roll.records()) == number + 1
    attachments.save(record(0, pod_index=7))
    assert {one.pod_index for one in roll.records()} == {0, 7}
    attachments.save(record(0, pod_index=8))  # of the same size
    assert {one.pod_index for one in roll.records()} == {0, 8}
    attachments.forget(record(1))
    assert len(roll.records()) == 2


def test_what_did_not_change_is_not_read_again(
    attachments: Attachments, roll: Roll, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachments.save(record(1))
    before = roll.records()
    monkeypatch.setattr(attachments, "all", list)
    assert roll.records() is before


def test_a_change_while_it_reads_is_read_next(
    attachments: Attachments, roll: Roll, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachments.save(record(1))
    real = attachments.all

    def late() -> list[object]:
        found = real()
        attachments.save(record(2))
        return list(found)

    with monkeypatch.context() as patch:
        patch.setattr(attachments, "all", late)
        assert len(roll.records()) == 1
    assert len(roll.records()) == 2


def test_what_an_earlier_boot_left_is_not_there(attachments: Attachments, roll: Roll) -> None:
    attachments.save(record(1, boot_id="earlier"))
    assert roll.records() == ()


def test_what_stands(attachments: Attachments, roll: Roll) -> None:
    attachments.save(record(1))
    for number, changes in enumerate(
        ({"attached": False}, {"released": True}, {"unrestored": True}), start=2
    ):
        attachments.save(record(number, **changes))
    assert roll.standing() == (record(1),)


@pytest.mark.parametrize(
    ("config", "mtu"),
    [("{}", 9000), ('{"mtu": 4200}', 4200), ('{"mtu": "big"}', 0), ("{", 0), ("[]", 0)],
)
def test_the_mtu_of_a_configuration(config: str, mtu: int) -> None:
    assert mtu_of(record(1, config=config)) == mtu
