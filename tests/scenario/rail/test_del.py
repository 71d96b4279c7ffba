"""DEL: idempotent, never fails for what is gone, never forgets what it could not do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from cni.protocol.errors import Code
from cni.rail.attachment import Record
from tests.scenario.rail.worlds import World


def attached(world: World, *altnames: str, **config: Any) -> tuple[str, str, dict[str, Any]]:
    """Attach a device; return its name, the pod, and what it was like before."""
    device, pod = world.add_device(*altnames), world.add_pod()
    before = world.seen(device)
    assert world.call("ADD", pod=pod, device=device, **config).exit_code == 0
    return device, pod, before


def rail(pod: Namespace) -> Link:
    """Return the link of the pod that is the rail."""
    (link,) = [link for link in pod.links() if not link.loopback]
    return link


def done(world: World, device: str, before: dict[str, Any]) -> None:
    """Assert that nothing is left to do."""
    assert world.seen(device) == before
    assert (world.records(), world.held()) == ([], [])


@pytest.mark.parametrize("altnames", [(), ("net1",), ("net1", "another")])
def test_the_device_comes_home_as_it_was(world: World, altnames: tuple[str, ...]) -> None:
    device, pod, before = attached(world, *altnames, mac="02:00:00:00:60:01")
    for _ in range(3):
        assert world.call("DEL", pod=pod, device=device).exit_code == 0
        done(world, device, before)


def test_a_device_that_was_up_is_up_again(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    link = world.kernel.host.find(device)
    assert link is not None
    world.kernel.host.set_up(link.index)
    before = world.seen(device)
    for command in ("ADD", "DEL"):
        assert world.call(command, pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_what_was_never_added(world: World) -> None:
    device = world.add_device()
    before = world.seen(device)
    assert world.call("DEL", pod="/run/netns/there-is-none", device=device).exit_code == 0
    done(world, device, before)


@pytest.mark.parametrize("given", ["", "/run/netns/there-is-none", "/proc/self/ns/net", "other"])
def test_without_the_right_namespace_it_is_found_nevertheless(world: World, given: str) -> None:
    device, _, before = attached(world)
    path = world.add_pod() if given == "other" else given
    assert world.call("DEL", pod=path, device=device).exit_code == 0
    done(world, device, before)


def test_with_its_namespace_gone_the_address_is_released(world: World) -> None:
    device, pod, _ = attached(world)
    world.delete_pod(pod)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert (world.records(), world.held()) == ([], [])


def test_renamed_by_the_pod_even_to_what_the_host_has(world: World) -> None:
    device, pod, before = attached(world)
    other = world.add_device()
    with world.kernel.open(pod) as opened:
        link = rail(opened)
        opened.set_down(link.index)
        opened.rename(link.index, "eth0")
        opened.add_altname(link.index, other)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_its_mac_and_mtu_changed_by_the_pod(world: World) -> None:
    device, pod, before = attached(world)
    with world.kernel.open(pod) as opened:
        link = rail(opened)
        opened.set_down(link.index)
        opened.set_mac(link.index, "02:00:00:00:99:99")
        opened.set_mtu(link.index, 1300)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_renumbered_by_a_way_through_another_namespace(world: World) -> None:
    device, pod, before = attached(world)
    elsewhere = world.add_pod()
    with world.kernel.open(pod) as opened, world.kernel.open(elsewhere) as other:
        for number in range(3):  # indices that the way back meets
            other_device = world.add_device()
            link = world.kernel.host.find(other_device)
            assert link is not None
            world.kernel.host.move(link.index, other, f"other{number}")
        opened.move(rail(opened).index, other, "net1")
        link = other.find("net1")
        assert link is not None
        other.move(link.index, opened, "net1")
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_with_its_name_taken_it_is_home_under_another_and_finished_later(world: World) -> None:
    device, pod, before = attached(world, "another")
    usurper = world.add_device()
    host = world.kernel.host
    link = host.find(usurper)
    assert link is not None
    host.rename(link.index, device)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert world.in_pod(pod)[0] == ["lo"]
    assert world.held() == []
    assert len(world.records()) == 1
    host.rename(link.index, usurper)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_pods_own_links_are_never_taken_for_the_rail(world: World) -> None:
    device, pod, _ = attached(world)
    eth0 = world.add_device()
    with world.kernel.open(pod) as opened:
        link = world.kernel.host.find(eth0)
        assert link is not None
        world.kernel.host.move(link.index, opened, "eth0")
        elsewhere = world.add_pod()
        with world.kernel.open(elsewhere) as other:
            rail_link = opened.find("net1")
            assert rail_link is not None
            opened.move(rail_link.index, other, "net1")
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert world.in_pod(pod)[0] == ["lo", "eth0"]


def test_a_record_of_an_earlier_boot_touches_no_device(world: World) -> None:
    device, pod, _ = attached(world)
    (name,) = world.records()
    file = world.paths.attachments / name
    record = Record.model_validate_json(file.read_bytes())
    file.write_text(record.model_copy(update={"boot_id": "earlier"}).model_dump_json())
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert (world.records(), world.held()) == ([], [])


def test_an_old_del_leaves_the_device_to_its_new_holder(world: World) -> None:
    device, pod, _ = attached(world)
    (name,) = world.records()
    old = (world.paths.attachments / name).read_bytes()
    world.call("DEL", pod=pod, device=device)
    assert world.call("ADD", pod=pod, device=device, container="c2").exit_code == 0
    (world.paths.attachments / name).write_bytes(old)  # as if that DEL had been lost
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert len(world.records()) == 1


def test_who_had_the_device_last_is_not_told_by_whose_request_came_first(world: World) -> None:
    device, pod, before = attached(world)
    (mine,) = world.node.attachments.all()
    at = replace(mine.attachment, container_id="c2")  # failed, its addresses not yet released
    world.node.attachments.save(
        mine.model_copy(update={"attachment": at, "started": mine.started - 1, "attached": False})
    )
    assert world.call("DEL", pod=pod, device=device, container="c2").exit_code == 0
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_a_dead_holders_device_is_restored_before_the_next_add(world: World) -> None:
    device, pod, _ = attached(world, mac="02:00:00:00:60:01")
    (name,) = world.records()
    file = world.paths.attachments / name
    record = Record.model_validate_json(file.read_bytes())
    # As an ADD that was killed leaves it: moved, not yet known to be.
    killed = record.model_copy(update={"attached": False, "pod_index": 0})
    file.write_text(killed.model_dump_json())
    other = world.add_pod()
    assert world.call("ADD", pod=other, device=device, container="c2").exit_code == 0
    assert world.in_pod(pod)[0] == ["lo"]
    assert len(world.held()) == 1
    (after,) = world.node.attachments.all()
    assert after.baseline == record.baseline


def test_with_another_ipam_than_at_add_the_addresses_are_released(world: World) -> None:
    device, pod, before = attached(world)
    assert world.call("DEL", pod=pod, device=device, ipam={}).exit_code == 0
    done(world, device, before)


@pytest.mark.parametrize("ipam", [{"type": "not-installed"}, "host-local", {"type": "rail-sriov"}])
def test_what_add_refused_before_it_began_del_does_not_trip_over(world: World, ipam: Any) -> None:
    device, pod = world.add_device(), world.add_pod()
    before = world.seen(device)
    assert world.call("ADD", pod=pod, device=device, ipam=ipam).exit_code == 1
    assert world.call("DEL", pod=pod, device=device, ipam=ipam).exit_code == 0
    done(world, device, before)


def test_a_namespace_path_that_is_something_else_entirely(world: World, tmp_path: Path) -> None:
    device, _, before = attached(world)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    reply = world.call("ADD", pod=str(tmp_path / "loop"), device=device, container="c2")
    assert reply.document is not None
    assert reply.document["code"] == Code.INVALID_ENVIRONMENT
    assert world.call("DEL", pod=str(tmp_path / "loop"), device=device).exit_code == 0
    done(world, device, before)


def test_whatever_the_configuration_contains_the_device_comes_home(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    before = world.seen(device)
    odd: dict[str, Any] = {"x": json.loads("[" * 60 + "]" * 60), "y": "\ud800", "z": float("nan")}
    for command in ("ADD", "DEL"):
        assert world.call(command, pod=pod, device=device, **odd).exit_code == 0
    done(world, device, before)
