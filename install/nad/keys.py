"""Keys that nobody reads, and values that our plugins refuse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cni.protocol.config import Flaw, flaws
from cni.protocol.errors import CniError
from cni.protocol.request import Request
from cni.protocol.versions import Command
from cni.rail import config as rail_config
from cni.rail.config import RailConfig
from install.nad import kinds
from install.nad.positions import Path
from install.nad.remarks import Measure, Remark, error, warning
from install.nad.subject import Subject

_IFNAME = "net1"
"""What Multus calls a pod's first rail: a sysctl may name it."""


def unknown_keys(subject: Subject, _measure: Measure) -> Iterator[Remark]:
    """Name each key that no plugin reads."""
    is_list = "plugins" in subject.document
    if is_list:
        yield from _unknown(subject, subject.document, (), kinds.LIST_KEYS, "a list of plugins")
    for plugin in subject.plugins:
        known = kinds.plugin_keys(plugin.kind)
        if known is not None:
            yield from _unknown(subject, plugin.keys, plugin.path, known, plugin.kind)
    known = kinds.ipam_keys(subject.ipam_kind)
    if known is not None:
        yield from _unknown(subject, subject.ipam, subject.ipam_path, known, subject.ipam_kind)
    yield from _unknown_in_ranges(subject)


def _unknown_in_ranges(subject: Subject) -> Iterator[Remark]:
    if subject.ipam_kind != "host-local":
        return
    sets = subject.ipam.get("ranges")
    for outer, ranges in enumerate(sets if isinstance(sets, list) else []):
        for inner, one in enumerate(ranges if isinstance(ranges, list) else []):
            if isinstance(one, dict):
                path = (*subject.ipam_path, "ranges", str(outer), str(inner))
                yield from _unknown(subject, one, path, kinds.RANGE_KEYS, "host-local")


def _unknown(
    subject: Subject, keys: Iterable[str], path: Path, known: frozenset[str], kind: str
) -> Iterator[Remark]:
    for key in keys:
        if kinds.is_read(key, known, kind):
            continue
        meant = kinds.nearest(key, known)
        yield warning(
            subject.line((*path, key)),
            "unknown-key",
            f"{'.'.join((*path, key))} is no key of {kind}, and has no effect",
            "what it was to bring about does not happen, and nobody says so",
            *([f"did you mean {meant}?"] if meant else []),
        )


def refused_values(subject: Subject, _measure: Measure) -> Iterator[Remark]:
    """Name each value of the main plugin that rail-sriov, or sriov-cni alike, refuses."""
    plugin = subject.main
    if plugin.kind == "sriov":
        properties = {key: value for key, value in plugin.keys.items() if key in kinds.VF_KEYS}
        yield from as_remarks(subject, flaws(RailConfig, properties), plugin.path)
    elif plugin.kind == kinds.OURS:
        yield from as_remarks(subject, refused(plugin.keys), plugin.path)


def refused(keys: Mapping[str, Any]) -> tuple[Flaw, ...]:
    """Return what rail-sriov refuses of a plugin's keys, each value and what they are together.

    The device is told by Multus, so it is left out.
    """
    found = flaws(RailConfig, keys)
    if found:
        return found
    try:
        request = Request(Command.ADD, "1.0.0", keys, "nad", _IFNAME)
        rail_config.sysctls(rail_config.read(request), _IFNAME)
    except CniError as problem:
        return (Flaw(_named(problem.msg), problem.msg),)
    return ()


def as_remarks(subject: Subject, found: Iterable[Flaw], below: Path) -> Iterator[Remark]:
    """Return what models complain about, each with its line.

    A model that looks at several keys names none: then the message begins with the key.
    """
    for flaw in found:
        path = _named(flaw.text) if _is_vague(flaw) else flaw.key
        yield error(
            subject.line((*below, *path)),
            "malformed",
            flaw.text,
            "the plugin refuses it, and no pod that asks for this network starts",
        )


def _is_vague(flaw: Flaw) -> bool:
    return not flaw.key or flaw.key == ("ipam",)


def _named(text: str) -> Path:
    return tuple(text.partition(" ")[0].split("."))
