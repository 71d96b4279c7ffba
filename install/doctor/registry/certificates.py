"""Until when a certificate is valid, out of its PEM.  Pure.

Python's ssl tells that of a peer's certificate alone.  Source: RFC 5280, section 4.1.2.5.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_SEQUENCE, _VERSION = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_LONG = 0x80
_CENTURY = 50
"""Two digits of a year below this are of this century."""


def ends(pem: bytes) -> datetime:
    """Return when the first of the certificates in a file ends.

    Raises:
        ValueError: there is none, or one that cannot be read.
    """
    found = [_end(base64.b64decode(match[1])) for match in _PEM.finditer(pem)]
    if not found:
        raise ValueError("there is no certificate in PEM in it")
    return min(found)


def _end(der: bytes) -> datetime:
    try:
        _, certificate = next(_values(der))
        _, signed = next(_values(certificate))
        parts = [part for part in _values(signed) if part[0] != _VERSION]
        _, validity = parts[3]  # behind serial number, algorithm and issuer
        _, (tag, end) = _values(validity)
        return _time(tag, end.decode("ascii"))
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("a certificate in it cannot be read") from error


def _time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        text = f"{'20' if int(text[:2]) < _CENTURY else '19'}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a certificate's end is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each value of a run of them (DER)."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & _LONG:
            octets = length & ~_LONG
            length, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        yield tag, data[at : at + length]
        at += length
