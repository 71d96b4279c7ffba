"""A real runtime's containers have rails, and the VFs come home however a container ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from tests.spec.node import run
from tests.spec.runtime import PROGRAMS
from tests.vm.suite.devices import PF, VF
from tests.vm.suite.machine import Machine, MachineRuntime, Supply, await_ping, ping, rail
from tests.vm.suite.podman import Container, Podman

STATE = Path("/var/lib/railcni")
SUBNETS = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16"}
GATEWAYS = {"roce-a": "10.60.0.1", "roce-b": "10.61.0.1"}


@dataclass(frozen=True)
class Job:
    """A container, and the VFs that it got as net1 and net2."""

    container: Container
    vfs: tuple[VF, ...]
    before: list[dict[str, Any]]
    """What the VFs were like."""


Jobs = dict[str, Job]


def network(vf: VF, rail_name: str) -> dict[str, Any]:
    """Return a rail's network; it names the VF, for podman has no device plugin that would."""
    ipam = {"type": "rail-ipam", "fabric": "backend", "rail": rail_name, "rails": SUBNETS}
    imposed: dict[str, Any] = {"vlan": 100, "spoofchk": "off", "trust": "on"}
    config = rail(vf, **imposed, ipam=ipam | {"gateway": GATEWAYS[rail_name]})
    return {key: value for key, value in config.items() if key not in {"cniVersion", "name"}}


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman; at the end it has no containers."""
    made = Podman(tmp_path_factory.mktemp("root"))
    yield made
    made.remove_all()


@pytest.fixture(scope="module")
def lent(rails: tuple[PF, PF], supply: Supply) -> Iterator[list[VF]]:
    """Two VFs of rail A and one of rail B."""
    yield supply.lend(rails[0], 2) + supply.lend(rails[1], 1)
    supply.take_back()


@pytest.fixture(scope="module")
def jobs(lent: list[VF], podman: Podman) -> Jobs:
    """Two running containers: one has both rails, the other one only rail A."""
    a0, a1, b0 = lent
    names = {a0: "roce-a", a1: "roce-a", b0: "roce-b"}
    for vf, name in names.items():
        podman.define(f"{name}-{vf.number}", network(vf, name))
    plan = {"job-0": (a0, b0), "job-1": (a1,)}
    before = {vf: vf.state() for vf in lent}
    starting = [
        podman.start(job, {f"net{n}": f"{names[vf]}-{vf.number}" for n, vf in enumerate(vfs, 1)})
        for job, vfs in plan.items()
    ]
    for process in starting:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
    return {job: Job(Container(job), vfs, [before[vf] for vf in vfs]) for job, vfs in plan.items()}


@pytest.fixture
def node(machine: Machine) -> MachineRuntime:
    """What podman and we know of the node: the plugins' own state folder."""
    return MachineRuntime(machine, STATE, path=())


def railctl(*commands: str) -> list[list[dict[str, str]]]:
    """Return what commands of railctl print; they run side by side."""
    running = [
        subprocess.Popen(
            [str(PROGRAMS / "railctl"), command, "--output", "json"], stdout=subprocess.PIPE
        )
        for command in commands
    ]
    return [json.loads(process.communicate()[0]) for process in running]


def test_a_container_has_its_rails_beside_eth0(jobs: Jobs) -> None:
    container = jobs["job-0"].container
    shown = container.inside("ip", "address", "show")
    addresses = [container.addresses(ifname)[0] for ifname in ("net1", "net2")]
    for number, address in enumerate(addresses, 1):
        _, _, told = shown.partition(f": net{number}: ")
        assert " mtu 9000 " in told.splitlines()[0]
        assert f"inet {address} " in told
    one, other = map(ip_interface, addresses)
    assert [str(one.network), str(other.network)] == list(SUBNETS.values())
    assert one.packed[2:] == other.packed[2:]

    routes = container.inside("ip", "route", "show").splitlines()
    defaults = [route.split() for route in routes if route.startswith("default")]
    assert defaults == [["default", "via", "10.42.0.1", "dev", "eth0"]]
    assert any(route.startswith("10.61.0.0/16 via 10.60.0.1 dev net1") for route in routes)


def test_containers_reach_each_other_with_jumbo_frames(jobs: Jobs) -> None:
    one, other = jobs["job-0"].container, jobs["job-1"].container
    address = other.addresses("net1")[0].partition("/")[0]
    await_ping(one, address)
    assert ping(one, address, 8973).returncode != 0


def test_railctl_tells_which_container_has_which_vf(jobs: Jobs) -> None:
    attachments, addresses = railctl("attachments", "addresses")
    expected = {
        (job.container.id, f"net{number}"): vf.address
        for job in jobs.values()
        for number, vf in enumerate(job.vfs, 1)
    }
    assert {(row["container"], row["interface"]): row["device"] for row in attachments} == expected
    assert {(row["container"], row["interface"]) for row in addresses} == expected.keys()


def stop(job: Job) -> None:
    """End it as it should end."""
    run("podman", "stop", job.container.container)
    run("podman", "rm", job.container.container)


def crash(job: Job) -> None:
    """Kill the container and who watches over it: nobody tidies up until it is removed."""
    os.kill(job.container.monitor, signal.SIGKILL)
    os.kill(job.container.process, signal.SIGKILL)
    run("podman", "rm", "--force", job.container.container)


@pytest.mark.parametrize(("name", "end"), [("job-0", stop), ("job-1", crash)])
def test_vfs_come_home_as_they_were(
    jobs: Jobs, node: MachineRuntime, name: str, end: Callable[[Job], None]
) -> None:
    job = jobs[name]
    assert [vf.netdevs for vf in job.vfs] == [[] for _ in job.vfs]
    records, held = node.records(), node.held()

    end(job)

    assert [vf.state() for vf in job.vfs] == job.before
    assert len(node.records()) == len(records) - len(job.vfs)
    assert node.held() == [holder for holder in held if job.container.id not in holder]
    assert not Path(job.container.path).exists()


def test_nothing_is_held_when_no_container_is_left(jobs: Jobs, podman: Podman) -> None:
    podman.remove_all()
    assert railctl("attachments", "addresses") == [[], []]
    assert [vf.state() for job in jobs.values() for vf in job.vfs] == [
        state for job in jobs.values() for state in job.before
    ]
