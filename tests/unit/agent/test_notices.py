"""Each thing is said once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cni.agent.notices import Notices

if TYPE_CHECKING:
    import pytest


def test_what_begins_changes_and_ends_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    notices = Notices(logging.getLogger("rails"))
    for words in ("is down", "is down", "has no carrier", "has no carrier", "", ""):
        notices.tell({"ens1f0": words} if words else {})
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "ens1f0: is down"),
        ("WARNING", "ens1f0: has no carrier"),
        ("INFO", "ens1f0: no longer: has no carrier"),
    ]


def test_one_does_not_hide_another(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices(logging.getLogger("rails"))
    notices.tell({"ens1f0": "is down"})
    notices.tell({"ens1f0": "is down", "ens2f0": "is down"})
    assert [record.message for record in caplog.records] == ["ens1f0: is down", "ens2f0: is down"]
