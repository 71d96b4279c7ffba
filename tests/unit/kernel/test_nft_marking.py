"""What is asked of nftables, and what is made of tables that no test finds in a kernel."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from cni.kernel import netlink, nft_listing, nft_marking, nft_messages
from cni.kernel import nft_attributes as nfta
from cni.kernel.linux import LinuxKernel
from cni.kernel.marking import Marking
from cni.kernel.nft_expressions import Expression
from cni.kernel.nft_messages import nested, number, text
from cni.kernel.types import KernelError

PODS, PODS6 = ip_network("10.42.0.0/24"), ip_network("fd00:42::/64")
MARKING = Marking("rail-test", 0x40, frozenset({(4, 24)}), frozenset({PODS, PODS6}))
SOME = ip_network("10.42.1.0/24")
ACK = 0x4


def test_a_batch_has_an_end_and_asks_for_one_answer() -> None:
    requests = nft_marking.mark_requests("rail-test", {SOME: 5})
    data = nft_messages.batch(requests)
    found = []
    while data:
        length, kind, flags = struct.unpack_from("=IHH", data)
        found.append((kind & 0xFF, bool(flags & ACK)))
        data = data[length:]

    assert found == [(16, False), (12, False), (14, False), (12, True), (17, False)]


def listed(*elements: bytes) -> list[bytes]:
    body = nested(nfta.SET_ELEM_LIST_ELEMENTS, *(nested(nfta.LIST_ELEM, one) for one in elements))
    return [bytes(4) + body]


def test_elements_that_have_expired_and_those_without_a_time() -> None:
    def element(last: int, expiration: bytes) -> bytes:
        value = netlink.attribute(nfta.DATA_VALUE, bytes([10, 42, last, 0]))
        return nested(nfta.SET_ELEM_KEY, value) + expiration

    left = [
        netlink.attribute(nfta.SET_ELEM_EXPIRATION, struct.pack("!Q", ms)) for ms in (0, 1, 4000)
    ]
    found = listed(*(element(n, expiration) for n, expiration in enumerate([*left, b""])))

    assert dict(nft_listing.elements(found)) == {
        bytes([10, 42, 1, 0]): 0.001,
        bytes([10, 42, 2, 0]): 4,
        bytes([10, 42, 3, 0]): math.inf,
    }


def rule(*expressions: Expression, chain: str, table: str = "rail-test") -> bytes:
    said = [
        nested(
            nfta.LIST_ELEM,
            text(nfta.EXPR_NAME, one.name),
            nested(nfta.EXPR_DATA, *(netlink.attribute(*each) for each in one.attributes.items())),
        )
        for one in expressions
    ]
    body = text(nfta.TABLE, table) + text(nfta.RULE_CHAIN, chain)
    return bytes(4) + body + nested(nfta.RULE_EXPRESSIONS, *said)


def test_a_rule_that_says_something_else_is_not_ours() -> None:
    ours = nft_marking.expressions(PODS, 24, 0x40)

    def rules(*expressions: Expression) -> list[bytes]:
        return [rule(*ours, chain="output"), rule(*expressions, chain="prerouting")]

    assert nft_listing.has_rules(rules(*ours), MARKING, 4)
    others = rule(chain="input", table="somebody-elses")
    assert nft_listing.has_rules([others, *rules(*ours)], MARKING, 4)
    for place, one in enumerate(ours):
        assert not nft_listing.has_rules(rules(*ours[:place], *ours[place + 1 :]), MARKING, 4)
        for kind in one.attributes:
            changed = Expression(one.name, {**one.attributes, kind: b"else"})
            altered = [*ours[:place], changed, *ours[place + 1 :]]
            assert not nft_listing.has_rules(rules(*altered), MARKING, 4)
    assert not nft_listing.has_rules([*rules(*ours), rule(*ours, chain="input")], MARKING, 4)
    assert not nft_listing.has_rules([*rules(*ours), rule(*ours, chain="output")], MARKING, 4)


@pytest.mark.parametrize(
    ("flags", "hook", "priority", "policy", "kind", "is_ours"),
    [
        (0, 0, -50, 1, "filter", True),
        (0, 3, -50, 1, "filter", False),
        (0, 0, -150, 1, "filter", False),
        (0, 0, -50, 0, "filter", False),
        (0, 0, -50, 1, "nat", False),
        (1, 0, -50, 1, "filter", False),
    ],
)
def test_a_table_or_chain_that_is_otherwise_is_not_ours(  # noqa: PLR0913 - a row of the table
    flags: int, hook: int, priority: int, policy: int, kind: str, *, is_ours: bool
) -> None:
    def chain(name: str, hook: int, priority: int, policy: int, kind: str) -> bytes:
        place = number(nfta.HOOK_HOOKNUM, hook) + number(nfta.HOOK_PRIORITY, priority)
        body = text(nfta.TABLE, "rail-test") + text(nfta.CHAIN_NAME, name)
        body += nested(nfta.CHAIN_HOOK, place) + number(nfta.CHAIN_POLICY, policy)
        return bytes(4) + body + text(nfta.CHAIN_TYPE, kind)

    found = [
        chain("output", 3, -50, 1, "route"),
        chain("prerouting", hook, priority, policy, kind),
    ]
    table = bytes([2, 0, 0, 0]) + text(nfta.TABLE, "rail-test") + number(nfta.TABLE_FLAGS, flags)
    is_awake = nft_listing.tables([table], "rail-test") == {4: 0}
    assert (is_awake and nft_listing.has_chains(found, MARKING)) is is_ours


@pytest.mark.parametrize(
    ("number", "told"), [(22, 95), (95, 95), (93, 93), (1, 1)], ids=["EINVAL", "-", "-", "EPERM"]
)
def test_a_kernel_without_nftables_is_called_that(
    monkeypatch: pytest.MonkeyPatch, number: int, told: int
) -> None:
    def refuse(*_: Any) -> list[bytes]:
        raise OSError(number, "no")

    monkeypatch.setattr(netlink, "ask", refuse)
    host = LinuxKernel().host
    verbs: list[Callable[[], object]] = [
        lambda: host.has_marking(MARKING),
        lambda: host.marked("rail-test"),
    ]
    for verb in verbs:
        with pytest.raises(KernelError) as refusal:
            verb()
        assert refusal.value.errno == told


def test_a_part_of_nftables_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(netlink, "ask", lambda *_: [])
    monkeypatch.setattr(netlink, "commit", refuse)
    with pytest.raises(KernelError, match="has not all of nftables") as refusal:
        LinuxKernel().host.set_marking(MARKING)
    assert refusal.value.errno == 95
