"""What is asked of etcd: the services that are called, with what, and how the answer is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ipam.etcd import etcd_pb2 as pb
from ipam.etcd import messages
from ipam.etcd.interface import Delete, Get, Keys, Listing, Outcome, Put, Txn

AnswerT = TypeVar("AnswerT")
WATCH = "/etcdserverpb.Watch/Watch"
"""The method that is a stream in both directions."""
_SHOWN = 3
"""How many keys of a transaction an error names."""


@dataclass(frozen=True, slots=True)
class Call(Generic[AnswerT]):
    """A request on its way, and how its answer is read."""

    method: str
    about: str
    """For an error's text: what is asked."""
    request: bytes = field(repr=False)
    decode: Callable[[bytes], AnswerT] = field(repr=False)
    stream: bool = False
    """A stream, of which one request and one answer are used."""
    alone: bool = False
    """A member may answer that has no leader."""


def get(asked: Get) -> Call[Listing]:
    """Read a range."""

    def decode(data: bytes) -> Listing:
        answer = messages.parsed(pb.RangeResponse, data)
        return Listing(messages.found(answer), answer.header.revision)

    return Call(
        "/etcdserverpb.KV/Range",
        f"reading {messages.describe(asked.keys)}",
        messages.range_request(asked).SerializeToString(),
        decode,
        alone=asked.serializable,
    )


def txn(asked: Txn) -> Call[Outcome]:
    """Do a transaction."""

    def decode(data: bytes) -> Outcome:
        answer = messages.parsed(pb.TxnResponse, data)
        return Outcome(messages.done(answer), answer.header.revision)

    keys = list(dict.fromkeys(_keys(asked)))
    about = ", ".join(messages.describe(each) for each in keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return Call(
        "/etcdserverpb.KV/Txn",
        f"a transaction on {about}{more}",
        messages.txn_request(asked).SerializeToString(),
        decode,
    )


def grant(seconds: int) -> Call[int]:
    """Make a lease; the answer is its number."""
    return Call(
        "/etcdserverpb.Lease/LeaseGrant",
        f"a lease of {seconds} s",
        pb.LeaseGrantRequest(TTL=seconds).SerializeToString(),
        lambda data: messages.parsed(pb.LeaseGrantResponse, data).ID,
    )


def keep_alive(lease: int) -> Call[int]:
    """Keep a lease alive; the answer is its time in seconds, 0 when there is no such lease."""
    return Call(
        "/etcdserverpb.Lease/LeaseKeepAlive",
        f"keeping lease {lease:x} alive",
        pb.LeaseKeepAliveRequest(ID=lease).SerializeToString(),
        lambda data: messages.parsed(pb.LeaseKeepAliveResponse, data).TTL,
        stream=True,
    )


def revoke(lease: int) -> Call[None]:
    """End a lease."""
    return Call(
        "/etcdserverpb.Lease/LeaseRevoke",
        f"revoking lease {lease:x}",
        pb.LeaseRevokeRequest(ID=lease).SerializeToString(),
        lambda _: None,
    )


def authenticate(user: str, password: str) -> Call[str]:
    """Log in; the answer is the token."""
    return Call(
        "/etcdserverpb.Auth/Authenticate",
        "the login",
        pb.AuthenticateRequest(name=user, password=password).SerializeToString(),
        lambda data: messages.parsed(pb.AuthenticateResponse, data).token,
    )


def _keys(asked: Txn) -> Iterable[Keys]:
    yield from (each.keys for each in asked.compares)
    for each in (*asked.then, *asked.otherwise):
        match each:
            case Put(key):
                yield Keys(key)
            case Delete(keys) | Get(keys):
                yield keys
            case Txn():
                yield from _keys(each)
