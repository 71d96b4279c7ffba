"""The particular cases: what is somebody else's, what was edited since, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from install.conflist.document import ConflistError, check, read, with_ours
from install.conflist.folder import copies
from install.conflist.ways import Way, chain, choose, unchain
from tests.unit.conflist.folders import KEYS, after, encoded, given, network

FLANNEL, PORTMAP = {"type": "flannel", "delegate": {}}, {"type": "portmap"}
BY_HAND = {"type": "rail-hostgw", "mode": "always"}
OURS = {"type": "rail-hostgw", **KEYS}
FILE = "10-flannel.conflist"
OWN, DROPPED = "00-rail-hostgw.conflist", "cbr0/99-rail-hostgw.conf"
COPY, KEPT = f"{FILE}.with-rail-hostgw", f"{FILE}.without-rail-hostgw"
PLAIN = {FILE: network(FLANNEL, PORTMAP)}


def chained(files: dict[str, bytes], way: Way) -> dict[str, bytes]:
    return after(files, chain(files, KEYS, way))


def plugins(raw: bytes) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(raw)["plugins"]
    return listed


def refusal(files: dict[str, bytes], way: Way, keys: dict[str, Any] = KEYS) -> str:
    with pytest.raises(ConflistError) as refused:
        chain(files, keys, way)
    return str(refused.value)


# ── which way ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("case", "drops_in", "is_k3s", "way"),
    [
        ("k3s", True, True, Way.DROP_IN),
        ("k3s", False, True, Way.K3S_COPY),
        ("kubeadm", True, False, Way.DROP_IN),
        ("kubeadm", False, False, Way.OWN_LIST),
        ("bridge", True, False, Way.OWN_LIST),
        ("multus", True, False, Way.DROP_IN),
        ("multus", False, True, Way.K3S_COPY),
    ],
)
def test_the_way_that_suits(case: str, *, drops_in: bool, is_k3s: bool, way: Way) -> None:
    assert choose(given(case), drops_in=drops_in, is_k3s=is_k3s) is way


def test_a_network_that_takes_nothing_dropped_in() -> None:
    files = {FILE: network(FLANNEL, loadOnlyInlinedPlugins=True)}
    assert choose(files, drops_in=True, is_k3s=False) is Way.OWN_LIST
    assert "takes nothing that is dropped in" in refusal(files, Way.DROP_IN)


def test_behind_multus_no_way_is_chosen_that_it_would_not_read() -> None:
    with pytest.raises(ConflistError, match="Multus attaches pods by 10-flannel"):
        choose(given("multus"), drops_in=False, is_k3s=False)


# ── whose the files are ──────────────────────────────────────────────────────────────────────────


def test_a_foreign_list_of_our_name_is_a_network_as_any_other() -> None:
    files = {OWN: network(FLANNEL, BY_HAND), **PLAIN}
    made = chained(files, Way.OWN_LIST)
    assert made.keys() - files.keys() == {"0-rail-hostgw.conflist"}
    assert made[OWN] == files[OWN]
    assert plugins(made["0-rail-hostgw.conflist"]) == [FLANNEL, OURS]


def test_foreign_files_are_never_overwritten() -> None:
    for name, raw, way in (
        (DROPPED, encoded({"type": "tuning"}), Way.DROP_IN),
        (DROPPED, b"", Way.DROP_IN),
        (COPY, b"not ours", Way.K3S_COPY),
    ):
        files = {**PLAIN, name: raw}
        assert f"{name} is there and is not ours" in refusal(files, way)
        assert unchain(files, is_copied=False).changes == ()


def test_no_name_of_ours_sorts_before() -> None:
    files = {"0--a.conflist": network(FLANNEL)}
    assert "rename that" in refusal(files, Way.OWN_LIST)
    files = {"0-a.conflist": network(FLANNEL)}
    assert chained(files, Way.OWN_LIST).keys() == {"0--rail-hostgw.conflist", *files}


def test_our_list_moves_before_a_new_primary() -> None:
    made = chained(PLAIN, Way.OWN_LIST)
    made["00-bridge.conflist"] = network({"type": "bridge"}, name="b0")
    moved = chained(made, Way.OWN_LIST)
    assert moved.keys() == {"0-rail-hostgw.conflist", "00-bridge.conflist", FILE}
    assert plugins(moved["0-rail-hostgw.conflist"]) == [{"type": "bridge"}, OURS]


def test_a_file_in_the_folder_of_a_former_name_goes() -> None:
    made = chained(PLAIN, Way.DROP_IN) | {FILE: network(FLANNEL, name="cbr1")}
    assert chained(made, Way.DROP_IN).keys() == {FILE, "cbr1/99-rail-hostgw.conf"}


# ── what somebody has written by hand ────────────────────────────────────────────────────────────


def test_what_was_dropped_in_by_the_book_is_ours() -> None:
    files = {**PLAIN, "cbr0/50-rail-hostgw.conf": encoded(BY_HAND)}
    assert chained(files, Way.OWN_LIST).keys() == {FILE, OWN}
    assert chained(files, Way.DROP_IN) == {**PLAIN, DROPPED: chained(PLAIN, Way.DROP_IN)[DROPPED]}
    assert after(files, unchain(files)) == PLAIN


def test_what_was_dropped_in_under_another_name_is_not() -> None:
    for other in ("cbr0/wifi.conf", "cbr0/50-rail-hostgw-2.conf"):
        files = {**PLAIN, other: encoded(BY_HAND)}
        for way in Way:
            assert f"{other} is rail-hostgw already" in refusal(files, way)
        assert unchain(files).changes == ()
    assert DROPPED in chained({**PLAIN, "cbr1/wifi.conf": encoded(BY_HAND)}, Way.DROP_IN)
    assert DROPPED in chained({**PLAIN, "cbr0/50-x.conf": encoded(PORTMAP)}, Way.DROP_IN)


def test_an_entry_by_hand_is_replaced_where_there_is_a_way_back() -> None:
    files = {FILE: network(FLANNEL, BY_HAND, PORTMAP)}
    for way, made in (
        (Way.OWN_LIST, OWN),
        (Way.K3S_COPY, COPY),
        (Way.IN_PLACE, FILE),
    ):
        chain_ = chained(files, way)
        assert plugins(chain_[made]) == [FLANNEL, PORTMAP, OURS]
        assert after(chain_, unchain(chain_, is_copied=False)) == files
    assert "lists rail-hostgw itself" in refusal(files, Way.DROP_IN)


def test_an_edit_since_is_kept_when_ours_is_taken_out_in_place() -> None:
    made = chained(PLAIN, Way.IN_PLACE)
    edited = network(FLANNEL, PORTMAP, {"type": "tuning"}, OURS, more=1)
    made[FILE] = edited
    out = after(made, unchain(made))
    assert out.keys() == {FILE}
    assert json.loads(out[FILE]) == json.loads(
        network(FLANNEL, PORTMAP, {"type": "tuning"}, more=1)
    )
    again = chained(made, Way.IN_PLACE)
    assert plugins(again[FILE]) == plugins(edited)
    assert plugins(again[KEPT]) == [FLANNEL, PORTMAP, {"type": "tuning"}]


def test_what_is_kept_is_restored_when_nothing_else_is_left() -> None:
    made = chained(PLAIN, Way.IN_PLACE) | {FILE: network(OURS)}
    assert after(made, unchain(made)) == PLAIN


def test_a_primary_that_is_gone_stays_gone() -> None:
    made = chained(PLAIN, Way.IN_PLACE)
    del made[FILE]
    assert after(made, unchain(made)) == {}


def test_a_malformed_primary_changes_nothing() -> None:
    made = chained(PLAIN, Way.IN_PLACE) | {FILE: b'{"name": '}
    with pytest.raises(ConflistError, match="is not JSON"):
        unchain(made)
    for way in Way:
        assert "is not JSON" in refusal(made, way)


# ── K3s ──────────────────────────────────────────────────────────────────────────────────────────


def test_k3s_has_copied_ours() -> None:
    made = chained(PLAIN, Way.K3S_COPY)
    started = {**made, FILE: made[COPY]}
    assert chain(started, KEYS, Way.K3S_COPY).changes == ()
    out = after(started, unchain(started))
    assert plugins(out[FILE]) == plugins(out[COPY]) == [FLANNEL, PORTMAP]
    assert unchain(out).changes == ()
    assert after(out, unchain(out, is_copied=False)).keys() == {FILE}


def test_k3s_goes_on_with_what_it_is_told_to_copy() -> None:
    made = chained(PLAIN, Way.K3S_COPY)
    started = {**made, FILE: made[COPY]}
    other = chained(started, Way.DROP_IN)
    assert other.keys() == {FILE, COPY, DROPPED}
    assert b"rail-hostgw" not in other[FILE] + other[COPY]
    back = chained(other, Way.K3S_COPY)
    assert back.keys() == {FILE, COPY}
    assert plugins(back[COPY]) == [FLANNEL, PORTMAP, OURS]


# ── Multus ───────────────────────────────────────────────────────────────────────────────────────


def multus(**keys: object) -> dict[str, bytes]:
    document = {"name": "multus-cni-network", "cniVersion": "1.0.0", "type": "multus-shim", **keys}
    return {
        "00-multus.conf": encoded(document),
        "05-other.conflist": network(PORTMAP, name="o"),
        **PLAIN,
    }


@pytest.mark.parametrize("named", ["/host/etc/cni/net.d/10-flannel.conflist", "cbr0"])
def test_multus_names_the_primary(named: str) -> None:
    made = chained(multus(clusterNetwork=named), Way.DROP_IN)
    assert DROPPED in made


@pytest.mark.parametrize("named", ["/elsewhere/20-x.conflist", "nobody", "/etc/cni/net.d/"])
def test_multus_names_what_is_not_there(named: str) -> None:
    assert "expected a network of this folder" in refusal(
        multus(clusterNetwork=named), Way.IN_PLACE
    )


@pytest.mark.parametrize("keys", [{}, {"clusterNetwork": ""}, {"clusterNetwork": 1}])
def test_multus_has_a_copy(keys: dict[str, object]) -> None:
    assert "in delegates" in refusal(multus(**keys), Way.IN_PLACE)


def in_a_list(raw: bytes) -> bytes:
    """Return what Multus writes where the primary's network is of CNI 1.0.0."""
    return encoded({"name": "multus", "cniVersion": "1.0.0", "plugins": [json.loads(raw)]})


@pytest.mark.parametrize("written", [bytes, in_a_list])
def test_a_list_of_ours_that_multus_has_taken_stays(written: Callable[[bytes], bytes]) -> None:
    files = chained(PLAIN, Way.OWN_LIST)
    taken = multus(clusterNetwork=f"/host/net.d/{OWN}")["00-multus.conf"]
    files |= {"00-multus.conflist": written(taken)}
    with pytest.raises(ConflistError, match=f"00-multus.conflist has taken {OWN}"):
        unchain(files)
    assert "has taken" in refusal(files, Way.DROP_IN)


@pytest.mark.parametrize("written", [bytes, in_a_list])
@pytest.mark.parametrize(("copied", "is_ours"), [(PLAIN[FILE], False), (None, True)])
def test_a_copy_of_a_list_of_ours_in_multus(
    written: Callable[[bytes], bytes], copied: bytes | None, *, is_ours: bool
) -> None:
    files = chained(PLAIN, Way.OWN_LIST)
    copy = multus(delegates=[json.loads(copied or files[OWN])])["00-multus.conf"]
    found = copies({"00-multus.conflist": written(copy), **files})
    assert found == (("00-multus.conflist",) if is_ours else ())


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no network"),
        ({"readme.txt": b""}, "has no network"),
        ({FILE: b""}, "is not JSON"),
        ({FILE: b"[]"}, "expected an object"),
        ({FILE: network(name="a/b")}, "name is 'a/b'"),
        ({FILE: encoded({"name": "a", "cniVersion": "1.0.0", "plugins": []})}, "plugins is []"),
        ({FILE: network({})}, "plugins.0.type is None"),
        ({FILE: network({"type": "../sh"})}, "plugins.0.type is '../sh'"),
        ({"10-x.conf": encoded({"name": "a", "cniVersion": "1.0.0"})}, "type is None"),
        ({FILE: network(FLANNEL, loadOnlyInlinedPlugins=7)}, "loadOnlyInlinedPlugins is 7"),
        ({FILE: network(FLANNEL, cniVersion="0.2.0")}, "no chained plugins"),
        ({FILE: network(FLANNEL, cniVersion="")}, "no chained plugins"),
        ({FILE: network(FLANNEL, cniVersion="7.0.0")}, "'7.0.0' is not supported"),
        ({FILE: b'{"name": "a", "cniVersion": "1.0.0", "plugins": [{"type": "b", "x": 1e999}]}'},
         "not to be written as JSON"),
    ],
)  # fmt: skip
def test_a_primary_that_is_refused(files: dict[str, bytes], words: str) -> None:
    assert words in refusal(files, Way.OWN_LIST)
    if "1e999" not in str(files):  # what is dropped in leaves the number where it is
        refusal(files, Way.DROP_IN)


def test_a_primary_without_a_plugin_of_its_own() -> None:
    files = {FILE: encoded({"name": "cbr0", "cniVersion": "1.0.0"})}
    assert "lists no plugin" in refusal(files, Way.OWN_LIST)
    assert DROPPED in chained(files, Way.DROP_IN)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"type": "rail-sriov"}, "type: given by"),
        ({"name": "x", "prevResult": {}}, "name, prevResult: given by"),
        ({"mode": "sometimes"}, "mode is 'sometimes'"),
        ({"table": 254}, "table is 254"),
        ({"logLevel": "info", "x": float("nan")}, "not to be written as JSON"),
    ],
)
def test_keys_that_would_fail_every_pod(keys: dict[str, Any], words: str) -> None:
    for way in (Way.DROP_IN, Way.OWN_LIST):
        assert words in refusal(PLAIN, way, keys)


@pytest.mark.parametrize(
    "raw",
    [
        b"{", network(FLANNEL, PORTMAP), network(FLANNEL, OURS), network(OURS, FLANNEL, PORTMAP),
        network(FLANNEL, PORTMAP, OURS, OURS), network(FLANNEL, PORTMAP, OURS, name="b"),
        network(FLANNEL, PORTMAP, OURS, more=1), network(FLANNEL, PORTMAP, {**OURS, "x": 1}),
        network(FLANNEL, PORTMAP, OURS, cniVersion="0.4.0"),
    ],
)  # fmt: skip
def test_a_list_that_is_not_the_primarys_with_ours_is_not_let_through(raw: bytes) -> None:
    found = read(FILE, PLAIN[FILE])
    check(network(FLANNEL, PORTMAP, OURS), found, OURS, {})
    with pytest.raises(ConflistError):
        check(raw, found, OURS, {})


def test_what_is_written_is_read_anew_first() -> None:
    found = read(FILE, PLAIN[FILE])
    with pytest.raises(ConflistError, match="other plugins"):
        with_ours(found, {**OURS, "peers": ()})  # a list, once it is JSON
