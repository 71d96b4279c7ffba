"""What happens comes from the seed alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.chaos.plan import ETCD, NODES, plan

_ROOT = Path(__file__).parents[2]


def test_the_same_seed_gives_the_same_plan_in_another_process_too() -> None:
    program = "from tests.chaos.plan import plan; print(plan(7, 40, 8))"
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(plan(7, 40, 8))


def test_a_longer_plan_begins_as_a_shorter_one() -> None:
    assert plan(7, 40, 8).etcd[:20] == plan(7, 20, 8).etcd


def test_another_seed_gives_another_plan() -> None:
    assert plan(7, 40, 8) != plan(8, 40, 8)


def test_each_disaster_happens_before_any_of_them_happens_again() -> None:
    made = plan(7, 100, 8)
    assert sorted(one.kind for one in made.etcd[: len(ETCD)]) == sorted(ETCD)
    assert sorted(one.kind for one in made.nodes[: len(NODES)]) == sorted(NODES)
