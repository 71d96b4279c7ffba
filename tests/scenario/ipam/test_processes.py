"""Many processes on one journal, and processes that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cni

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

STORM = Path(__file__).with_name("storm.py")


def environment() -> dict[str, str]:
    """Return what storm.py runs with."""
    return os.environ | {"PYTHONPATH": str(Path(cni.__file__).parents[1])}


def storm(*arguments: object) -> list[list[str]]:
    """Run storm.py; return the words of each line it wrote."""
    done = subprocess.run(
        [sys.executable, STORM, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [line for line in lines if line[0] == "error"] == []
    return lines


def release_all(node: Node) -> None:
    """DEL whatever is held, as a runtime does for the containers it lost."""
    for container, _, _ in node.held():
        node.delete(container, network="lan")


def test_64_processes_get_64_addresses_from_a_journal_that_none_has_made_yet(node: Node) -> None:
    lines = storm("parallel", node.state, 64)
    assert len({address for _, address, _ in lines}) == len(lines) == 64
    assert len(node.held()) == 64
    node.audit()


def test_killed_processes_leave_nothing_that_del_does_not_free(node: Node) -> None:
    holder: dict[str, str] = {}
    for what, *words in storm("killed", node.state, 40, 7):
        if what == "hold":
            address, container = words
            assert holder.setdefault(address, container) == container, "held twice"
        else:
            holder = {address: name for address, name in holder.items() if name != words[0]}
    node.audit()
    kept = {container for container, _, _ in node.held()}
    assert set(holder.values()) <= kept
    release_all(node)
    assert node.held() == set()
    node.audit()


def killed_at_each_step(node: Node, command: str) -> None:
    lines = storm("stepwise", node.state, command, 11)
    assert len(lines) > 10
    assert [what for what, _ in lines] == ["killed"] * (len(lines) - 1) + ["survived"]


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_a_process_killed_at_any_step_leaves_a_whole_journal(node: Node, command: str) -> None:
    killed_at_each_step(node, command)
    node.audit()
    release_all(node)
    assert node.held() == set()
    node.audit()


def test_a_process_killed_while_it_makes_the_journal_is_in_nobodys_way(node: Node) -> None:
    killed_at_each_step(node, "NEW")
