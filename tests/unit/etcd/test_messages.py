"""Our types on the wire and back; that etcd means the same by them, the contract tests show."""

from __future__ import annotations

import pytest

from ipam.etcd import calls, messages
from ipam.etcd import etcd_pb2 as pb
from ipam.etcd.errors import EtcdError
from ipam.etcd.interface import (
    Compare,
    Delete,
    Deleted,
    Done,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Order,
    Put,
    Relation,
    Target,
    Txn,
    Written,
    absent,
    value_is,
)

KV = pb.KeyValue(key=b"/a", value=b"v", create_revision=2, mod_revision=5, version=3, lease=7)
ENTRY = KeyValue("/a", b"v", 2, 5, 3, 7)


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("relation", Relation)
def test_every_compare_has_its_number_on_the_wire(target: Target, relation: Relation) -> None:
    operand = b"v" if target is Target.VALUE else 3
    request = messages.txn_request(Txn((Compare(Keys("a", "c"), target, operand, relation),)))
    (compare,) = request.compare
    assert (compare.target, compare.result) == (target.value, relation.value)
    assert (compare.key, compare.range_end) == (b"a", b"c")
    (_, (field, value)) = (None, compare.ListFields()[-2])
    assert value == operand
    assert field.number == 4 + target.value


@pytest.mark.parametrize(("target", "operand"), [(Target.VALUE, 1), (Target.MOD, b"1")])
def test_a_compare_with_another_kind_of_operand_is_a_defect(
    target: Target, operand: int | bytes
) -> None:
    with pytest.raises(TypeError, match=target.name):
        calls.txn(Txn((Compare(Keys("a"), target, operand),)))


@pytest.mark.parametrize("order", Order)
def test_every_order_is_known(order: Order) -> None:
    request = messages.range_request(Get(Keys("a"), order=order))
    way = pb.RangeRequest.ASCEND if order.name.endswith("_UP") else pb.RangeRequest.DESCEND
    assert request.sort_order == way
    assert order.name.startswith(pb.RangeRequest.SortTarget.Name(request.sort_target)[:3])


def test_an_error_names_the_first_keys_of_a_transaction() -> None:
    inner: tuple[Operation, ...] = (Put("/c", b"secret"), Delete(Keys("/d", "/e")), Get(Keys("/f")))
    call = calls.txn(Txn((absent("/a"), value_is("/a", b"x")), (Txn((), inner),)))
    assert call.about == "a transaction on '/a', '/c', '/d' to '/e' and 1 more"


def test_what_is_asked_is_not_in_a_calls_repr() -> None:
    assert "secret" not in repr(calls.authenticate("rail", "secret"))


def test_a_nested_transactions_answer() -> None:
    inner = pb.TxnResponse(
        succeeded=True,
        responses=[
            pb.ResponseOp(response_delete_range=pb.DeleteRangeResponse(deleted=4)),
            pb.ResponseOp(response_range=pb.RangeResponse(kvs=[KV], more=True, count=9)),
        ],
    )
    outer = pb.TxnResponse(
        header=pb.ResponseHeader(revision=12),
        responses=[
            pb.ResponseOp(response_put=pb.PutResponse()),
            pb.ResponseOp(response_txn=inner),
        ],
    )
    outcome = calls.txn(Txn()).decode(outer.SerializeToString())
    found = Found((ENTRY,), 9, more=True)
    assert outcome.done == Done(False, (Written(), Done(True, (Deleted(4), found))))  # noqa: FBT003
    assert outcome.revision == 12


def test_a_key_that_is_no_text_comes_through_unchanged() -> None:
    raw = b"/\xff\x00\xe2\x82"
    answer = pb.RangeResponse(kvs=[pb.KeyValue(key=raw)], count=1)
    (entry,) = calls.get(Get(Keys("/"))).decode(answer.SerializeToString()).found.entries
    assert messages.range_request(Get(Keys(entry.key))).key == raw


def test_an_answer_that_is_none_is_an_error_of_etcds() -> None:
    with pytest.raises(EtcdError, match="no etcd of API v3"):
        calls.get(Get(Keys("a"))).decode(b"<html>")
