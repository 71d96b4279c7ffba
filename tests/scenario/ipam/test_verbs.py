"""Each verb on a real journal: what a runtime is told, and what stays behind."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cni.protocol.errors import Code
from cni.protocol.results import render
from cni.protocol.skel import serve
from ipam.plugin import make_ipam, make_plugin
from tests.scenario.ipam.given import BARE, POD, TINY, A, B, refused

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

# ── ADD ───────────────────────────────────────────────────────────────────────────────────────────


def test_different_containers_get_different_addresses(node: Node) -> None:
    assert [node.add(BARE, f"c{i}") for i in range(3)] == ["10.60.0.1", "10.60.0.2", "10.60.0.3"]
    node.audit()


def test_a_repeated_add_returns_the_same_address(node: Node) -> None:
    assert node.add(BARE, "c1") == node.add(BARE, "c1") == node.add(BARE, "c1", args="IP=10.60.0.1")
    with refused(Code.TRY_AGAIN, "net1 of container c1 already holds slot 1"):
        node.add(BARE, "c1", args="IP=10.60.0.9")
    with refused(Code.TRY_AGAIN, "already holds slot 1"):
        node.add(BARE | {"subnet": "10.70.0.0/16"}, "c1")
    assert len(node.held()) == 1


def test_a_pod_has_the_same_host_part_on_every_rail(node: Node) -> None:
    node.add(A, "other")
    assert node.add(A, "c1") == "10.60.0.2"
    assert node.add(B, "c1", ifname="net2", network="roce-b") == "10.61.0.2"
    assert len(node.held()) == 2


def test_twice_on_one_rail_takes_two_slots(node: Node) -> None:
    first, second = (node.add(A, "c1", ifname=name) for name in ("net1", "net2"))
    assert (first, second) == ("10.60.0.1", "10.60.0.2")
    node.wait(1)
    third, fourth = (node.add(B, "c1", ifname=n, network="roce-b") for n in ("net3", "net4"))
    assert (third, fourth) == ("10.61.0.1", "10.61.0.2")
    node.audit()


def test_two_networks_of_one_bare_subnet_share_it(node: Node) -> None:
    node.add(BARE, "c1", network="one")
    assert node.add(BARE, "c1", network="two") == "10.60.0.2"


def test_both_families(node: Node) -> None:
    dual = {
        "subnet": ["10.60.0.0/16", "fd00:60::/64"],
        "gateway": ["fd00:60::1", "10.60.0.1"],
        "dns": {"nameservers": ["10.60.0.53"]},
    }
    result = render(node.allocate(dual, "c1").result, "1.1.0")
    assert result == {
        "cniVersion": "1.1.0",
        "ips": [
            {"address": "10.60.0.2/16", "gateway": "10.60.0.1"},
            {"address": "fd00:60::2/64", "gateway": "fd00:60::1"},
        ],
        "dns": {"nameservers": ["10.60.0.53"]},
    }


def test_the_gateway_leads_to_the_sibling_rails_and_nowhere_else(node: Node) -> None:
    rails = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16", "roce-c": "10.62.0.0/16"}
    routes = [{"dst": "10.62.0.0/16", "gw": "10.60.0.9", "mtu": 4000}]
    allocation = node.allocate(A | {"gateway": "10.60.0.1", "rails": rails, "routes": routes}, "c1")
    assert render(allocation.result, "1.1.0")["routes"] == [
        {"dst": "10.62.0.0/16", "gw": "10.60.0.9", "mtu": 4000},
        {"dst": "10.61.0.0/16", "gw": "10.60.0.1", "priority": 100},
    ]
    assert set(allocation.prefixes) == {ip_network(subnet) for subnet in rails.values()}


def test_without_a_gateway_there_are_no_routes(node: Node) -> None:
    node.add(B, "c0", network="roce-b")
    allocation = node.allocate(A, "c1")
    assert allocation.result.routes == ()
    assert len(allocation.prefixes) == 2


# ── Requested addresses ───────────────────────────────────────────────────────────────────────────


def test_a_requested_address_is_given_and_then_taken(node: Node) -> None:
    assert node.add(BARE, "c1", runtimeConfig={"ips": ["10.60.0.2/16"]}, args=POD) == "10.60.0.2"
    with refused(Code.TRY_AGAIN, "10.60.0.2", r"container c1 \(ml/rank-0\)"):
        node.add(BARE, "c2", runtimeConfig={"ips": ["10.60.0.2"]})
    assert [node.add(BARE, c) for c in ("c3", "c4")] == ["10.60.0.1", "10.60.0.3"]
    node.audit()


def test_a_requested_address_is_joined_by_the_other_rail(node: Node) -> None:
    node.add(A, "c1", args="IP=10.60.0.77")
    assert node.add(B, "c1", ifname="net2", args="IP=10.61.0.77") == "10.61.0.77"
    with refused(Code.TRY_AGAIN, "10.61.0.77", "another attachment of the same container"):
        node.add(B, "c1", ifname="net3", args="IP=10.61.0.77")


def test_a_requested_address_may_still_rest(node: Node) -> None:
    node.add(BARE, "c1", args="IP=10.60.0.9")
    node.delete("c1")
    assert node.add(BARE, "c2", args="IP=10.60.0.9") == "10.60.0.9"
    node.audit()


@pytest.mark.parametrize("address", ["10.60.0.0", "10.60.255.255", "10.60.0.1", "10.60.0.5"])
def test_a_reserved_or_excluded_address_is_not_given(node: Node, address: str) -> None:
    with refused(Code.TRY_AGAIN, f"{address}/16 is not given out on rail 10.60.0.0/16"):
        node.add(
            BARE | {"gateway": "10.60.0.1", "exclude": "10.60.0.5"}, "c1", args=f"IP={address}"
        )


def test_an_address_excluded_on_a_sibling_is_not_given(node: Node) -> None:
    node.add(B | {"gateway": "10.61.0.9"}, "c0", network="roce-b")
    with refused(Code.TRY_AGAIN, "10.61.0.9/16 is not given out on rail roce-b"):
        node.add(A, "c1", args="IP=10.60.0.9")


# ── Quarantine ────────────────────────────────────────────────────────────────────────────────────


def test_what_was_freed_comes_after_what_is_fresh_and_least_recent_first(node: Node) -> None:
    for container in ("c1", "c2", "c3"):
        node.add(TINY, container)
    for container in ("c2", "c3", "c1"):
        node.wait(10)
        node.delete(container)
    node.wait(1000)
    order = [node.add(TINY, f"d{i}") for i in range(6)]
    assert [address[-1] for address in order] == ["4", "5", "6", "2", "3", "1"]


def test_a_quarantine_is_broken_only_when_nothing_is_ready(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(6):
        node.add(TINY, f"c{i}")
    node.delete("c3")
    node.wait(61)
    node.delete("c1")
    with caplog.at_level(logging.WARNING):
        assert node.add(TINY, "d1") == "10.60.0.4"
        assert not caplog.records
        assert node.add(TINY, "d2") == "10.60.0.2"
    assert "nothing has rested for 60 s, slot 2 is given out early" in caplog.text
    with refused(Code.TRY_AGAIN, "fabric 10.60.0.0/29 is full: 6 slots are held"):
        node.add(TINY, "d3")
    node.audit()


def test_what_rested_while_it_was_excluded_comes_back_with_its_exclusion_gone(node: Node) -> None:
    for i in range(6):
        node.add(TINY, f"c{i}")
    node.delete("c0")
    node.delete("c1")
    node.wait(61)
    assert node.add(TINY | {"exclude": "10.60.0.1"}, "d1") == "10.60.0.2"
    node.audit()
    assert node.add(TINY, "d2") == "10.60.0.1"
    node.audit()


# ── DEL, reboot, GC ───────────────────────────────────────────────────────────────────────────────


def test_del_frees_the_slot_with_its_last_attachment_and_can_be_repeated(node: Node) -> None:
    node.delete("c1")
    assert not node.journal.exists()
    node.add(A, "c1")
    node.add(B, "c1", ifname="net2", network="roce-b")
    node.delete("c1")
    assert len(node.held()) == 1
    for _ in range(2):
        node.delete("c1", ifname="net2", network="roce-b")
        assert node.held() == set()
    node.delete("never-added")
    node.audit()


def test_a_reboot_ends_all_claims_and_starts_all_quarantines(node: Node) -> None:
    for i in range(6):
        node.add(TINY, f"c{i}")
    node.delete("c5")
    node.reboot()
    node.delete("c0")
    assert node.add(TINY, "d0") == "10.60.0.6"
    assert node.held() == {("d0", "10.60.0.0/29", 6)}
    assert node.rows("SELECT DISTINCT freed_at FROM freed") == [(node.now,)]
    node.audit()


def test_what_rested_before_a_reboot_rests_again_and_no_longer(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(6):
        node.add(TINY, f"c{i}")
    node.delete("c5")
    node.delete("c4")
    node.reboot()
    with caplog.at_level(logging.WARNING):
        assert node.add(TINY, "d0") == "10.60.0.6"
        assert "slot 6 is given out early" in caplog.text
        caplog.clear()
        node.wait(61)
        assert node.add(TINY, "d1") == "10.60.0.5"
        assert not caplog.records


def test_gc_frees_the_rest_of_its_own_network_only(node: Node) -> None:
    for container in ("kept", "dead"):
        node.add(A, container)
        node.add(B, container, network="roce-b")
    node.wait(1)
    node.collect({("kept", "net1")})
    assert set(node.rows("SELECT network, container FROM attachments")) == {
        ("roce-a", "kept"), ("roce-b", "kept"), ("roce-b", "dead"),
    }  # fmt: skip
    assert len(node.held()) == 2
    node.audit()


def test_gc_leaves_what_began_after_it(node: Node) -> None:
    node.add(A, "old")
    node.wait(1)
    collection = node.collection(set())
    node.wait(1)
    node.add(A, "young")
    node.ipam.collect(collection)
    assert {container for container, _, _ in node.held()} == {"young"}


def test_gc_frees_what_an_earlier_boot_left_whatever_its_clock_said(node: Node) -> None:
    node.add(A, "c1")
    node.reboot()
    node.collect(set())
    assert node.held() == set()


def test_gc_before_any_add_makes_no_journal(node: Node) -> None:
    node.collect(set())
    assert not node.journal.exists()


def test_gc_with_a_malformed_list_frees_nothing(node: Node) -> None:
    node.add(A, "c1")
    malformed: dict[str, Any] = {"cni.dev/valid-attachments": ["c1"]}
    with refused(Code.INVALID_CONFIG, "cni.dev/valid-attachments"):
        node.ipam.collect(node.request("GC", {}, **malformed))
    assert node.held()


# ── As programs ───────────────────────────────────────────────────────────────────────────────────


def test_as_a_program_of_its_own(tmp_path: Path) -> None:
    environ = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "net1", "CNI_NETNS": "/n",
        "CNI_PATH": "/p", "RAILCNI_STATE_DIR": str(tmp_path), "RAILCNI_LOG_DIR": str(tmp_path),
    }  # fmt: skip
    config = {"cniVersion": "0.3.1", "name": "lan", "type": "macvlan", "ipam": BARE}
    stdin = json.dumps(config).encode()
    reply = serve(make_plugin, environ, stdin)
    assert reply.document == {
        "cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.60.0.1/16"}], "dns": {},
    }  # fmt: skip
    assert serve(make_plugin, environ | {"CNI_COMMAND": "DEL"}, stdin).exit_code == 0


def test_a_main_plugin_gets_it_in_process(node: Node, tmp_path: Path) -> None:
    request = node.request("ADD", BARE, "c1")
    request = replace(request, environ={**request.environ, "RAILCNI_STATE_DIR": str(tmp_path)})
    make_ipam(request).allocate(request)
    assert (tmp_path / "ipam/journal.db").exists()
