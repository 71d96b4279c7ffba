"""Many programs at once, as kubelet starts pods: each gets its own, and only one gets what is one.

Every request is a frozen process of its own; what they share is the state folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.spec.node import Node
from tests.spec.runtime import NOTHING, Reply, Runtime, Slot, rail, read_reply

pytestmark = pytest.mark.netns

MANY = 64
PODS = 16
RACES = 5

Job = tuple[Mapping[str, Any], Slot]


def test_64_rails_at_once_get_64_different_addresses(node: Node, runtime: Runtime) -> None:
    pods = [node.pod() for _ in range(PODS)]
    jobs: list[Job] = [
        (rail(node.device()), Slot(pod.path, f"c{number}", f"net{position}"))
        for number, pod in enumerate(pods)
        for position in range(MANY // PODS)
    ]
    before = {str(config["device"]): node.link(str(config["device"])) for config, _ in jobs}

    added = _all_at_once(runtime, "ADD", jobs)
    assert len({address for reply in added for address in reply.addresses}) == MANY
    addresses = {(pod.path, f"net{n}"): pod.addresses(f"net{n}") for pod in pods for n in range(4)}
    for (_, slot), reply in zip(jobs, added, strict=True):
        assert addresses[slot.netns, slot.ifname] == reply.addresses
    assert runtime.held() == sorted(f"{slot.container} {slot.ifname}" for _, slot in jobs)

    assert {reply.exit_code for reply in _all_at_once(runtime, "DEL", jobs)} == {0}
    assert {device: node.link(device) for device in before} == before
    assert [runtime.leftovers(pod) for pod in pods] == [NOTHING] * PODS


def test_64_containers_at_once_get_64_different_addresses_of_rail_ipam(runtime: Runtime) -> None:
    config = {**rail("-"), "type": "rail-ipam"}
    jobs: list[Job] = [(config, Slot("/run/netns/elsewhere", f"c{n}")) for n in range(MANY)]
    added = _all_at_once(runtime, "ADD", jobs)
    assert len({address for reply in added for address in reply.addresses}) == MANY
    assert {reply.exit_code for reply in _all_at_once(runtime, "DEL", jobs)} == {0}
    assert runtime.held() == []


def test_two_containers_that_want_one_device_do_not_both_get_it(
    node: Node, runtime: Runtime
) -> None:
    device, pods = node.device(), [node.pod(), node.pod()]
    before = node.link(device)
    for _ in range(RACES):
        jobs = [(rail(device), Slot(pod.path, f"c{n}")) for n, pod in enumerate(pods)]
        replies = _all_at_once(runtime, "ADD", jobs)
        winner, loser = sorted(range(2), key=lambda n: replies[n].exit_code)
        assert replies[winner].exit_code == 0
        code, message = replies[loser].error
        assert code == 11
        assert device in message
        assert f"container c{winner}" in message
        assert pods[loser].links() == ["lo"]
        assert runtime.held() == [f"c{winner} net1"]
        config, slot = jobs[winner]
        assert runtime.check(config, slot, replies[winner]).exit_code == 0
        for config, slot in (jobs[loser], jobs[winner]):
            assert runtime.delete(config, slot).exit_code == 0
        assert node.link(device) == before
        assert [runtime.leftovers(pod) for pod in pods] == [NOTHING] * 2


def _all_at_once(runtime: Runtime, command: str, jobs: Iterable[Job]) -> list[Reply]:
    started = [runtime.start(command, config, slot) for config, slot in jobs]
    return [read_reply(process, command) for process in started]
