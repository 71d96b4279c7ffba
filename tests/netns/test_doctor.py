"""`railctl doctor wifi` between real network stacks, with one trouble at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cni.kernel.netns import NetnsThread
from tests.contract.kernel import legacy
from tests.netns.cluster import Cluster, Node
from tests.netns.doctor import doctor
from tests.netns.flannel import OVERLAYS, UPLINK

pytestmark = pytest.mark.netns

SLOW = ("tbf", "rate", "32kbit", "burst", "300", "latency", "5s")
"""Of 80 echoes of 98 bytes in a second it passes half."""


def blamed(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return what is said of the path to each pod network."""
    return {
        network: verdict
        for network, _, verdict in (one["what"].partition(": ") for one in found["path"])
    }


def settle(node: Node) -> None:
    """Let a node be in order: what a fresh namespace has is not."""
    for device in OVERLAYS.values():
        enter(node, partial(legacy.stop_offloading, device))


def enter(node: Node, work: Callable[[], None]) -> None:
    """Work in a node's namespace."""
    with NetnsThread() as thread:
        thread.enter(f"/run/netns/{node.host.name}")
        thread.run(work)


def test_a_cluster_that_is_well_and_each_thing_that_is_wrong(cluster: Cluster) -> None:
    one, two, _ = cluster.nodes
    settle(one)
    found = doctor(one)
    severities = {each["severity"] for findings in found.values() for each in findings}
    assert severities == {"ok"}
    assert len(found["layer-2"]) == len(found["path"]) == 4

    one.sysctl("ipv4/conf/all/rp_filter", "1")
    one.sysctl("ipv4/ip_forward", "0")
    one.host.ip("link", "set", UPLINK, "mtu", "1480")
    enter(one, partial(legacy.drop_forwarded_by_iptables, 4))
    cluster.lan.ip("link", "set", f"port{two.number}", "down")
    found = doctor(one, "--wireless")
    assert [f["mend"][0] for f in found["rp-filter"]] == [
        f"sysctl -w net.ipv4.conf.{device}.rp_filter=2"
        for device in sorted((UPLINK, *OVERLAYS.values()))
    ]
    assert found["forwarding"][0]["severity"] == "error"
    assert {f["mend"][0] for f in found["mtu"]} == {
        "ip link set dev flannel.1 mtu 1430", "ip link set dev flannel-v6.1 mtu 1410",
    }  # fmt: skip
    assert found["firewall"][0]["what"].startswith("chain iptables-legacy filter FORWARD drops")
    assert two.address(4) in found["layer-2"][0]["what"]
    assert two.address(6) in found["layer-2"][0]["what"]
    dead = [blamed(found)[two.pod_network(family)] for family in OVERLAYS]
    assert dead == ["its node is silent: off, or cut off: blame the underlay"] * 2


def test_a_slow_lan_and_a_slow_overlay_are_told_apart(cluster: Cluster) -> None:
    one, two, three = cluster.nodes
    peers = {node.pod_network(family) for node in (two, three) for family in OVERLAYS}
    qdisc = ("qdisc", "replace", "dev")
    one.host.run("tc", *qdisc, UPLINK, "root", *SLOW)
    verdicts = blamed(doctor(one))
    assert verdicts.keys() == peers
    assert all(words.endswith("blame the underlay") for words in verdicts.values()), verdicts

    one.host.run("tc", "qdisc", "delete", "dev", UPLINK, "root")
    one.host.run("tc", *qdisc, OVERLAYS[4], "root", *SLOW[:2], "8kbit", *SLOW[3:])
    verdicts = blamed(doctor(one))
    for node in (two, three):
        assert verdicts[node.pod_network(4)].endswith("blame the overlay"), verdicts
        assert verdicts[node.pod_network(6)] == "both paths are well"


def test_the_overlay_is_measured_where_paths_are_direct(cluster: Cluster, tmp_path: Path) -> None:
    one, two, _ = cluster.nodes
    one.call("ADD", tmp_path, uplink={"wireless": True})
    before = one.encapsulated()["sent"]
    found = doctor(one)
    assert one.encapsulated()["sent"] - before >= 80
    assert set(blamed(found).values()) == {"both paths are well"}
    assert two.pod_network(4) in found["direct"][0]["what"]
    one.host.run("tc", "qdisc", "replace", "dev", OVERLAYS[4], "root", "blackhole")
    assert blamed(doctor(one))[two.pod_network(4)] == (
        "nothing comes back over the overlay: blame the overlay"
    )
