"""What a network device leaves to its hardware, by SIOCETHTOOL.

Source: the kernel's ethtool.h and `ethtool_get_features`.
"""

from __future__ import annotations

import socket
import struct

from cni.kernel import ethtool

_GSTRINGS, _GSSET_INFO, _GFEATURES = 0x1B, 0x37, 0x3A
_FEATURES = 4
"""ETH_SS_FEATURES, the set of the features' names."""
_NAME_LENGTH = 32
_PER_BLOCK = 32
_SET_INFO = struct.Struct("=IxxxxQI")
_STRINGS = struct.Struct("=III")
_BLOCKS = struct.Struct("=II")
_BLOCK = struct.Struct("=IIII")
_ACTIVE = 2
"""Which word of a block says what is on."""


def is_on(device: str, feature: str) -> bool | None:
    """Return whether a feature of a device is on (`ethtool -k DEVICE`).

    Args:
        device: of the calling thread's namespace.
        feature: by the kernel's name: `tx-checksum-ip-generic`.

    Returns:
        None where the device or its driver knows no such feature.

    Raises:
        OSError: what the kernel answered.
    """
    with ethtool.asker() as asker:
        names = _names(asker, device)
        if feature not in names:
            return None
        return _is_active(_features(asker, device, len(names)), names.index(feature))


def _names(asker: socket.socket, device: str) -> list[str]:
    answer = ethtool.ask(asker, device, _SET_INFO.pack(_GSSET_INFO, 1 << _FEATURES, 0))
    if answer is None:
        return []
    *_, count = _SET_INFO.unpack(answer)
    room = bytes(count * _NAME_LENGTH)
    answer = ethtool.ask(asker, device, _STRINGS.pack(_GSTRINGS, _FEATURES, count) + room)
    names = answer or b""
    start = range(_STRINGS.size, len(names), _NAME_LENGTH)
    return [names[at : at + _NAME_LENGTH].partition(b"\0")[0].decode("ascii") for at in start]


def _features(asker: socket.socket, device: str, count: int) -> bytes:
    blocks = -(-count // _PER_BLOCK)
    room = bytes(blocks * _BLOCK.size)
    return ethtool.ask(asker, device, _BLOCKS.pack(_GFEATURES, blocks) + room) or b""


def _is_active(features: bytes, number: int) -> bool:
    block, bit = divmod(number, _PER_BLOCK)
    words = _BLOCK.unpack_from(features, _BLOCKS.size + block * _BLOCK.size)
    return bool(words[_ACTIVE] >> bit & 1)
