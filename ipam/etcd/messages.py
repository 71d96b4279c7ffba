"""Our types to etcd's messages and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError

from ipam.etcd import etcd_pb2 as pb
from ipam.etcd.errors import EtcdError
from ipam.etcd.interface import (
    Answer,
    Compare,
    Delete,
    Deleted,
    Done,
    Event,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Order,
    Put,
    Target,
    Txn,
    Written,
)

# ── there ─────────────────────────────────────────────────────────────────────────────────────────

_SORTS = {
    Order.KEY_UP: (pb.RangeRequest.KEY, pb.RangeRequest.ASCEND),
    Order.KEY_DOWN: (pb.RangeRequest.KEY, pb.RangeRequest.DESCEND),
    Order.CREATED_UP: (pb.RangeRequest.CREATE, pb.RangeRequest.ASCEND),
    Order.CREATED_DOWN: (pb.RangeRequest.CREATE, pb.RangeRequest.DESCEND),
    Order.MODIFIED_UP: (pb.RangeRequest.MOD, pb.RangeRequest.ASCEND),
    Order.MODIFIED_DOWN: (pb.RangeRequest.MOD, pb.RangeRequest.DESCEND),
}


def _bytes(key: str) -> bytes:
    # What is no UTF-8 comes through unchanged, both ways.
    return key.encode("utf-8", "surrogateescape")


def describe(keys: Keys) -> str:
    """Return keys as a message names them."""
    return repr(keys.first) if keys.end is None else f"{keys.first!r} to {keys.end!r}"


def range_request(asked: Get) -> pb.RangeRequest:
    """Return a read."""
    request = pb.RangeRequest(
        key=_bytes(asked.keys.first),
        range_end=_bytes(asked.keys.end or ""),
        limit=asked.limit,
        revision=asked.revision,
        serializable=asked.serializable,
        keys_only=asked.keys_only,
        count_only=asked.count_only,
    )
    if asked.order is not None:
        request.sort_target, request.sort_order = _SORTS[asked.order]
    return request


def txn_request(asked: Txn) -> pb.TxnRequest:
    """Return a transaction."""
    return pb.TxnRequest(
        compare=[_compare(each) for each in asked.compares],
        success=[_operation(each) for each in asked.then],
        failure=[_operation(each) for each in asked.otherwise],
    )


def _compare(asked: Compare) -> pb.Compare:
    compare = pb.Compare(
        result=asked.relation.name,
        target=asked.target.name,
        key=_bytes(asked.keys.first),
        range_end=_bytes(asked.keys.end or ""),
    )
    match asked.target, asked.operand:
        case Target.VALUE, bytes(value):
            compare.value = value
        case Target.VERSION, int(number):
            compare.version = number
        case Target.CREATE, int(number):
            compare.create_revision = number
        case Target.MOD, int(number):
            compare.mod_revision = number
        case Target.LEASE, int(number):
            compare.lease = number
        case _:
            raise TypeError(f"{asked.target.name} is not compared with {asked.operand!r}")
    return compare


def _operation(asked: Operation) -> pb.RequestOp:
    match asked:
        case Put(key, value, lease):
            put = pb.PutRequest(key=_bytes(key), value=value, lease=lease)
            return pb.RequestOp(request_put=put)
        case Delete(keys):
            delete = pb.DeleteRangeRequest(key=_bytes(keys.first), range_end=_bytes(keys.end or ""))
            return pb.RequestOp(request_delete_range=delete)
        case Get():
            return pb.RequestOp(request_range=range_request(asked))
        case Txn():
            return pb.RequestOp(request_txn=txn_request(asked))


# ── and back ──────────────────────────────────────────────────────────────────────────────────────

MessageT = TypeVar(
    "MessageT",
    pb.RangeResponse,
    pb.TxnResponse,
    pb.LeaseGrantResponse,
    pb.LeaseKeepAliveResponse,
    pb.AuthenticateResponse,
    pb.WatchResponse,
)


def parsed(kind: type[MessageT], data: bytes) -> MessageT:
    """Read an answer (EtcdError)."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise EtcdError(f"what answers is no etcd of API v3: {error}") from error


def _entry(kv: pb.KeyValue) -> KeyValue:
    return KeyValue(
        kv.key.decode("utf-8", "surrogateescape"),
        kv.value,
        kv.create_revision,
        kv.mod_revision,
        kv.version,
        kv.lease,
    )


def found(answer: pb.RangeResponse) -> Found:
    """Return what a read found."""
    return Found(tuple(_entry(kv) for kv in answer.kvs), answer.count, answer.more)


def done(answer: pb.TxnResponse) -> Done:
    """Return what a transaction did."""
    return Done(answer.succeeded, tuple(_answer(each) for each in answer.responses))


def _answer(answer: pb.ResponseOp) -> Answer:
    match answer.WhichOneof("response"):
        case "response_range":
            return found(answer.response_range)
        case "response_delete_range":
            return Deleted(answer.response_delete_range.deleted)
        case "response_txn":
            return done(answer.response_txn)
        case _:
            return Written()


# ── watching ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Notice:
    """What etcd says on a watch."""

    events: tuple[Event, ...]
    revision: int
    """The store's, which may be far ahead of the events."""
    own: bool
    """It is about the watch itself, so that it comes after all events up to its revision; what
    answers a request for progress is not, before etcd 3.4.25 and 3.5.8."""
    partial: bool
    """The rest of its last revision follows."""
    created: bool
    canceled: bool
    compacted: int
    """Above 0, the watch is over: the oldest revision to watch from."""
    reason: str


def watch(keys: Keys, start: int) -> bytes:
    """Return the request to watch keys from a revision on."""
    create = pb.WatchCreateRequest(
        key=_bytes(keys.first),
        range_end=_bytes(keys.end or ""),
        start_revision=start,
        progress_notify=True,
        fragment=True,
    )
    return pb.WatchRequest(create_request=create).SerializeToString()


def progress() -> bytes:
    """Return the request to tell how far a watch is."""
    return pb.WatchRequest(progress_request=pb.WatchProgressRequest()).SerializeToString()


def notice(data: bytes) -> Notice:
    """Read what came on a watch (EtcdError)."""
    said = parsed(pb.WatchResponse, data)
    return Notice(
        tuple(Event(_entry(each.kv), each.type == pb.Event.DELETE) for each in said.events),
        said.header.revision,
        said.watch_id >= 0,
        said.fragment,
        said.created,
        said.canceled,
        said.compact_revision,
        said.cancel_reason,
    )
