"""DEL finds the device and brings it home, whatever became of it, of the pod and of the node."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.spec.node import Namespace, Node, port_of, wait_until
from tests.spec.runtime import NOTHING, Runtime, Slot, rail

pytestmark = pytest.mark.netns


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


def _rename(pod: Namespace, _: Node) -> None:
    pod.ip("link", "set", "net1", "down")
    pod.ip("link", "set", "net1", "name", "hidden")


def _renumber(pod: Namespace, node: Node) -> None:
    elsewhere = node.pod()
    before = pod.show("link", "show", "dev", "net1")[0]["ifindex"]
    elsewhere.ip("link", "add", "occupant", "index", str(before), "type", "bridge")
    pod.ip("link", "set", "net1", "netns", elsewhere.name)  # its index is taken there
    elsewhere.ip("link", "set", "net1", "netns", pod.name)
    assert pod.show("link", "show", "dev", "net1")[0]["ifindex"] != before


def _change_mac(pod: Namespace, _: Node) -> None:
    pod.ip("link", "set", "net1", "down")
    pod.ip("link", "set", "net1", "address", "02:00:00:00:00:99")


def _swap(pod: Namespace, node: Node) -> None:
    """Let another interface have the rail's name."""
    _rename(pod, node)
    pod.ip("link", "add", "net1", "type", "bridge")


def _set_up_again(pod: Namespace, _: Node) -> None:
    pod.ip("link", "set", "net1", "down")
    pod.ip("link", "set", "net1", "mtu", "1400", "up")
    pod.ip("link", "property", "add", "dev", "net1", "altname", "mine")


@pytest.mark.parametrize("change", [_rename, _renumber, _change_mac, _swap, _set_up_again])
def test_what_a_pod_did_to_its_rail_does_not_matter(
    node: Node, runtime: Runtime, pod: Namespace, change: Callable[[Namespace, Node], None]
) -> None:
    device = node.device(altnames=("enp59s0v3", "hidden"))
    before = node.link(device)
    config, slot = rail(device), Slot(pod.path)
    runtime.add(config, slot)
    change(pod, node)
    others = [name for name in pod.links() if change is _swap and name == "net1"]
    assert runtime.delete(config, slot).exit_code == 0
    assert node.link(device) == before
    assert runtime.leftovers(pod) == {**NOTHING, "links": others}
    assert runtime.delete(config, slot).exit_code == 0  # and again, for nothing


def test_a_device_that_went_with_its_namespace_holds_nothing(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    """A veth ends with its namespace; a VF would come back to the host."""
    device = node.device()
    config, slot = rail(device), Slot(pod.path)
    runtime.add(config, slot)
    pod.delete()
    wait_until(lambda: port_of(device) not in node.links(), "the end of the namespace")
    assert runtime.delete(config, slot).exit_code == 0
    assert (runtime.records(), runtime.held()) == ([], [])


@pytest.mark.parametrize("stated", ["", "/run/netns/no-such-pod"], ids=["nothing", "no namespace"])
def test_a_namespace_without_a_name_is_found_by_its_processes(
    node: Node, runtime: Runtime, pod: Namespace, stated: str
) -> None:
    device = node.device()
    before = node.link(device)
    config = rail(device, sourceRouting=True)
    runtime.add(config, Slot(pod.path))
    with _a_process_in(pod) as seen_from:
        pod.delete()
        reply = runtime.delete(config, Slot(stated))
        assert reply.exit_code == 0
        assert node.link(device) == before
        assert "rail" not in seen_from("ip", "-br", "link")
        assert "10.60." not in seen_from("ip", "rule")
    assert (runtime.records(), runtime.held()) == ([], [])


def test_the_namespace_of_another_pod_is_left_alone(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device, other, others_device = node.device(), node.pod(), node.device()
    before = node.link(device)
    runtime.add(rail(others_device), Slot(other.path, "c2"))
    runtime.add(rail(device), Slot(pod.path, "c1"))
    assert runtime.delete(rail(device), Slot(other.path, "c1")).exit_code == 0
    assert other.links() == ["lo", "net1"]
    assert runtime.held() == ["c2 net1"]
    assert node.link(device) == before
    assert pod.links() == ["lo"]


def test_a_name_that_was_taken_on_the_node_is_given_back_by_the_next_del(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device = node.device(altnames=("enp59s0v3",))
    before = node.link(device)
    config, slot = rail(device), Slot(pod.path)
    _bring_home_nameless(node, runtime, config, slot)
    assert pod.links() == ["lo"]
    assert runtime.held() == []
    assert len(runtime.records()) == 1
    node.ip("link", "delete", device)
    assert runtime.delete(config, slot).exit_code == 0
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_a_name_that_was_taken_on_the_node_is_given_back_by_the_next_add(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device, newer = node.device(), Slot(pod.path, "c2")
    before = node.link(device)
    config = rail(device)
    _bring_home_nameless(node, runtime, config, Slot(pod.path, "c1"))
    code, message = runtime.add(config, newer).error
    assert (code, "it is a bridge" in message) == (7, True)
    node.ip("link", "delete", device)
    assert runtime.add(config, newer).exit_code == 0
    assert runtime.delete(config, newer).exit_code == 0
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_an_older_del_does_not_touch_what_a_newer_pod_has(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device, newer = node.device(), node.pod()
    before = node.link(device)
    config, slot = rail(device), Slot(pod.path, "c1")
    runtime.add(config, slot)
    pod.ip("link", "set", "net1", "down")
    pod.ip("link", "set", "net1", "netns", node.name, "name", device)  # by hand, past everybody
    added = runtime.add(config, Slot(newer.path, "c2"))
    assert runtime.delete(config, slot).exit_code == 0
    assert runtime.check(config, Slot(newer.path, "c2"), added).exit_code == 0
    assert runtime.held() == ["c2 net1"]
    assert runtime.delete(config, Slot(newer.path, "c2")).exit_code == 0
    assert node.link(device) == before
    assert runtime.leftovers(newer) == NOTHING


def _bring_home_nameless(node: Node, runtime: Runtime, config: dict[str, Any], slot: Slot) -> None:
    """Attach and detach a device whose name on the node is taken meanwhile."""
    device = config["device"]
    runtime.add(config, slot)
    node.ip("link", "add", device, "type", "bridge")
    reply = runtime.delete(config, slot)
    assert reply.exit_code == 0
    assert f"another interface has that name now; mend it: ip link set dev {device}" in reply.stderr


@contextmanager
def _a_process_in(pod: Namespace) -> Iterator[Callable[..., str]]:
    """Keep a process in a namespace; yield what runs commands there without the pod's name."""
    with subprocess.Popen(
        ["ip", "netns", "exec", pod.name, "sh", "-c", "echo ready; read end"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def run(*command: str) -> str:
            entered = ["nsenter", f"--net=/proc/{process.pid}/ns/net", *command]
            return subprocess.run(entered, capture_output=True, text=True, check=True).stdout

        try:
            yield run
        finally:
            process.kill()
