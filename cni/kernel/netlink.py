"""Netlink by a plain socket, for messages that pyroute2 has not or encodes wrongly.

Sources: netlink(7) and the kernel's netlink.h.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Container, Iterable, Iterator

ROUTE, NETFILTER, GENERIC, RDMA = 0, 12, 16, 20
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
EXCLUSIVE, CREATE = 0x200, 0x400
NESTED = 0x8000
"""Of an attribute's type: it holds attributes."""

_SOL_NETLINK = 270
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_ADD_MEMBERSHIP = 1
_LEAST_TO_SEND = 1 << 17
_CAP_ACK, _EXT_ACK, _STRICT = 10, 11, 12
_ERROR, _DONE = 2, 3
_CAPPED, _ACK_TLVS = 0x100, 0x200
_INTERRUPTED = 0x10
_ERROR_WORDS = 1
# Without the flags for nested attributes and for big-endian ones.
_TYPE = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=i")
_ALIGNMENT = 4
_SEQUENCE = 1
# A link with many VFs is one long message.
_LONGEST = 1 << 18
_PATIENCE = 5.0
"""Seconds; the kernel works before it lets the sending return, so the answer is there by then."""


def attribute(kind: int, payload: bytes) -> bytes:
    """Return an attribute, padded."""
    header = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind)
    return header + payload + bytes(-len(payload) % _ALIGNMENT)


def attributes(
    data: bytes, start: int = 0, wanted: Container[int] | None = None
) -> list[tuple[int, bytes]]:
    """Return the type and payload of each attribute of a run of them.

    Args:
        data: a message's body, or a payload.
        start: where the attributes begin in it.
        wanted: their types; None for all.
    """
    found = []
    last = len(data) - _ATTRIBUTE.size
    while start <= last:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size:
            break
        kind &= _TYPE
        if wanted is None or kind in wanted:
            found.append((kind, data[start + _ATTRIBUTE.size : start + length]))
        start += length + -length % _ALIGNMENT
    return found


def message(kind: int, flags: int, body: bytes = b"") -> bytes:
    """Return a request; it must ask for an acknowledgement or a dump, so that it has an end."""
    return _HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, _SEQUENCE, 0) + body


def ask(protocol: int, request: bytes, *, strictly: bool = False) -> list[bytes]:
    """Send a request in the calling thread's namespace; return the bodies of the answers.

    Args:
        protocol: ROUTE, NETFILTER, GENERIC or RDMA.
        request: what to ask.
        strictly: let the kernel leave out of a dump what the request does not name; before Linux
            4.20 it does not.

    Raises:
        OSError: what the kernel answered; EINTR when a dump changed while it was read.
    """
    with open_asker(protocol) as asker:
        if strictly:
            be_strict(asker, strictly=True)
        return exchange(asker, request)


def open_asker(protocol: int) -> socket.socket:
    """Return a socket for questions to the calling thread's namespace, from any thread."""
    asker = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    for option in (_CAP_ACK, _EXT_ACK):
        asker.setsockopt(_SOL_NETLINK, option, 1)
    asker.connect((0, 0))  # only the kernel may answer: who is in the namespace could, too
    asker.settimeout(_PATIENCE)
    return asker


def be_strict(asker: socket.socket, *, strictly: bool) -> None:
    """Have dumps narrowed down (`ask`), or not."""
    with contextlib.suppress(OSError):
        asker.setsockopt(_SOL_NETLINK, _STRICT, strictly)


def exchange(asker: socket.socket, request: bytes) -> list[bytes]:
    """Send a request; return the bodies of the messages before the acknowledgement.

    Raises:
        OSError: what the kernel answered; ETIMEDOUT when it did not, EINTR when a dump changed
            while it was read.
    """
    asker.send(request)
    answers: list[bytes] = []
    interrupted = False
    while True:
        try:
            data, sender = asker.recvfrom(_LONGEST)
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        if sender and sender[0]:
            continue  # a process's, from before it was connected
        for kind, flags, body in _messages(data):
            interrupted |= kind != _ERROR and bool(flags & _INTERRUPTED)
            if kind in {_ERROR, _DONE}:
                _require_success(flags, body)
                if interrupted:
                    raise InterruptedError(errno.EINTR, "the table changed while it was read")
                return answers
            answers.append(body)


def commit(asker: socket.socket, batch: bytes) -> None:
    """Send requests that are done together or not at all; the last one asks for the answer.

    Raises:
        OSError: what the kernel answered to the first that it refused, or to all of them.
    """
    asker.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, max(_LEAST_TO_SEND, 2 * len(batch)))
    asker.send(batch)
    # Whatever it says, it has said before it lets the sending return.
    asker.settimeout(0)
    answers: list[tuple[int, bytes]] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, sender = asker.recvfrom(_LONGEST)
            if not (sender and sender[0]):
                answers += [
                    (flags, body) for kind, flags, body in _messages(data) if kind == _ERROR
                ]
    if not answers:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    for flags, body in answers:
        _require_success(flags, body)


def open_listener(groups: Iterable[int], room: int) -> socket.socket:
    """Return a socket that hears what rtnetlink tells of the calling thread's namespace.

    It does not wait.  Who has not read it soon enough gets ENOBUFS, once (`hear`).

    Args:
        groups: RTNLGRP_*.
        room: for what has not been read, in octets; the kernel doubles it for what it adds.
    """
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, ROUTE)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
        listener.connect((0, 0))  # as for an asker
        for group in groups:
            listener.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        listener.close()
        raise
    return listener


def hear(listener: socket.socket) -> bytes:
    """Return messages of the kernel, for `split`; none of what somebody else has sent."""
    data, sender = listener.recvfrom(_LONGEST)
    return b"" if sender and sender[0] else data


def split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence number and body of each message."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += _aligned(max(length, _HEADER.size))


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, flags and body of each message of ours."""
    for kind, flags, sequence, body in split(data):
        if sequence == _SEQUENCE:
            yield kind, flags, body


def _require_success(flags: int, body: bytes) -> None:
    # A dump's end states an error as an acknowledgement does.
    (number,) = _NUMBER.unpack_from(body)
    if not number:
        return
    words = b""
    if flags & _ACK_TLVS and flags & _CAPPED:
        # The request's header stands between the number and what is said about it.
        words = dict(attributes(body[_NUMBER.size + _HEADER.size :])).get(_ERROR_WORDS, b"")
    raise OSError(-number, words.rstrip(b"\0").decode(errors="replace") or os.strerror(-number))


def _aligned(length: int) -> int:
    return length + -length % _ALIGNMENT
