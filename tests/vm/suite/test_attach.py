"""Pods get VFs on two rails, and the VFs come home as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.agent import running
from tests.spec.runtime import NOTHING, Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF
from tests.vm.suite.machine import Machine, MachineRuntime, await_ping, ping, rail


def test_two_pods_on_two_rails(
    rail_a: PF, rail_b: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    _two_pods_on_two_rails((rail_a, rail_b), vfs, machine, runtime)


@pytest.mark.long
def test_two_pods_on_two_rails_with_an_agent(  # noqa: PLR0913, PLR0917 - the fixtures of one story
    rail_a: PF,
    rail_b: PF,
    vfs: LendVFs,
    machine: Machine,
    plain_runtime: MachineRuntime,
    tmp_path: Path,
) -> None:
    with running(plain_runtime, tmp_path) as agent:
        _two_pods_on_two_rails((rail_a, rail_b), vfs, machine, plain_runtime)
        assert len(agent.served()) == 9
        assert agent.figure(f'railcni_pf_up{{pf="{rail_a.netdev}"}}') == 1


def _two_pods_on_two_rails(
    rails: tuple[PF, PF], vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    """ADD, jumbo frames within each rail and none across, CHECK, DEL: one story, it takes long."""
    rail_a, rail_b = rails
    pods = machine.pod(), machine.pod()
    names = {rail_a: ("roce-a", "10.60.0.0/16"), rail_b: ("roce-b", "10.61.0.0/16")}
    plans = [
        (vf, rail(vf, *names[pf]), Slot(pod.path, f"c{number}", ifname))
        for pf, ifname in ((rail_a, "net1"), (rail_b, "net2"))
        for number, (pod, vf) in enumerate(zip(pods, vfs(pf, 2), strict=True))
    ]
    before = [vf.state() for vf, _, _ in plans]

    requests = [(config, slot) for _, config, slot in plans]
    added = runtime.at_once("ADD", requests)
    _, other_a, _, other_b = (reply.addresses[0].partition("/")[0] for reply in added)
    await_ping(pods[0], other_a, "net1")
    await_ping(pods[0], other_b, "net2")
    for interface, foreign in (("net1", other_b), ("net2", other_a)):
        assert ping(pods[0], foreign, interface=interface).returncode != 0

    assert [vf.netdevs for vf, _, _ in plans] == [[]] * 4
    _, config, slot = plans[-1]
    assert runtime.check(config, slot, added[-1]).exit_code == 0
    assert [reply.exit_code for reply in runtime.at_once("DEL", requests)] == [0] * 4
    assert [vf.state() for vf, _, _ in plans] == before
    assert [runtime.leftovers(pod) for pod in pods] == [NOTHING] * 2
