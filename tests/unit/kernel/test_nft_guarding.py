"""What is asked of nftables for a guard, where no packet would show it."""

from __future__ import annotations

import struct
from collections import Counter
from ipaddress import ip_network
from typing import Any

import pytest

from cni.kernel import netlink, nft_guarding, nft_listing, nft_messages
from cni.kernel import nft_attributes as nfta
from cni.kernel.guarding import Origin
from cni.kernel.linux import LinuxKernel
from cni.kernel.nft_messages import Request, as_number, as_text
from cni.kernel.types import KernelError, Network

TABLE = "rail-test-guard"
MAC = "02:00:00:00:00:01"
SOME: dict[Network, Origin] = {
    ip_network("10.42.1.0/24"): Origin(3, MAC),
    ip_network("10.42.2.7/32"): Origin(3, MAC),
    ip_network("fd00:42:0:1::/64"): Origin(3, MAC),
}


def stated(request: Request) -> dict[int, bytes]:
    return dict(netlink.attributes(request.attributes))


def test_who_is_let_in_is_forgotten_later_than_what_is_guarded() -> None:
    times: dict[str, float] = {}
    for request in nft_guarding.replace_requests(TABLE, SOME, 0.5, []):
        if request.kind == nft_messages.NEW_ELEMENT:
            of = stated(request)
            (element,) = netlink.attributes(of[nfta.SET_ELEM_LIST_ELEMENTS])
            milliseconds = dict(netlink.attributes(element[1]))[nfta.SET_ELEM_TIMEOUT]
            times[as_text(of[nfta.SET_ELEM_LIST_SET])] = as_number(milliseconds) / 1000

    assert times == {
        name + length: seconds
        for length in ("24", "32", "64")
        for name, seconds in (("guarded", 0.5), ("allowed", 1.5))
    }


def test_sets_of_one_batch_have_numbers_of_their_own() -> None:
    requests = nft_guarding.replace_requests(TABLE, SOME, 5, [])
    numbers = [stated(r)[nfta.SET_ID] for r in requests if r.kind == nft_messages.NEW_SET]

    assert set(Counter(numbers).values()) == {1}
    assert len(numbers) == 6


@pytest.mark.parametrize("found", [[], [4], [4, 6]])
def test_what_is_there_of_either_version_goes(found: list[int]) -> None:
    requests = nft_guarding.replace_requests(TABLE, {}, 5, found)

    assert [(r.kind, r.family) for r in requests] == [
        (kind, {4: 2, 6: 10}[version])
        for version in found
        for kind in (nft_messages.NEW_TABLE, nft_messages.DELETE_TABLE)
    ]


def test_who_is_let_in_where_nothing_is_guarded_is_not_told() -> None:
    index, mac = struct.pack("=I", 3), bytes([2, 0, 0, 0, 0, 1])
    one, other = (index + bytes([10, 42, n, 0]) for n in (1, 2))
    found = nft_guarding.origins(4, 24, [one], [key + mac + bytes(2) for key in (one, other)])

    assert dict(found) == {ip_network("10.42.1.0/24"): Origin(3, MAC)}


def test_what_the_sets_are_called() -> None:
    requests = nft_guarding.replace_requests(TABLE, SOME, 5, [])
    sets = [bytes(4) + r.attributes for r in requests if r.kind == nft_messages.NEW_SET]

    for stem in (nft_guarding.GUARDED, nft_guarding.ALLOWED):
        assert nft_listing.lengths(sets, TABLE, stem) == [24, 32, 64]
    assert nft_listing.lengths(sets, "rail-other", nft_guarding.GUARDED) == []


def test_a_part_of_nftables_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(netlink, "ask", lambda *_: [])
    monkeypatch.setattr(netlink, "commit", refuse)
    with pytest.raises(KernelError, match="has not all of nftables") as refusal:
        LinuxKernel().host.guard(TABLE, SOME, 5)
    assert refusal.value.errno == 95
