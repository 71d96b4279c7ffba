"""To look at the older iptables changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.kernel import x_tables
from cni.kernel.netns import NetnsThread
from tests.contract.kernel import legacy
from tests.contract.kernel.worlds import LinuxWorld

pytestmark = pytest.mark.netns

TABLES = Path("/proc/thread-self/net/ip_tables_names")


def test_no_table_is_made_by_looking(linux: LinuxWorld) -> None:
    with NetnsThread() as thread:
        thread.enter(linux.namespace())
        assert thread.run(x_tables.dropping_forward) == []
        assert thread.run(TABLES.read_text) == ""
        thread.run(lambda: legacy.drop_forwarded_by_iptables(4))
        assert thread.run(TABLES.read_text) == "filter\n"  # by making one it can be seen


def test_a_kernel_that_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x_tables, "_PROC", tmp_path)
    assert x_tables.dropping_forward() == []
