"""The policy of iptables-legacy, which nftables does not show.

Sources: the kernel's x_tables.h, ip_tables.h and ip6_tables.h.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from cni.kernel import libc

_TABLE = "filter"
_FORWARD = 2
"""NF_INET_FORWARD, the place of the chain among a table's hooks."""
_GET_INFO, _GET_ENTRIES = 64, 65
_DROP = -1
"""A verdict is stored as -NF_DROP - 1."""
# Table, hooks, then five entry points, five policies' offsets, how many entries, their bytes.
_INFO = struct.Struct("@32sI5I5III")
_POLICIES = 7
_ENTRIES = struct.Struct("@32sI0Q")
_TARGET = struct.Struct("@H29sB")
_VERDICT = struct.Struct("@i")


@dataclass(frozen=True, slots=True)
class _Family:
    program: str
    names: str
    """The file that says which tables there are: to ask for one that is not would make it."""
    domain: int
    level: int
    entry: struct.Struct
    """An entry's head: what it matches, a mark, the offsets of target and end, and counters."""


_FAMILIES = (
    _Family(
        "iptables-legacy", "ip_tables_names", socket.AF_INET, socket.SOL_IP,
        struct.Struct("@84sIHHIQQ"),
    ),
    _Family(
        "ip6tables-legacy", "ip6_tables_names", socket.AF_INET6, socket.IPPROTO_IPV6,
        struct.Struct("@136sIHHIQQ"),
    ),
)  # fmt: skip
# `/proc/net` is of the process's first thread, which may be in another namespace.
_PROC = Path("/proc/thread-self/net")


def dropping_forward() -> list[str]:
    """Return `PROGRAM filter FORWARD` where it drops (`iptables-legacy -S FORWARD`).

    Of the calling thread's namespace; nothing is made or loaded by asking.

    Raises:
        OSError: what the kernel answered.
    """
    return [
        f"{family.program} {_TABLE} FORWARD"
        for family in _FAMILIES
        if _has_table(family.names) and _drops(family)
    ]


def _has_table(names: str) -> bool:
    try:
        return _TABLE in (_PROC / names).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return False


def _drops(family: _Family) -> bool:
    with socket.socket(family.domain, socket.SOCK_RAW, socket.IPPROTO_RAW) as asker:
        named = struct.pack("32s", _TABLE.encode())
        info = _ask(asker, family, _GET_INFO, named + bytes(_INFO.size - len(named)))
        numbers = _INFO.unpack(info)
        size = numbers[-1]
        question = _ENTRIES.pack(_TABLE.encode(), size) + bytes(size)
        entries = _ask(asker, family, _GET_ENTRIES, question)[_ENTRIES.size :]
    return verdict(entries, numbers[_POLICIES + _FORWARD], family.entry) == _DROP


def _ask(asker: socket.socket, family: _Family, option: int, question: bytes) -> bytes:
    return libc.getsockopt(asker.fileno(), family.level, option, question)


def verdict(entries: bytes, offset: int, entry: struct.Struct) -> int:
    """Return what a chain's policy says.

    Args:
        entries: those of the whole table.
        offset: of the policy among them.
        entry: what an entry begins with.
    """
    _, _, target, _, *_ = entry.unpack_from(entries, offset)
    (found,) = _VERDICT.unpack_from(entries, offset + target + _TARGET.size)
    return int(found)
