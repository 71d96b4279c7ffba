"""The steps of an nftables rule: what it loads into a register, compares, and does.

Source: the kernel's nf_tables.h, and the `_init` of each expression for what it takes.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cni.kernel import netlink
from cni.kernel import nft_attributes as nfta
from cni.kernel.netlink import attribute
from cni.kernel.nft_messages import nested, number, text

LINK_HEADER, NETWORK_HEADER = 0, 1
"""NFT_PAYLOAD_*_HEADER: what an offset counts from."""
META_MARK, META_IIF, META_IIFTYPE = 3, 4, 8
"""NFT_META_*."""
REGISTER = 1
"""Of sixteen bytes, NFT_REG_1."""
NARROW_REGISTER, NARROW = 8, 4
"""The first of NFT_REG32_*, which lie one behind the other; each has so many bytes."""
_INVERTED = 1
_EQUAL = 0
_VERDICT_REGISTER, _DROP = 0, 0


@dataclass(frozen=True, slots=True)
class Expression:
    """One step of a rule, by the number of each attribute."""

    name: str
    attributes: Mapping[int, bytes] = field(default_factory=dict)


def load_payload(base: int, offset: int, length: int, register: int = REGISTER) -> Expression:
    """Return `@BASE,OFFSET,LENGTH`, in bytes; what is left of the last register is zeros."""
    return _expression(
        "payload",
        number(nfta.PAYLOAD_DREG, register),
        number(nfta.PAYLOAD_BASE, base),
        number(nfta.PAYLOAD_OFFSET, offset),
        number(nfta.PAYLOAD_LEN, length),
    )


def load_meta(key: int, register: int = REGISTER) -> Expression:
    """Return `meta KEY`."""
    return _expression("meta", number(nfta.META_DREG, register), number(nfta.META_KEY, key))


def set_meta(key: int) -> Expression:
    """Return `meta KEY set` what is in the register."""
    return _expression("meta", number(nfta.META_SREG, REGISTER), number(nfta.META_KEY, key))


def bitwise(mask: bytes, flip: bytes, register: int = REGISTER) -> Expression:
    """Return `& mask ^ flip` of a register, and as many of those behind it as the mask is long."""
    return _expression(
        "bitwise",
        number(nfta.BITWISE_SREG, register),
        number(nfta.BITWISE_DREG, register),
        number(nfta.BITWISE_LEN, len(mask)),
        attribute(nfta.BITWISE_MASK, attribute(nfta.DATA_VALUE, mask)),
        attribute(nfta.BITWISE_XOR, attribute(nfta.DATA_VALUE, flip)),
    )


def equals(value: bytes) -> Expression:
    """Return `== value` of the register."""
    return _expression(
        "cmp",
        number(nfta.CMP_SREG, REGISTER),
        number(nfta.CMP_OP, _EQUAL),
        attribute(nfta.CMP_DATA, attribute(nfta.DATA_VALUE, value)),
    )


def is_in(name: str, register: int = REGISTER) -> Expression:
    """Return `@NAME`: go on with what is in a set."""
    return _lookup(name, register, 0)


def is_not_in(name: str, register: int = REGISTER) -> Expression:
    """Return `!= @NAME`: go on with what is not in a set."""
    return _lookup(name, register, _INVERTED)


def count() -> Expression:
    """Return `counter`."""
    return Expression("counter")


def drop() -> Expression:
    """Return `drop`."""
    verdict = netlink.attribute(nfta.DATA_VERDICT, number(nfta.VERDICT_CODE, _DROP))
    return _expression(
        "immediate",
        number(nfta.IMMEDIATE_DREG, _VERDICT_REGISTER),
        attribute(nfta.IMMEDIATE_DATA, verdict),
    )


def rule(steps: Iterable[Expression]) -> bytes:
    """Return the attribute that holds the steps of a rule."""
    said = (
        nested(
            nfta.LIST_ELEM,
            text(nfta.EXPR_NAME, step.name),
            nested(nfta.EXPR_DATA, *(attribute(*one) for one in step.attributes.items())),
        )
        for step in steps
    )
    return nested(nfta.RULE_EXPRESSIONS, *said)


def _lookup(name: str, register: int, flags: int) -> Expression:
    return _expression(
        "lookup",
        text(nfta.LOOKUP_SET, name),
        number(nfta.LOOKUP_SREG, register),
        number(nfta.LOOKUP_FLAGS, flags),
    )


def _expression(name: str, *attributes: bytes) -> Expression:
    return Expression(name, dict(netlink.attributes(b"".join(attributes))))
