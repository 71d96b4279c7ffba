"""Everything goes wrong at once, and no address is ever held by two live pods."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.chaos.run import run
from tests.etcd.cluster import Cluster, Shape
from tests.etcd.given import release
from tests.etcd.member import Member

SECONDS = float(os.environ.get("RAILCNI_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("RAILCNI_CHAOS_SEED", "1"))


class Synced(Cluster):
    """A cluster whose members may be killed: each has on its disk what it has said."""

    def _command(self, member: Member) -> list[str | Path]:
        return [word for word in super()._command(member) if word != "--unsafe-no-fsync"]


@pytest.mark.chaos
@pytest.mark.etcd
def test_whatever_dies_no_address_has_two_pods(tmp_path: Path) -> None:
    sys.stdout.write(f"\nseed {SEED}, {SECONDS:g} s, log in {tmp_path}\n")
    sys.stdout.flush()
    with Synced(release("3.5"), tmp_path / "etcd", Shape(3)) as cluster:
        outcome = run(cluster, tmp_path, seed=SEED, seconds=SECONDS)
    sys.stdout.write(f"{outcome.report}\n")
    assert not outcome.problems, "\n".join(outcome.problems[:50])
