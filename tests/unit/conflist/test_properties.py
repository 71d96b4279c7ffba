"""What holds for every folder and every way."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from install.conflist.document import ConflistError
from install.conflist.folder import Files, by_name
from install.conflist.ways import Way, chain, choose, unchain
from tests.unit.conflist.folders import FOLDERS, KEYS, LISTS, after

WAYS = st.sampled_from(Way)
OTHER_KEYS = {"mode": "always"}


def chained(files: Files, way: Way, keys: dict[str, Any] = KEYS) -> dict[str, bytes]:
    """Chain ours in; an example that the way does not suit is no example."""
    try:
        return after(files, chain(files, keys, way))
    except ConflistError as refusal:
        assume("choose" not in str(refusal) and "dropped in" not in str(refusal))
        assume("sorts before" not in str(refusal))
        raise


def effective(files: Files) -> list[dict[str, Any]]:
    """Return the plugins that a runtime with libcni 1.3 runs, read with none of our code."""
    first = min((n for n in files if n.endswith((".conf", ".conflist"))
                 and "/" not in n), key=by_name)  # fmt: skip
    document = json.loads(files[first])
    if first.endswith(".conf"):
        return [document]
    dropped = sorted(n for n in files if n.startswith(f"{document['name']}/"))
    return [*document["plugins"], *(json.loads(files[name]) for name in dropped)]


@given(FOLDERS, WAYS)
def test_once_is_enough(files: Files, way: Way) -> None:
    once = chained(files, way)
    assert chain(once, KEYS, way).changes == ()


@given(FOLDERS, st.lists(WAYS, min_size=1, max_size=4))
def test_whatever_way_it_came_in_the_way_out_leaves_what_was_there(
    files: Files, ways: list[Way]
) -> None:
    now = dict(files)
    for way in ways:
        now = chained(now, way)
    out = after(now, unchain(now, is_copied=False))
    assert out == files
    assert unchain(out).changes == ()


@given(FOLDERS, WAYS)
def test_ours_is_run_last_and_once_and_nothing_else_changes(files: Files, way: Way) -> None:
    before = effective(files)
    now = chained(files, way)
    if way is Way.K3S_COPY:
        primary = min(files, key=by_name)
        now = {"10.conflist": now[f"{primary}.with-rail-hostgw"]}
    assert effective(now) == [*before, {"type": "rail-hostgw", **KEYS}]


@given(FOLDERS, st.lists(WAYS, min_size=2, max_size=4))
def test_the_last_way_is_the_only_one(files: Files, ways: list[Way]) -> None:
    now = dict(files)
    for way in ways:
        now = chained(now, way)
    direct = chained(files, ways[-1])
    copies = {name for name in now if name.endswith(".with-rail-hostgw")}
    assert {n: raw for n, raw in now.items() if n not in copies - direct.keys()} == direct
    assert all(b"rail-hostgw" not in now[name] for name in copies - direct.keys())


@given(FOLDERS, WAYS, LISTS)
def test_it_follows_a_primary_that_was_rewritten(files: Files, way: Way, rewritten: bytes) -> None:
    primary = min(files, key=by_name)
    assume(primary.endswith(".conflist"))
    now = chained(files, way) | {primary: rewritten}
    fresh = {**files, primary: rewritten}
    assert after(now, chain(now, KEYS, way)) == chained(fresh, way)


@given(FOLDERS, WAYS)
def test_other_keys_replace_the_former_ones(files: Files, way: Way) -> None:
    now = chained(files, way)
    assert after(now, chain(now, OTHER_KEYS, way)) == chained(files, way, OTHER_KEYS)


@given(FOLDERS)
def test_our_own_list_is_the_first_file(files: Files) -> None:
    now = chained(files, Way.OWN_LIST)
    (ours,) = now.keys() - files.keys()
    assert min(now, key=by_name) == ours


@given(FOLDERS, WAYS)
def test_what_is_kept_is_written_first_and_removed_last(files: Files, way: Way) -> None:
    now = chained(files, way)
    for plan in (chain(files, KEYS, way), unchain(now)):
        order = [(change.after is None, not change.name.endswith(".without-rail-hostgw"))
                 for change in plan.changes]  # fmt: skip
        assert all(one <= other for one, other in pairwise(order))


@given(FOLDERS, st.booleans(), st.booleans())
def test_what_is_chosen_is_possible(files: Files, drops_in: bool, is_k3s: bool) -> None:  # noqa: FBT001 - drawn
    way = choose(files, drops_in=drops_in, is_k3s=is_k3s)
    assert way is not Way.IN_PLACE
    assert chained(files, way) != files
