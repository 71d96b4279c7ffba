"""Foreign plugins: those that rail-ipam serves, those that serve rail-sriov, and their failures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.spec.node import Namespace, Node
from tests.spec.runtime import NOTHING, Runtime, Slot, rail
from tests.spec.scripted import ScriptedIpam, answer, refuse

pytestmark = pytest.mark.netns

SCRIPTED = {"type": "scripted"}


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedIpam:
    return ScriptedIpam(tmp_path / "plugins")


@pytest.fixture
def runtime(runtime: Runtime, scripted: ScriptedIpam) -> Runtime:
    return replace(runtime, path=(scripted.folder, *runtime.path))


def test_rail_ipam_serves_debians_macvlan(node: Node, runtime: Runtime, pod: Namespace) -> None:
    node.ip("link", "set", "dev", master := node.device(), "up")
    config = {
        "cniVersion": "1.0.0",
        "name": "shared",
        "type": "macvlan",
        "master": master,
        "ipam": {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]},
    }
    slot = Slot(pod.path)
    added = runtime.add(config, slot)
    assert pod.addresses("net1") == added.addresses
    assert runtime.held() == ["c1 net1"]
    assert runtime.check(config, slot, added).exit_code == 0
    assert runtime.delete(config, slot).exit_code == 0
    assert runtime.leftovers(pod) == NOTHING


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_debians_host_local_serves_rail_sriov(
    node: Node, runtime: Runtime, pod: Namespace, tmp_path: Path, version: str
) -> None:
    """It is linked dynamically: the bundle's libraries in its way would stop it."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "10.60.0.0/24"}], [{"subnet": "fd00:60::/64"}]],
        "dataDir": str(tmp_path / "host-local"),
    }
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    config = rail(device, cniVersion=version, ipam=ipam)
    added = runtime.add(config, slot)
    assert pod.addresses("net1") == added.addresses == ["10.60.0.2/24", "fd00:60::2/64"]
    if version != "0.3.1":
        assert runtime.check(config, slot, added).exit_code == 0
    reserved = tmp_path / "host-local/roce-a/10.60.0.2"
    assert reserved.exists()
    assert runtime.delete(config, slot).exit_code == 0
    assert not reserved.exists()
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_every_verb_reaches_the_ipam_plugin_as_the_runtime_made_it(
    node: Node, runtime: Runtime, scripted: ScriptedIpam, pod: Namespace
) -> None:
    runtime = replace(
        runtime,
        environ={
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME=job-0;TEAM=a",
            "LD_LIBRARY_PATH": "/opt/runtime/lib",
            "NOTIFY_SOCKET": "/run/notify",
        },
    )
    config, slot = rail(node.device(), ipam=SCRIPTED), Slot(pod.path)
    requests: list[tuple[str, dict[str, Any], Slot | None]] = [
        ("STATUS", config, None),
        ("ADD", config, slot),
    ]
    assert runtime.call(*requests[0]).exit_code == 0
    with_result = {**config, "prevResult": runtime.call(*requests[1]).document}
    requests += [
        ("CHECK", with_result, slot),
        ("DEL", with_result, slot),
        ("GC", {**config, "cni.dev/valid-attachments": []}, None),
    ]
    for command, document, about in requests[2:]:
        assert runtime.call(command, document, about).exit_code == 0
    assert scripted.commands == [command for command, _, _ in requests]
    for call, (command, document, about) in zip(scripted.calls, requests, strict=True):
        assert _stated(call.environ) == runtime.environment(command, about)
        assert call.config == document


def test_an_ipam_plugin_sees_nothing_of_the_bundle(
    node: Node, runtime: Runtime, scripted: ScriptedIpam, pod: Namespace
) -> None:
    runtime.add(rail(node.device(), ipam=SCRIPTED), Slot(pod.path))
    (call,) = scripted.calls
    assert _stated(call.environ) == runtime.environment("ADD", Slot(pod.path))


@dataclass(frozen=True, slots=True)
class Failure:
    """How an IPAM plugin's ADD goes wrong, and what the runtime must be told of it."""

    behaviour: str
    code: int
    said: str


ONE = {"address": "10.60.0.2/16"}
ELSEWHERE = {"dst": "10.60.1.0/24", "gw": "10.9.9.9"}
FAILURES = {
    "its error": Failure(refuse(11, "the pool is locked"), 11, "the pool is locked"),
    "no word": Failure("echo no lease >&2; exit 3", 103, "exited with 3"),
    "half a document": Failure("echo '{\"ips\":'", 103, "no CNI answer"),
    "no object": Failure("echo '[]'", 103, "no CNI answer"),
    "killed": Failure("kill -KILL $$", 103, "exited with -9"),
    "no address": Failure(answer(ips=[{"address": "everywhere"}]), 7, "everywhere"),
    "an address twice": Failure(answer(ips=[ONE, ONE]), 5, "address add 10.60.0.2/16"),
    "no such gateway": Failure(answer(ips=[ONE], routes=[ELSEWHERE]), 5, "via 10.9.9.9"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failed_add_takes_back_what_the_ipam_plugin_gave(
    node: Node, runtime: Runtime, scripted: ScriptedIpam, pod: Namespace, failure: Failure
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    scripted.on("ADD", failure.behaviour)
    config = rail(device, ipam=SCRIPTED)
    code, message = runtime.add(config, slot).error
    assert code == failure.code
    assert failure.said in message
    assert scripted.commands == ["ADD", "DEL"]
    taken_back = scripted.calls[1]
    assert _stated(taken_back.environ) == runtime.environment("DEL", slot)
    assert taken_back.config == config
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_an_ipam_plugin_that_reads_no_request_does_not_stop_us(
    node: Node, runtime: Runtime, scripted: ScriptedIpam, pod: Namespace
) -> None:
    scripted.write(answer(ips=[{"address": "10.60.0.2/16"}]))
    more_than_a_pipe_holds = "x" * 200_000
    config = rail(node.device(), ipam={**SCRIPTED, "comment": more_than_a_pipe_holds})
    assert runtime.add(config, Slot(pod.path)).addresses == ["10.60.0.2/16"]


def test_an_ipam_plugin_that_is_not_there_is_named_and_nothing_is_begun(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device = node.device()
    before = node.link(device)
    failed = runtime.add(rail(device, ipam={"type": "whereabouts"}), Slot(pod.path))
    code, message = failed.error
    assert code == 7
    assert "whereabouts" in message
    assert str(runtime.path[0]) in message
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_a_del_that_the_ipam_plugin_refused_is_finished_by_the_next(
    node: Node, runtime: Runtime, scripted: ScriptedIpam, pod: Namespace
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    config = rail(device, ipam=SCRIPTED)
    runtime.add(config, slot)
    scripted.on("DEL", refuse(11, "the store is away"))
    for _ in range(2):
        code, message = runtime.delete(config, slot).error
        assert (code, "the store is away" in message) == (11, True)
        assert node.link(device) == before
        assert len(runtime.records()) == 1
    scripted.on("DEL", "true")
    assert runtime.delete(config, slot).exit_code == 0
    assert runtime.leftovers(pod) == NOTHING


@pytest.mark.parametrize("command", ["CHECK", "STATUS", "GC"])
def test_what_the_ipam_plugin_says_is_wrong_is_wrong(
    node: Node, runtime: Runtime, scripted: ScriptedIpam, pod: Namespace, command: str
) -> None:
    config, slot = rail(node.device(), ipam=SCRIPTED), Slot(pod.path)
    added = runtime.add(config, slot)
    config |= {"prevResult": added.document, "cni.dev/valid-attachments": [_entry(slot)]}
    if command == "STATUS":
        config["device"] = node.device()  # a free one
    assert runtime.call(command, config, slot).exit_code == 0
    scripted.on(command, refuse(51, "two of three replicas are away"))
    code, message = runtime.call(command, config, slot).error
    assert (code, "two of three" in message) == (51, True)


def _stated(environ: dict[str, str]) -> dict[str, str]:
    """Return the variables that say something: an empty one is an absent one."""
    return {key: value for key, value in environ.items() if value}


def _entry(slot: Slot) -> dict[str, Any]:
    return {"containerID": slot.container, "ifname": slot.ifname}
