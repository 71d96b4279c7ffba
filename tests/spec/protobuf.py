"""Protocol Buffers by hand: as much of the encoding as a kubelet's messages need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Fields = dict[int, int | bytes]
"""A decoded message; of a repeated field, the last."""

_VARINT, _BYTES = 0, 2
"""Wire types."""
_TYPE = 0b111
_MORE, _BITS = 0x80, 0x7F


def message(field: int, value: bytes) -> bytes:
    """Encode a field that is a message or a string of bytes."""
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """Encode a field that is a text."""
    return message(field, value.encode())


def texts(field: int, values: Iterable[str]) -> bytes:
    """Encode a repeated field of texts."""
    return b"".join(text(field, value) for value in values)


def number(field: int, value: int) -> bytes:
    """Encode a field that is a whole number from 0, an enumeration's value or a truth."""
    return _varint(field << 3) + _varint(value)


def pairs(field: int, values: Mapping[str, str]) -> bytes:
    """Encode a map, or a repeated field of keys and values, which looks the same."""
    return b"".join(message(field, text(1, key) + text(2, value)) for key, value in values.items())


def decode(encoded: bytes) -> Fields:
    """Return a message's fields by their numbers."""
    return dict(_fields(encoded))


def mapping(encoded: bytes, field: int) -> dict[str, str]:
    """Return a field of a message that is a map of texts."""
    entries = [decode(value) for found, value in _fields(encoded)
               if found == field and isinstance(value, bytes)]  # fmt: skip
    return {text_of(entry, 1): text_of(entry, 2) for entry in entries}


def _fields(encoded: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(encoded):
        key, position = _read(encoded, position)
        value, position = _read(encoded, position)
        if key & _TYPE == _VARINT:
            yield key >> 3, value
            continue
        assert key & _TYPE == _BYTES, f"wire type {key & _TYPE} of field {key >> 3}"
        yield key >> 3, encoded[position : position + value]
        position += value


def text_of(fields: Fields, field: int) -> str:
    """Return a text of a decoded message; empty where it has none."""
    value = fields.get(field, b"")
    assert isinstance(value, bytes)
    return value.decode()


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > _BITS:
        encoded.append(value & _BITS | _MORE)
        value >>= 7
    return bytes(encoded) + bytes([value])


def _read(encoded: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = encoded[position]
        position += 1
        value |= (byte & _BITS) << shift
        if byte < _MORE:
            return value, position
        shift += 7
