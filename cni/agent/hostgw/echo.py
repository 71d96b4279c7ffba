"""The messages that nodes prove paths with.  Pure.

A request says nothing that its receiver believes; it is answered.  Only an answer counts: it
repeats a random number that was sent a moment ago, to that peer, on that way, and nobody else could
have signed it.  So what was recorded and is sent again proves nothing, and makes nobody leave.

    0  magic and version    4  kind    5  way    6  length of the word (2)    8  key's number (4)
    12 nonce (16)           28 the sender's node (16)    44 the receiver's node (16)
    60 word (JSON), padding, and at the end the signature of all before it (32)
"""

from __future__ import annotations

import hmac
import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from cni.agent.hostgw.keys import SIGNATURE, Key, Keys
from cni.kernel.types import Address

NONCE = 16
"""Octets."""
_MAGIC = b"RHG1"
_HEADER = struct.Struct("!4sBBH4s16s16s16s")
LEAST = _HEADER.size + SIGNATURE
"""Octets of the shortest message."""
_LONGEST_NAME = 64


class Kind(IntEnum):
    """What a message is."""

    REQUEST = 1
    ANSWER = 2


class Way(IntEnum):
    """How a message goes, which is also what an answer to it proves."""

    NODE = 1
    """From node address to node address: the peer's agent lives."""
    DIRECT = 2
    """From pod address to pod address, straight to the peer's node."""
    OVERLAY = 3
    """From pod address to pod address, over the overlay."""


class EchoError(Exception):
    """A message that is not taken; in a word, why."""


class UnknownKeyError(EchoError):
    """It names a key that is none of ours."""


@dataclass(frozen=True, slots=True)
class Echo:
    """One message."""

    kind: Kind
    way: Way
    nonce: bytes
    sender: Address
    """Both are the addresses of nodes, whatever addresses the packet had."""
    receiver: Address
    word: Word | None = None
    """What an answer from node to node says of its sender."""


@dataclass(frozen=True, slots=True)
class Word:
    """What an agent says of its node, and of its family's pod network there."""

    mode: str
    wireless: bool
    """Whether its uplink is."""
    probe: Address | None
    """A pod's address of its own, that echoes are sent to."""
    version: str
    """Of railcni."""
    leaving: bool = False
    """Whether it is about to end: its paths must not be used from now on."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to be sent."""

    echo: Echo
    source: Address
    """Of the packet, and by it of the socket; so is the next one."""
    target: Address
    size: int
    """Octets of the whole message."""


def pack(echo: Echo, key: Key, size: int = 0) -> bytes:
    """Return a message's octets.

    Args:
        echo: the message.
        key: signs it.
        size: octets to pad it to.
    """
    word = _word_to_json(echo.word) if echo.word else b""
    header = _HEADER.pack(
        _MAGIC, echo.kind, echo.way, len(word), key.number, echo.nonce,
        _to_octets(echo.sender), _to_octets(echo.receiver),
    )  # fmt: skip
    unsigned = (header + word).ljust(size - SIGNATURE, b"\0")
    return unsigned + key.sign(unsigned)


def unpack(data: bytes, keys: Keys) -> Echo:
    """Return the message in some octets.

    Raises:
        EchoError: they are none, or nobody who has a key of ours has made them.
    """
    if len(data) < LEAST or data[:4] != _MAGIC:
        raise EchoError("foreign")
    _, kind, way, length, number, nonce, sender, receiver = _HEADER.unpack_from(data)
    key = keys.named(number)
    if key is None:
        raise UnknownKeyError("unknown key")
    unsigned, signature = data[:-SIGNATURE], data[-SIGNATURE:]
    if not hmac.compare_digest(key.sign(unsigned), signature):
        raise EchoError("forged")
    try:
        words = unsigned[_HEADER.size : _HEADER.size + length]
        word = _word_from_json(words) if length else None
        addresses = _from_octets(sender), _from_octets(receiver)
        return Echo(Kind(kind), Way(way), nonce, *addresses, word)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise EchoError("malformed") from None


def _word_to_json(word: Word) -> bytes:
    probe = str(word.probe) if word.probe else ""
    return json.dumps({
        "mode": word.mode, "wireless": word.wireless, "probe": probe, "version": word.version,
        "leaving": word.leaving,
    }, separators=(",", ":")).encode()  # fmt: skip


def _word_from_json(text: bytes) -> Word:
    said = json.loads(text)
    return Word(
        mode=_name(said["mode"]),
        wireless=said["wireless"] is True,
        probe=ip_address(said["probe"]) if said["probe"] else None,
        version=_name(said["version"]),
        leaving=said["leaving"] is True,
    )


def _name(value: object) -> str:
    """Return a name that may be shown to a person."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise ValueError(value)
    return value


def _to_octets(address: Address) -> bytes:
    return address.packed if isinstance(address, IPv6Address) else _mapped(address)


def _mapped(address: IPv4Address) -> bytes:
    return bytes(10) + b"\xff\xff" + address.packed


def _from_octets(octets: bytes) -> Address:
    address = IPv6Address(octets)
    return address.ipv4_mapped or address
