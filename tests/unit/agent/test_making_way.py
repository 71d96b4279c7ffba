"""When an agent ends so that its successor begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.agent.making_way import MakingWay


class Node:
    """A folder of versions, an agent of the first one, and how often it has left."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "railcni.d"
        self.settings = folder / "agent.toml"
        self.left = 0
        for name in ("a", "b"):
            (self.home / "versions" / name).mkdir(parents=True)
            (self.home / "versions" / name / "railcni").write_text("")
            (self.home / "versions" / name / "railcni").chmod(0o755)
        self.point_to("a")

    def point_to(self, name: str) -> None:
        (self.home / "current").unlink(missing_ok=True)
        (self.home / "current").symlink_to(f"versions/{name}")

    def agent(self) -> MakingWay:
        def leave() -> None:
            self.left += 1

        return MakingWay(self.home / "versions/a/railcni", self.settings, leave)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_it_stays_while_it_is_the_one(node: Node) -> None:
    agent = node.agent()
    for _ in range(3):
        agent.look()
    assert node.left == 0


def test_it_leaves_when_two_looks_find_another_version(node: Node) -> None:
    agent = node.agent()
    node.point_to("b")
    agent.look()
    assert node.left == 0, "somebody may be at it"
    agent.look()
    assert node.left == 1


def test_it_stays_when_it_is_the_one_again_meanwhile(node: Node) -> None:
    agent = node.agent()
    for name in ("b", "a", "b", "a"):
        node.point_to(name)
        agent.look()
    assert node.left == 0


def test_it_stays_while_what_is_installed_cannot_be_executed(node: Node) -> None:
    agent = node.agent()
    node.point_to("b")
    (node.home / "versions/b/railcni").chmod(0o644)
    agent.look()
    agent.look()
    assert node.left == 0


def test_it_leaves_when_nothing_is_installed_any_more(node: Node) -> None:
    agent = node.agent()
    (node.home / "current").unlink()
    agent.look()
    agent.look()
    assert node.left == 1


def test_it_leaves_for_other_settings_once_they_are_valid(node: Node) -> None:
    node.settings.write_text('logLevel = "info"\n')
    agent = node.agent()
    node.settings.write_text('logLevel = "lou\n')
    agent.look()
    agent.look()
    assert node.left == 0, "it could not begin with them"
    node.settings.write_text('logLevel = "debug"\n')
    agent.look()
    assert node.left == 0
    agent.look()
    assert node.left == 1


def test_who_was_not_installed_by_version_stays(node: Node, tmp_path: Path) -> None:
    agent = MakingWay(tmp_path / "dist/railcni/railcni", None, lambda: pytest.fail("it left"))
    node.point_to("b")
    agent.look()
    agent.look()
