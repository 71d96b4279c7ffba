"""Policy rules as rtnetlink says them.

By hand: since Linux 6.15 a rule with a port comes back with an attribute that pyroute2 has not.
Source: the kernel's fib_rules.h, and `fib_nl_fill_rule` for what it tells of each rule.  Pure.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from cni.kernel import netlink
from cni.kernel.types import Network, Rule

_RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 32, 33, 34
_HEADER = struct.Struct("=5B2xBI")
_NUMBER = struct.Struct("=I")
_PORTS = struct.Struct("=HH")
_DST, _SRC, _PRIORITY, _FWMARK, _SUPPRESS, _TABLE, _FWMASK = 1, 2, 6, 10, 14, 15, 16
_PROTOCOL, _IP_PROTO, _SPORT_RANGE, _DPORT_RANGE, _SPORT_MASK, _DPORT_MASK = 21, 22, 23, 24, 28, 29
_PLAIN = frozenset({
    _DST, _SRC, _PRIORITY, _FWMARK, _SUPPRESS, _TABLE, _FWMASK,
    _PROTOCOL, _IP_PROTO, _SPORT_RANGE, _DPORT_RANGE, _SPORT_MASK, _DPORT_MASK,
})  # fmt: skip
"""What a rule may carry and still say no more than a `Rule` does."""
_TO_TABLE = 1
_INVERT = 0x2
_NO_SUPPRESSION = _NUMBER.pack(0xFFFF_FFFF)
_WHOLE_PORT = b"\xff\xff"
_NONE = _NUMBER.pack(0)
_RT_TABLE_COMPAT = 252
_LARGEST_SHORT_TABLE = 255
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_ANYWHERE: Mapping[int, Network] = {
    socket.AF_INET: ip_network("0.0.0.0/0"),
    socket.AF_INET6: ip_network("::/0"),
}


def list_request() -> bytes:
    """`ip rule show; ip -6 rule show`."""
    return netlink.message(_RTM_GETRULE, netlink.DUMP, bytes(_HEADER.size))


def request(rule: Rule, *, add: bool) -> bytes:
    """`ip rule add|del …` (`words`)."""
    stated = {_TABLE: _NUMBER.pack(rule.table), _PRIORITY: _NUMBER.pack(rule.priority)}
    if rule.source.prefixlen:
        stated[_SRC] = rule.source.network_address.packed
    if rule.to:
        stated[_DST] = rule.to.network_address.packed
    if rule.mark or rule.mask:
        # Without its mask a mark is compared with all of a packet's.
        stated |= {_FWMARK: _NUMBER.pack(rule.mark), _FWMASK: _NUMBER.pack(rule.mask)}
    if rule.ip_protocol:
        stated[_IP_PROTO] = bytes([rule.ip_protocol])
    if rule.port:
        stated[_DPORT_RANGE] = _PORTS.pack(rule.port, rule.port)
    if rule.source_port:
        stated[_SPORT_RANGE] = _PORTS.pack(rule.source_port, rule.source_port)
    if rule.protocol:
        stated[_PROTOCOL] = bytes([rule.protocol])
    header = _HEADER.pack(
        _FAMILIES[rule.source.version],
        rule.to.prefixlen if rule.to else 0,
        rule.source.prefixlen,
        0,
        rule.table if rule.table <= _LARGEST_SHORT_TABLE else _RT_TABLE_COMPAT,
        _TO_TABLE,
        0,
    )
    body = header + b"".join(netlink.attribute(kind, value) for kind, value in stated.items())
    if add:
        flags = netlink.ACK | netlink.CREATE | netlink.EXCLUSIVE
        return netlink.message(_RTM_NEWRULE, flags, body)
    return netlink.message(_RTM_DELRULE, netlink.ACK, body)


def rule(body: bytes) -> Rule | None:
    """Read RTM_NEWRULE; None when it says more than a `Rule` can."""
    family, to_length, source_length, tos, _, action, flags = _HEADER.unpack_from(body)
    stated = dict(netlink.attributes(body[_HEADER.size :]))
    first, last = _PORTS.unpack(stated.get(_DPORT_RANGE, bytes(_PORTS.size)))
    source_first, source_last = _PORTS.unpack(stated.get(_SPORT_RANGE, bytes(_PORTS.size)))
    if (
        family not in _ANYWHERE
        or action != _TO_TABLE
        or flags & _INVERT
        or tos
        or not stated.keys() <= _PLAIN
        or stated.get(_SUPPRESS, _NO_SUPPRESSION) != _NO_SUPPRESSION
        or first != last
        or source_first != source_last
        or stated.get(_DPORT_MASK, _WHOLE_PORT) != _WHOLE_PORT
        or stated.get(_SPORT_MASK, _WHOLE_PORT) != _WHOLE_PORT
    ):
        return None
    return Rule(
        source=_network(stated.get(_SRC), source_length) or _ANYWHERE[family],
        table=_number(stated, _TABLE),
        priority=_number(stated, _PRIORITY),
        to=_network(stated.get(_DST), to_length),
        protocol=stated.get(_PROTOCOL, b"\0")[0],
        mark=_number(stated, _FWMARK),
        mask=_number(stated, _FWMASK),
        ip_protocol=stated.get(_IP_PROTO, b"\0")[0],
        port=first,
        source_port=source_first,
    )


def words(rule: Rule) -> str:
    """Return a rule the way `ip rule` is told."""
    said = [f"from {rule.source}"]
    if rule.to:
        said.append(f"to {rule.to}")
    if rule.mark or rule.mask:
        said.append(f"fwmark {rule.mark:#x}/{rule.mask:#x}")
    if rule.ip_protocol:
        said.append(f"ipproto {rule.ip_protocol}")
    if rule.source_port:
        said.append(f"sport {rule.source_port}")
    if rule.port:
        said.append(f"dport {rule.port}")
    said.append(f"lookup {rule.table} priority {rule.priority}")
    if rule.protocol:
        said.append(f"protocol {rule.protocol}")
    return " ".join(said)


def _number(stated: Mapping[int, bytes], kind: int) -> int:
    (number,) = _NUMBER.unpack(stated.get(kind, _NONE))
    return int(number)


def _network(prefix: bytes | None, length: int) -> Network | None:
    return ip_network((ip_address(prefix), length)) if prefix else None
