"""The same commands over a real etcd, as the least privileged user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Etcd
from ipam.etcd.settings import Settings
from ipam.holding import upkeep
from tests.etcd.cluster import Cluster, Shape
from tests.etcd.given import release
from tests.scenario.registry.worlds import Node, World, node_file

pytestmark = pytest.mark.etcd


class RealWorld(World):
    """A cluster whose nodes reach etcd as their files say."""

    def connect(self, settings: Settings) -> Etcd:
        return EtcdClient(settings)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(release("3.5"), tmp_path / "etcd", Shape(auth=True)) as cluster:
        cluster.password_file.chmod(0o600)
        yield cluster


@pytest.fixture
def world(tmp_path: Path, cluster: Cluster, patch: Callable[[Node], None]) -> Iterator[RealWorld]:
    user, password = cluster.folder / "user", cluster.password_file
    access = f'userFile = "{user}"\npasswordFile = "{password}"\n'
    with closing(EtcdClient(cluster.settings())) as client:
        yield RealWorld(tmp_path, client, patch, cluster.endpoints(), access)


def test_every_command(world: World, cluster: Cluster, pair: tuple[Node, Node]) -> None:
    one, two = pair
    assert len(world.document(one, "ipam", "show")["addresses"]) == 2
    (fabric,) = world.document(one, "ipam", "map")["fabrics"]
    assert len(fabric["blocks"]) == 4
    assert world.document(one, "ipam", "verify") == []
    assert world.document(one, "ipam", "verify", "--all") == []

    leaked = one.add("leaked")
    one.tell()
    found = world.document(one, "ipam", "release", leaked)
    assert (found["told"], len(world.keys("claims/"))) == ("the registry is told", 2)

    backup = cluster.backup()
    for node in pair:
        node.add("later")
        node.tell()
    cluster.restore(backup)
    for node in pair:
        node.add("notices")
        upkeep.run(node.wiring.shared_desk, 10**9)
    assert world.railctl(one, "ipam", "accept-restore").exit_code == 0
    # A restored etcd keeps a login of before waiting, until it is as far as it was then.
    with closing(EtcdClient(cluster.settings())) as world.etcd:
        check_after_the_restore(world, one, two)


def check_after_the_restore(world: World, one: Node, two: Node) -> None:
    assert world.keys("frozen") == []

    file = world.folder / "next.toml"
    file.write_text(node_file("gpu-1", world.endpoints, 15, world.access))
    assert world.railctl(one, "fabric", "change", str(file), "--yes").exit_code == 0
    shown = world.document(one, "ipam", "reclaim", "--node", two.name, "--fenced", "--yes")
    assert all(step["done"] for step in shown)
    assert world.keys("nodes/") == ["gpu-1"]
    assert len(world.keys("resting/backend/")) == len(shown) - 1


@pytest.mark.usefixtures("world")
def test_as_a_program(pair: tuple[Node, Node]) -> None:
    one, _ = pair
    command = [sys.executable, "-m", "cni", "railctl", "ipam", "show", "--output", "json"]
    environment = os.environ | one.paths.environment()
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    rows = json.loads(done.stdout)["addresses"]
    assert {row["container"] for row in rows} == {"container-1", "container-2"}
    assert done.stderr == ""


def test_an_operator_without_rights_is_told_so(world: World, pair: tuple[Node, Node]) -> None:
    one, _ = pair
    file = one.paths.config / "password"
    file.write_text("wrong\n")
    file.chmod(0o600)
    text = one.paths.node_file.read_text()
    before = text.split('passwordFile = "')[1].split('"')[0]
    one.write(text.replace(before, str(file)))
    one.wiring.__dict__.pop("node_file", None)
    result = world.railctl(one, "ipam", "map")
    assert result.exit_code == 1
    assert result.stderr.startswith("railctl: ")
    assert len(result.stderr.splitlines()) == 1
