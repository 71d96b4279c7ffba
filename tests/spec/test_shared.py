"""The frozen rail-ipam over a real etcd: what a node does while etcd is away, and after."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cni.host.locks import Locks
from tests.etcd.cluster import PASSWORD, PREFIX, Cluster, Shape
from tests.etcd.given import release
from tests.etcd.member import wait_for

pytestmark = pytest.mark.etcd

PATIENCE = 60
"""Seconds, after which a test is given up."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A node with a node file, on which a runtime calls rail-ipam."""

    folder: Path
    bundle: Path

    @property
    def locks(self) -> Locks:
        return Locks(self.folder / "state/locks")

    def write(self, cluster: Cluster, node: str) -> None:
        """Write the node file."""
        settings = cluster.settings()
        lines = [f'node = "{node}"', f'nodeId = "{node}"', "[etcd]"]
        lines.append(f"endpoints = {json.dumps(settings.endpoints)}")
        lines.append(f'prefix = "{PREFIX}"')
        lines.append("timeout = 2")
        for key, file in (
            ("ca", settings.ca),
            ("certificate", settings.certificate),
            ("key", settings.key),
            ("userFile", settings.user_file),
            ("passwordFile", settings.password_file),
        ):
            lines += [f'{key} = "{file}"'] if file else []
        lines += ["[fabrics.backend.rails.roce-a]", 'subnet = "10.60.0.0/16"']
        lines += ["[fabrics.backend.rails.roce-b]", 'subnet = "10.61.0.0/16"']
        file = self.folder / "etc/node.toml"
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(lines), encoding="utf-8")
        file.chmod(0o600)

    def call(self, command: str, container: str, rail: str = "roce-a") -> dict[str, Any]:
        """Make a request; return what it answered."""
        ipam = {"type": "rail-ipam", "fabric": "backend", "rail": rail}
        config = {"cniVersion": "1.1.0", "name": rail, "type": "macvlan", "ipam": ipam}
        done = subprocess.run(
            [self.bundle / "rail-ipam"],
            env={
                "PATH": os.environ["PATH"],
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": container,
                "CNI_IFNAME": rail,
                "CNI_NETNS": "/run/netns/any",
                "CNI_PATH": "/opt/cni/bin",
                "RAILCNI_STATE_DIR": str(self.folder / "state"),
                "RAILCNI_LOG_DIR": str(self.folder / "log"),
                "RAILCNI_CONFIG_DIR": str(self.folder / "etc"),
            },
            input=json.dumps(config).encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        assert bool(done.returncode) == ("code" in answer), done
        return answer

    def add(self, container: str, rail: str = "roce-a") -> str:
        """ADD; return the address."""
        answer = self.call("ADD", container, rail)
        return str(answer["ips"][0]["address"])

    def settle(self) -> None:
        """Wait until the upkeep that a request has begun is over."""
        wait_for(lambda: not self.locks.is_upkeep_running(), "the upkeep's end", PATIENCE)


@pytest.fixture
def machine(bundle: Path, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine", bundle)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(release("3.5"), tmp_path / "etcd") as started:
        yield started


def mirror(cluster: Cluster) -> dict[str, str]:
    """Return the containers of the mirror, by their first address."""
    text = cluster.etcdctl("get", "--prefix", "--print-value-only", f"{PREFIX}claims/")
    records = [json.loads(line) for line in text.splitlines() if line]
    return {record["addresses"][0]: record["container"] for record in records}


def test_while_etcd_is_away_pods_start_and_stop_and_nothing_is_lost(
    cluster: Cluster, machine: Machine
) -> None:
    machine.write(cluster, "n1")
    held = {"c0": machine.add("c0")}
    wait_for(lambda: len(mirror(cluster)) == 1, "the first claim in the mirror", PATIENCE)
    machine.settle()
    for member in cluster.members:
        member.stop()
    for number in range(1, 6):
        container = f"c{number}"
        held[container] = machine.add(container)
        second = machine.add(container, "roce-b")
        assert second.split(".")[2:] == held[container].split(".")[2:]
    for container in ("c0", "c3"):
        assert machine.call("DEL", container) == {}
        machine.call("DEL", container, "roce-b")
        del held[container]
    assert len(set(held.values())) == len(held)
    machine.settle()
    cluster.start()
    held["last"] = machine.add("last")
    wanted = {address.partition("/")[0]: container for container, address in held.items()}
    wait_for(lambda: mirror(cluster) == wanted, f"the mirror to be {wanted}", PATIENCE)


def test_a_node_without_a_block_says_which_endpoints_it_tried(
    cluster: Cluster, machine: Machine
) -> None:
    machine.write(cluster, "n1")
    cluster.members[0].freeze()
    answer = machine.call("ADD", "c1")
    assert answer["code"] == 11
    assert cluster.endpoints()[0] in answer["msg"] + answer["details"]
    assert machine.call("DEL", "c1") == {}
    cluster.members[0].thaw()
    assert machine.add("c2").startswith("10.60.")


def test_no_request_waits_for_the_registry_to_be_told(cluster: Cluster, machine: Machine) -> None:
    machine.write(cluster, "n1")
    machine.add("c1")
    wait_for(lambda: len(mirror(cluster)) == 1, "the first claim in the mirror", PATIENCE)
    machine.settle()
    cluster.members[0].freeze()
    # `call` returns when the plugin has ended and nobody has its streams open any more.
    machine.add("c2")
    wait_for(machine.locks.is_upkeep_running, "the upkeep, which goes on by itself", PATIENCE)
    machine.call("DEL", "c1")
    cluster.members[0].thaw()
    machine.settle()
    machine.add("c3")
    wait_for(lambda: set(mirror(cluster).values()) == {"c2", "c3"}, "the mirror", PATIENCE)


def test_the_bundle_speaks_tls_and_says_who_it_is(bundle: Path, tmp_path: Path) -> None:
    with Cluster(release("3.5"), tmp_path / "etcd", Shape(tls=True, auth=True)) as cluster:
        machine = Machine(tmp_path / "machine", bundle)
        machine.write(cluster, "n1")
        cluster.password_file.chmod(0o600)
        address = machine.add("c1").partition("/")[0]
        wait_for(lambda: mirror(cluster) == {address: "c1"}, "the mirror", PATIENCE)
        machine.settle()
        logs = "".join(log.read_text() for log in (machine.folder / "log").glob("*"))
        assert PASSWORD not in logs


def test_two_nodes_get_different_addresses(cluster: Cluster, bundle: Path, tmp_path: Path) -> None:
    addresses = []
    for name in ("n1", "n2"):
        machine = Machine(tmp_path / name, bundle)
        machine.write(cluster, name)
        addresses += [machine.add(f"{name}-{number}") for number in range(3)]
        machine.settle()
    assert len(set(addresses)) == len(addresses)
