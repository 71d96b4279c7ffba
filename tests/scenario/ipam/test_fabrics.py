"""Rails that share slots: what a configuration may tell of them, and whom it binds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cni.protocol.errors import Code
from tests.scenario.ipam.given import BARE, TINY, A, B, refused

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node


def test_a_join_that_the_new_rail_excludes_is_explained_and_learnt_from(node: Node) -> None:
    picky = B | {"exclude": "10.61.0.1-10.61.0.9"}
    node.add(A, "c1")
    with refused(Code.TRY_AGAIN, "holds slot 1 of fabric backend", "10.61.0.1/16"):
        node.add(picky, "c1", ifname="net2")
    node.delete("c1")
    assert node.add(A, "c2") == "10.60.0.10"
    assert node.add(picky, "c2", ifname="net2") == "10.61.0.10"


@pytest.mark.parametrize(
    ("ipam", "words"),
    [
        (B | {"subnet": "10.61.0.0/24"}, [r"roce-a \(10.60.0.0/16\)", r"roce-b \(10.61.0.0/24\)"]),
        (B | {"subnet": "fd00::/64"}, ["roce-a", r"roce-b \(fd00::/64\)", "backend"]),
        (B | {"subnet": "10.60.0.0/16"}, ["roce-a", "roce-b", "overlap"]),
        (A | {"subnet": "10.70.0.0/16"}, ["roce-a of", "10.70.0.0/16 here and 10.60.0.0/16"]),
        (A | {"fabric": "storage"}, ["fabric storage", "overlaps", "fabric backend"]),
        (BARE | {"subnet": "10.0.0.0/8"}, ["10.0.0.0/8", "overlaps", r"roce-a \(10.60.0.0/16\)"]),
    ],
)
def test_what_contradicts_a_fabric_in_use_is_refused_until_it_is_free(
    node: Node, ipam: dict[str, Any], words: list[str]
) -> None:
    node.add(A, "c1")
    with refused(Code.INVALID_CONFIG, *words):
        node.add(ipam, "c2", ifname="net2")
    node.delete("c1")
    node.wait(61)
    node.add(ipam, "c2", ifname="net2")
    node.audit()


def test_two_rails_declared_on_one_subnet_are_refused(node: Node) -> None:
    with refused(Code.INVALID_CONFIG, "roce-a", "roce-z", "overlap"):
        node.add(A | {"rails": {"roce-a": "10.60.0.0/16", "roce-z": "10.60.0.0/16"}}, "c1")


def test_a_changed_exclusion_counts_at_once_and_can_be_taken_back(node: Node) -> None:
    assert node.add(TINY, "c1") == "10.60.0.1"
    assert node.add(TINY | {"exclude": ["10.60.0.2-10.60.0.5"]}, "c2") == "10.60.0.6"
    assert [node.add(TINY, f"d{i}") for i in range(4)] == [f"10.60.0.{i}" for i in range(2, 6)]
    node.audit()


def test_networks_may_share_a_subnet_in_ranges_of_their_own(node: Node) -> None:
    low, high = BARE | {"rangeEnd": "10.60.0.2"}, BARE | {"rangeStart": "10.60.0.9"}
    given = [node.add(ipam, f"c{i}") for i, ipam in enumerate([low, high, low, high])]
    assert given == ["10.60.0.1", "10.60.0.9", "10.60.0.2", "10.60.0.10"]
    node.audit()


# ── Networks of one fabric and several authors ────────────────────────────────────────────────────

RAILS = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16"}
EVIL = A | {"rail": "evil", "subnet": "10.96.0.0/16", "rails": {"evil": "10.96.0.0/16"}}


def reached(node: Node, ipam: dict[str, Any], container: str) -> tuple[set[str], set[str]]:
    """ADD with a gateway; return its routes and its prefixes."""
    allocation = node.allocate(ipam | {"gateway": "10.60.0.1"}, container)
    routes = {str(route.dst) for route in allocation.result.routes}
    return routes, {str(net) for net in allocation.prefixes}


@pytest.mark.parametrize("ended", [False, True])
def test_declared_rails_are_all_that_a_pod_reaches(node: Node, *, ended: bool) -> None:
    node.add(EVIL, "c0", network="evil")
    if ended:
        node.delete("c0", network="evil")
    declaring = A | {"rails": RAILS}
    assert reached(node, declaring, "c1") == ({"10.61.0.0/16"}, set(RAILS.values()))
    assert reached(node, A | {"rails": {"roce-a": RAILS["roce-a"]}}, "c2")[1] == {"10.60.0.0/16"}


def test_without_a_declaration_a_pod_reaches_the_rails_in_use(node: Node) -> None:
    node.add(EVIL, "c0", network="evil")
    node.delete("c0", network="evil")
    assert reached(node, A, "c1") == (set(), {"10.60.0.0/16"})
    node.add(B, "c1", ifname="net2", network="roce-b")
    assert reached(node, A, "c2") == ({"10.61.0.0/16"}, set(RAILS.values()))


def test_what_an_undeclared_rail_excludes_is_not_its_declared_siblings_business(node: Node) -> None:
    node.add(EVIL | {"exclude": "10.96.0.0-10.96.99.255"}, "c0", network="evil")
    assert node.add(A | {"rails": RAILS}, "c1") == "10.60.0.1"


def test_a_declared_siblings_exclusions_survive_an_idle_fabric(node: Node) -> None:
    node.add(B | {"exclude": "10.61.0.1"}, "c0", network="roce-b")
    node.delete("c0", network="roce-b")
    assert node.add(A | {"rails": RAILS}, "c1") == "10.60.0.3"
    assert ("roce-b", "[[2, 65534]]") in node.rows("SELECT name, usable FROM rails")


def test_a_networks_range_binds_no_other_network(node: Node) -> None:
    narrow = A | {"rangeStart": "10.60.0.9", "rangeEnd": "10.60.0.9"}
    assert node.add(narrow, "c0", network="narrow") == "10.60.0.9"
    assert node.add(B, "c1", network="roce-b") == "10.61.0.1"
    assert node.add(A, "c2") == "10.60.0.2"
    with refused(Code.TRY_AGAIN, "fabric backend is full"):
        node.add(narrow, "c3", network="narrow")
    node.audit()


def test_a_range_is_never_left(node: Node) -> None:
    high = B | {"rangeStart": "10.61.0.100"}
    node.add(A, "c1")
    with refused(Code.TRY_AGAIN, "holds slot 1", "10.61.0.1/16 is outside rangeStart"):
        node.add(high, "c1", ifname="net2", network="roce-b")
    with refused(Code.TRY_AGAIN, "slot 9 of fabric backend", "is outside rangeStart"):
        node.add(high, "c2", network="roce-b", args="IP=10.61.0.9")
    assert node.add(high, "c2", network="roce-b") == "10.61.0.100"


@pytest.mark.parametrize(
    ("ipam", "first"), [(A, "10.60.0.1"), (BARE | {"subnet": "10.0.0.0/8"}, "10.0.0.1")]
)
def test_what_rests_is_not_given_under_another_name(
    node: Node, ipam: dict[str, Any], first: str
) -> None:
    node.add(BARE, "c1")
    node.delete("c1")
    with refused(Code.TRY_AGAIN, "rail 10.60.0.0/16", "still rest"):
        node.add(ipam, "c2")
    node.wait(61)
    assert node.add(ipam, "c2") == first
    node.audit()


def test_what_rests_is_not_given_when_its_rail_is_renumbered_away(node: Node) -> None:
    node.add(A, "c1")
    node.delete("c1")
    with refused(Code.TRY_AGAIN, "rail roce-a", "still rest"):
        node.add(A | {"subnet": "10.70.0.0/16"}, "c2")
