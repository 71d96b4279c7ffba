"""The store in memory does what a running etcd does, whatever it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipam.etcd.errors import RefusedError
from ipam.etcd.interface import (
    Compare,
    Delete,
    Done,
    Etcd,
    Event,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Order,
    Outcome,
    Put,
    Relation,
    Target,
    Txn,
)
from ipam.etcd.memory import MemoryEtcd
from tests.contract.etcd.worlds import EtcdWorld
from tests.etcd.given import WITHIN, collect, revision
from tests.etcd.releases import NAMES

KEYS = [f"/random/{name}" for name in "abcd"]
ALL = Keys.below("/random/")
VALUES = [b"", b"1", b"2"]

key = st.sampled_from(KEYS)
keys = st.builds(Keys, key) | st.builds(Keys, key, key) | st.just(ALL)
numbers = st.integers(0, 3)
compares = st.one_of(
    st.builds(
        Compare,
        keys,
        st.sampled_from([Target.VERSION, Target.LEASE]),
        numbers,
        st.sampled_from(Relation),
    ),
    st.builds(
        Compare,
        keys,
        st.sampled_from([Target.CREATE, Target.MOD]),
        st.just(0),
        st.sampled_from(Relation),
    ),
    st.builds(
        Compare, keys, st.just(Target.VALUE), st.sampled_from(VALUES), st.sampled_from(Relation)
    ),
)
gets = st.builds(
    Get,
    keys,
    limit=numbers,
    order=st.none() | st.sampled_from(Order),
    keys_only=st.booleans(),
    count_only=st.booleans(),
)
simple: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Put, key, st.sampled_from(VALUES)), st.builds(Delete, keys), gets
)


def txns(operations: st.SearchStrategy[Operation]) -> st.SearchStrategy[Txn]:
    """Return transactions of some operations."""
    branch = st.lists(operations, max_size=3).map(tuple)
    return st.builds(Txn, st.lists(compares, max_size=2).map(tuple), branch, branch)


whole = txns(st.recursive(simple, txns, max_leaves=6))


def run(etcd: Etcd, asked: list[Txn]) -> list[object]:
    """Do transactions one after the other; return the answers, as if the first revision were 0."""
    etcd.txn(Txn(then=(Delete(ALL),)), WITHIN)
    start = revision(etcd)
    answers: list[object] = []
    for txn in asked:
        try:
            answers.append(relative(etcd.txn(txn, WITHIN), start))
        except RefusedError:
            answers.append("refused")
    end = etcd.txn(Txn(then=(Put("/random/end", b""),)), WITHIN).revision
    history = [etcd.get(Get(ALL, revision=one), WITHIN).found for one in range(start, end + 1)]
    events: list[Event] = []
    with etcd.watch(ALL, start) as batches:
        while not events or events[-1].entry.mod_revision < end:
            events += collect(batches, 1)
    told = [(one.entry.key, one.entry.value, one.deleted) for one in events]
    when = [one.entry.mod_revision - start for one in events]
    return [answers, [relative(one, start) for one in history], told, when]


def relative(value: object, start: int) -> object:
    """Return an answer whose revisions count from another one."""
    match value:
        case KeyValue():
            created, modified = value.create_revision - start, value.mod_revision - start
            return replace(value, create_revision=created, mod_revision=modified)
        case Found():
            return [relative(one, start) for one in value.entries], value.count, value.more
        case Done():
            return value.succeeded, [relative(one, start) for one in value.answers]
        case Outcome():
            return relative(value.done, start), value.revision - start
        case _:
            return value


@pytest.mark.etcd
@pytest.mark.parametrize("name", NAMES)
def test_both_answer_the_same(name: str, worlds: Callable[[str], EtcdWorld]) -> None:
    real, memory = worlds(name).store, MemoryEtcd(idle=0.1)

    @settings(max_examples=30, deadline=None, database=None)
    @given(st.lists(whole, min_size=1, max_size=6))
    def same(asked: list[Txn]) -> None:
        assert run(memory, asked) == run(real, asked)

    same()
