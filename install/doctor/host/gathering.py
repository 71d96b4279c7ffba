"""The facts of a node, looked up in its kernel and its files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any

from cni.kernel.clock import Clock
from cni.kernel.interface import Kernel, Namespace
from cni.kernel.types import Link
from install.doctor.host.cni import wanted_programs
from install.doctor.host.facts import Agent, Aggregate, Facts, Program
from install.doctor.unknown import Unknown
from install.platforms import multus
from install.platforms.detection import detect
from install.platforms.platform import Platform, PlatformError
from install.platforms.root import Root

_NETWORKS = (".conf", ".conflist", ".json")
_VERSION = re.compile(r"/railcni\.d/versions/[^/]+-([0-9a-f]{16})/")
"""Where rail-install puts a bundle, with its build."""
_ELSEWHERE = ip_address("192.0.2.1"), ip_address("2001:db8::1")
"""Addresses that only the default routes lead to."""


@dataclass(frozen=True, slots=True)
class Node:
    """What a node is looked at by; tests put fakes here."""

    kernel: Kernel
    root: Root
    """Its files."""
    build: str
    """Of the bundle that looks."""
    ask: Callable[[], Agent]
    """Asks the agent."""
    clock: Callable[[], Clock]


def gather(
    node: Node,
    platform: tuple[PurePosixPath | None, PurePosixPath | None],
    rails: Collection[str],
    *,
    wants_rails: bool,
) -> Facts:
    """Look at a node.

    Args:
        node: which.
        platform: folders of the plugins and of the networks, where a person says them.
        rails: names of the host's devices that are rails, or made of them.
        wants_rails: whether pods of this node get rails.
    """
    host, unknown = node.kernel.host, Unknown()
    facts = Facts(node.build, wants_rails=wants_rails)
    try:
        facts = _of_runtime(node, facts, detect(node.root, *platform))
    except PlatformError as error:
        facts = replace(facts, platform_problem=str(error))
    with unknown:
        facts = replace(facts, agent=node.ask())
    with unknown:
        facts = replace(facts, bonds=_bonds(host, rails))
    with unknown:
        facts = replace(facts, clock=node.clock())
    return replace(facts, unknown=tuple(unknown.words))


def _of_runtime(node: Node, facts: Facts, platform: Platform) -> Facts:
    names = node.root.names(platform.cni_conf)
    return replace(
        facts,
        platform=platform,
        networks=[name for name in names if name.endswith(_NETWORKS)],
        multus=multus.find(node.root, platform),
        programs=[
            _program(node.root, platform, name)
            for name in wanted_programs(
                _plugins(node.root, platform), wants_rails=facts.wants_rails
            )
        ],
    )


def _plugins(root: Root, platform: Platform) -> set[str]:
    """Return which plugins the runtime's networks ask for."""
    found: set[str] = set()
    for name in root.names(platform.cni_conf):
        try:
            document: Any = json.loads(root.text(platform.cni_conf / name) or "null")
        except (ValueError, RecursionError, PlatformError):
            continue  # not ours to judge
        listed = document.get("plugins") if isinstance(document, dict) else None
        for plugin in listed if isinstance(listed, list) else ():
            found.add(str(plugin.get("type")) if isinstance(plugin, dict) else "")
    return found


def _program(root: Root, platform: Platform, name: str) -> Program:
    try:
        place = root.locate(platform.cni_bin / name)
    except PlatformError as error:
        return Program(name, exists=False, target=str(error))
    there = str(place) if place.name != name or place.parent.name == "railcni.d" else ""
    if not place.is_file():
        return Program(name, exists=False, target=there)
    found = _VERSION.search(str(place))
    return Program(
        name,
        exists=True,
        executable=bool(place.stat().st_mode & 0o111),
        target=str(place),
        build=found[1] if found else "",
    )


def _bonds(host: Namespace, rails: Collection[str]) -> list[Aggregate]:
    """Return the bonds that no rail is in."""
    links = {link.index: link for link in host.links()}
    ways = [way for there in _ELSEWHERE if (way := host.way_to(there))]
    out = {link.index for way in ways for link in _down_from(links, way.index)}
    found = []
    for link in links.values():
        bond = host.bond(link.index) if link.kind == "bond" else None
        ports = [port for port in links.values() if port.master == link.index]
        if bond and not any(port.name in rails for port in ports):
            found.append(Aggregate(link, bond, ports, leads_out=link.index in out))
    return found


def _down_from(links: Mapping[int, Link], index: int) -> Iterator[Link]:
    """Yield a link and what it stands on: a VLAN's bond, say, or a bridge's port."""
    waiting, seen = [index], set[int]()
    while waiting:
        here = waiting.pop()
        if here in links and here not in seen:
            seen.add(here)
            yield links[here]
            waiting.append(links[here].lower if links[here].lower_netnsid is None else 0)
            waiting += [link.index for link in links.values() if link.master == here]
