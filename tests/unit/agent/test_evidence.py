"""What is evidence of a dead attachment, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.agent.evidence import FEW, Suspicion, is_left_behind, judge, key
from cni.kernel.types import NetnsId
from cni.protocol.request import Attachment, Pod
from cni.rail.attachment import Baseline, DeviceIdentity, Record

GRACE = 30


def record(number: int, **changes: object) -> Record:
    device = DeviceIdentity(
        pci_address="", bus_address="", host_name=f"dev{number}", kind="veth", permanent_mac="",
        macs=(), lower=0,
    )  # fmt: skip
    made = Record(
        attachment=Attachment("roce-a", f"c{number}", "net1"), pod=Pod(), rail="roce-a",
        boot_id="now", started=0, config="{}", args={}, device=device, baseline=Baseline(),
        netns=NetnsId(4, number, number), netns_path="", attached=True,
    )  # fmt: skip
    return made.model_copy(update=changes)


ONE = record(1)


def test_missed_once_is_suspected() -> None:
    verdict = judge([ONE], (), {}, 100, GRACE)
    assert verdict.dead == ()
    assert verdict.suspicions == {key(ONE): Suspicion(ONE, 100)}


@pytest.mark.parametrize(("later", "is_dead"), [(GRACE - 1, False), (GRACE, True)])
def test_missed_again_after_the_grace_period_is_dead(
    later: int,
    is_dead: bool,  # noqa: FBT001 - a table's column
) -> None:
    first = judge([ONE], (), {}, 100, GRACE)
    verdict = judge([ONE], (), first.suspicions, 100 + later, GRACE)
    assert verdict.dead == ((ONE,) if is_dead else ())
    assert verdict.suspicions == first.suspicions


def test_seen_in_between_is_suspected_anew() -> None:
    first = judge([ONE], (), {}, 100, GRACE)
    seen = judge([ONE], {ONE.netns}, first.suspicions, 110, GRACE)
    assert seen.suspicions == {}
    assert judge([ONE], (), seen.suspicions, 200, GRACE).dead == ()


def test_a_namespace_with_the_inode_of_a_dead_one_is_another() -> None:
    reused = replace(ONE.netns, cookie=99)
    first = judge([ONE], {reused}, {}, 100, GRACE)
    assert judge([ONE], {reused}, first.suspicions, 130, GRACE).dead == (ONE,)


@pytest.mark.parametrize("changes", [{"pod_index": 7}, {"started": 5}, {"unannounced": True}])
def test_a_record_that_has_changed_is_suspected_anew(changes: dict[str, object]) -> None:
    first = judge([ONE], (), {}, 100, GRACE)
    verdict = judge([record(1, **changes)], (), first.suspicions, 200, GRACE)
    assert verdict.dead == ()


@given(dead=st.integers(0, 30), alive=st.integers(0, 90))
def test_all_are_freed_or_none(dead: int, alive: int) -> None:
    records = [record(number) for number in range(dead + alive)]
    seen = {one.netns for one in records[dead:]}
    first = judge(records, seen, {}, 0, GRACE)
    verdict = judge(records, seen, first.suspicions, GRACE, GRACE)
    too_many = dead > FEW and dead / (dead + alive) > 0.25
    assert bool(verdict.alarm) == too_many
    assert list(verdict.dead) == ([] if too_many else records[:dead])


def test_those_that_are_only_suspected_are_counted_too() -> None:
    """Somebody who slowly goes blind would else free a few at each look."""
    records = [record(number) for number in range(8)]
    first = judge(records, {one.netns for one in records[2:]}, {}, 0, GRACE)
    verdict = judge(records, (), first.suspicions, GRACE, GRACE)
    assert verdict.alarm.startswith("8 of 8 attachments")
    assert verdict.dead == ()


def test_without_a_dead_one_there_is_no_alarm() -> None:
    records = [record(number) for number in range(8)]
    assert judge(records, (), {}, 0, GRACE).alarm == ""


@pytest.mark.parametrize(
    ("changes", "is_left"),
    [
        ({}, False),
        ({"attached": False}, True),
        ({"released": True}, True),
        ({"unrestored": True}, True),
        ({"attached": False, "started": 1}, False),
    ],
)
def test_what_a_request_has_begun_and_not_ended(
    changes: dict[str, object],
    is_left: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert is_left_behind(record(1, **changes), GRACE, GRACE) == is_left
