"""The ranges of other IPAM plugins: which subnets they are of, and what is wrong with them.

Sources: the pages of host-local and static (containernetworking/plugins), and of whereabouts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_interface, ip_network
from typing import Any, TypeVar

from install.nad import kinds
from install.nad.positions import Path
from install.nad.subject import Keys, Subject, text_of
from ipam import forms
from ipam.ranges import Address, Network

Problem = tuple[Path, str]
"""Where, and what was found and expected."""
_Value = TypeVar("_Value")


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the ranges of an IPAM plugin that is not ours."""
    readers = {"host-local": _host_local, "whereabouts": _whereabouts, "static": _static}
    reader = readers.get(subject.ipam_kind)
    if reader:
        yield from reader(subject.ipam, subject.ipam_path)


def subnets(subject: Subject) -> tuple[Network, ...]:
    """Return the subnets that a NAD's addresses are of, as far as they can be read."""
    section = subject.ipam
    match subject.ipam_kind:
        case "host-local":
            texts = [one.get("subnet") for _, one in _ranges(section, ())]
        case "whereabouts":
            texts = [one.get("range") for _, one in _pools(section, ())]
        case "static":
            listed = section.get("addresses")
            entries = listed if isinstance(listed, list) else []
            texts = [one.get("address") for one in entries if isinstance(one, dict)]
        case _:
            texts = _our_texts(section)
    found = (_loose(text) for text in texts)
    return tuple(dict.fromkeys(net for net in found if net is not None))


def _our_texts(section: Keys) -> list[object]:
    rails, rail = section.get("rails"), section.get("rail")
    value = section.get("subnet")
    if value is None and isinstance(rails, dict) and isinstance(rail, str):
        value = rails.get(rail)
    return value if isinstance(value, list) else [value]


def _loose(text: object) -> Network | None:
    """Return the network of a text such as 10.60.0.0/16, 10.60.0.7/16 or 10.60.0.7-10.60.0.9/16."""
    first, dash, last = text_of(text).partition("-")
    if dash:
        first = f"{first.strip()}/{last.partition('/')[2]}"
    try:
        return ip_network(first, strict=False) if "/" in first else None
    except ValueError:
        return None


def _host_local(section: Keys, path: Path) -> Iterator[Problem]:
    sets = section.get("ranges", [])
    if not isinstance(sets, list) or not all(isinstance(one, list) and one for one in sets):
        yield (*path, "ranges"), f"is {sets!r}, expected a list of lists of ranges"
        return
    ranges = list(_ranges(section, path))
    if not ranges:
        yield (*path, "ranges"), "is missing, expected one range at least"
    for where, one in ranges:
        yield from _range(one, where)


def _ranges(section: Keys, path: Path) -> Iterator[tuple[Path, Keys]]:
    """Return host-local's ranges; the older form has one beside the other keys."""
    if "subnet" in section:
        yield path, section
    sets = section.get("ranges")
    for outer, ranges in enumerate(sets if isinstance(sets, list) else []):
        for inner, one in enumerate(ranges if isinstance(ranges, list) else []):
            where = (*path, "ranges", str(outer), str(inner))
            yield where, one if isinstance(one, dict) else {}


def _range(one: Keys, path: Path) -> Iterator[Problem]:
    net, problem = _read(forms.subnet, one.get("subnet"))
    if net is None:
        yield (*path, "subnet"), problem
        return
    yield from _bounds(one, path, net, ("rangeStart", "rangeEnd"))
    yield from _member(one, path, net, "gateway")


def _bounds(one: Keys, path: Path, net: Network, keys: tuple[str, str]) -> Iterator[Problem]:
    """Judge the first and the last address of a range."""
    found: list[Address] = []
    for key in keys:
        yield from _member(one, path, net, key)
        address = _read(forms.address, one.get(key))[0]
        found.extend([address] if address is not None and address in net else [])
    if len(found) == len(keys) and int(found[0]) > int(found[1]):
        yield (*path, keys[0]), f"is {found[0]}, expected one not above {keys[1]}, {found[1]}"


def _member(one: Keys, path: Path, net: Network, key: str) -> Iterator[Problem]:
    """Judge an address that has to lie in a subnet, if it is there."""
    if not one.get(key):
        return
    address, problem = _read(forms.address, one[key])
    if address is None:
        yield (*path, key), problem
    elif address not in net:
        yield (*path, key), f"is {address}, expected one in {net}"


def _whereabouts(section: Keys, path: Path) -> Iterator[Problem]:
    pools = list(_pools(section, path))
    if not pools:
        yield (*path, "range"), "is missing, expected a range such as 10.60.0.0/16"
    for where, one in pools:
        net = _loose(one.get("range"))
        if net is None:
            yield (*where, "range"), f"is {one.get('range')!r}, expected a range as 10.60.0.0/16"
            continue
        yield from _bounds(one, where, net, ("range_start", "range_end"))
        yield from _excluded(one, where, net)
    if pools and (net := _loose(pools[0][1].get("range"))):
        yield from _member(section, path, net, "gateway")


def _pools(section: Keys, path: Path) -> Iterator[tuple[Path, Keys]]:
    if "range" in section:
        yield path, section
    listed = section.get("ipRanges")
    for number, one in enumerate(listed if isinstance(listed, list) else []):
        yield (*path, "ipRanges", str(number)), one if isinstance(one, dict) else {}


def _excluded(one: Keys, path: Path, net: Network) -> Iterator[Problem]:
    listed = one.get("exclude", [])
    for number, entry in enumerate(listed if isinstance(listed, list) else [listed]):
        excluded = _loose(entry) or _loose(f"{entry}/32")
        if excluded is None or not excluded.overlaps(net):
            where = (*path, "exclude", str(number))
            yield where, f"is {entry!r}, expected a network of {net}"


def _static(section: Keys, path: Path) -> Iterator[Problem]:
    listed = section.get("addresses", [])
    for number, one in enumerate(listed if isinstance(listed, list) else [listed]):
        where = (*path, "addresses", str(number))
        text = one.get("address") if isinstance(one, dict) else None
        if "/" not in text_of(text):
            yield (*where, "address"), f"is {text!r}, expected an address such as 10.60.0.7/16"
            continue
        try:
            interface = ip_interface(text_of(text))
        except ValueError:
            yield (*where, "address"), f"is {text!r}, expected an address such as 10.60.0.7/16"
            continue
        yield from _member(one, where, interface.network, "gateway")


def _read(read: Callable[[object], _Value], value: Any) -> tuple[_Value | None, str]:
    """Return a value as it is meant, or None and what was found and expected."""
    try:
        return read(value), ""
    except ValueError as expected:
        found = "is missing" if value is None else f"is {value!r}"
        return None, f"{found}, expected {expected}"


def is_our_kind(subject: Subject) -> bool:
    """Tell whether rail-ipam gives a NAD's addresses."""
    return subject.ipam_kind == kinds.OUR_IPAM
