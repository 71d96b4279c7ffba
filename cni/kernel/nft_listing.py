"""What nftables lists, and whether it is the table that marks.

Source: the kernel's nf_tables.h, and the `_dump` of each expression for what it tells.  Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from cni.kernel import netlink, nft_marking, nft_messages, nft_tables
from cni.kernel import nft_attributes as nfta
from cni.kernel.marking import Marking
from cni.kernel.nft_expressions import Expression
from cni.kernel.nft_messages import as_four, as_number, as_text, text


def request(kind: int, family: int, table: str) -> bytes:
    """`nft list chains|sets|ruleset`, as far as the kernel leaves out what other tables have."""
    return nft_messages.dump(kind, family, text(nfta.TABLE, table))


def elements_request(family: int, table: str, name: str) -> bytes:
    """`nft list set FAMILY TABLE NAME`."""
    which = text(nfta.TABLE, table) + text(nfta.SET_ELEM_LIST_SET, name)
    return nft_messages.dump(nft_messages.GET_ELEMENT, family, which)


def tables(found: Iterable[bytes], table: str) -> dict[int, int]:
    """Return the versions that have a table of this name, and its flags."""
    versions = {family: version for version, family in nft_tables.FAMILY_OF.items()}
    return {
        versions[family]: as_number(stated.get(nfta.TABLE_FLAGS, b""))
        for family, stated in map(nft_messages.read, found)
        if family in versions and as_text(stated[nfta.TABLE]) == table
    }


def lengths(found: Iterable[bytes], table: str, stem: str) -> list[int]:
    """Return the prefix lengths that a table has a set for, whose name is the stem and that."""
    names = (as_text(stated[nfta.SET_NAME]) for stated in _of(found, table))
    form = re.compile(rf"{stem}(\d+)")
    return [int(match[1]) for name in names if (match := form.fullmatch(name))]


def elements(found: Iterable[bytes]) -> Iterator[tuple[bytes, float]]:
    """Yield the keys that are still in a set, and for how many seconds."""
    for body in found:
        _, stated = nft_messages.read(body)
        for _, element in netlink.attributes(stated.get(nfta.SET_ELEM_LIST_ELEMENTS, b"")):
            of = dict(netlink.attributes(element))
            key = dict(netlink.attributes(of[nfta.SET_ELEM_KEY]))[nfta.DATA_VALUE]
            left = of.get(nfta.SET_ELEM_EXPIRATION)
            # Some kernels list one that has expired; one of somebody else's may have no time.
            seconds = math.inf if left is None else as_number(left) / 1000
            if seconds:
                yield key, seconds


def has_chains(found: Iterable[bytes], marking: Marking) -> bool:
    """Return whether the chains are those of a marking, and no others."""
    listed = {}
    for stated in _of(found, marking.table):
        hook = dict(netlink.attributes(stated.get(nfta.CHAIN_HOOK, b"")))
        listed[as_text(stated[nfta.CHAIN_NAME])] = (
            as_text(stated.get(nfta.CHAIN_TYPE, b"")),
            hook.get(nfta.HOOK_HOOKNUM),
            hook.get(nfta.HOOK_PRIORITY),
            stated.get(nfta.CHAIN_POLICY),
        )
    return listed == {
        chain.name: (
            chain.kind, as_four(chain.hook), as_four(chain.priority), as_four(nft_tables.ACCEPT),
        )
        for chain in nft_marking.CHAINS
    }  # fmt: skip


def has_sets(found: Iterable[bytes], marking: Marking, version: int) -> bool:
    """Return whether the sets are those of a marking, and no others."""
    listed = {
        as_text(stated[nfta.SET_NAME]): (stated.get(nfta.SET_FLAGS), stated.get(nfta.SET_KEY_LEN))
        for stated in _of(found, marking.table)
    }
    expected = as_four(nft_tables.WITH_TIMEOUT), as_four(nft_tables.LENGTHS[version])
    names = map(nft_marking.set_name, nft_marking.lengths(marking, version))
    return listed == dict.fromkeys(names, expected)


def has_rules(found: Iterable[bytes], marking: Marking, version: int) -> bool:
    """Return whether the rules are those of a marking, in their order, and no others."""
    names = {chain.name for chain in nft_marking.CHAINS}
    listed: dict[str, list[list[Expression]]] = {name: [] for name in names}
    for stated in _of(found, marking.table):
        rule = _expressions(stated.get(nfta.RULE_EXPRESSIONS, b""))
        listed.setdefault(as_text(stated[nfta.RULE_CHAIN]), []).append(rule)
    expected = nft_marking.rules(marking, version)
    return listed.keys() == names and all(
        len(rules) == len(expected) and all(map(_says, rules, expected))
        for rules in listed.values()
    )


def _of(found: Iterable[bytes], table: str) -> Iterator[dict[int, bytes]]:
    """Yield what is in a table of this name."""
    for body in found:
        _, stated = nft_messages.read(body)
        if as_text(stated[nfta.TABLE]) == table:
            yield stated


def _expressions(said: bytes) -> list[Expression]:
    found = []
    for _, one in netlink.attributes(said):
        of = dict(netlink.attributes(one))
        details = dict(netlink.attributes(of.get(nfta.EXPR_DATA, b"")))
        found.append(Expression(as_text(of[nfta.EXPR_NAME]), details))
    return found


def _says(rule: list[Expression], expected: list[Expression]) -> bool:
    """Return whether a rule says what is expected; it tells more, such as what it has counted."""
    return len(rule) == len(expected) and all(
        one.name == wanted.name and one.attributes.items() >= wanted.attributes.items()
        for one, wanted in zip(rule, expected, strict=True)
    )
