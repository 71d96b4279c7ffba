"""The ways into the primary's network: which one, what it takes, and the way out.

Each is a function from a folder's files to the same with our plugin chained in; on its own output
it changes nothing.  ADR 18 says why they are these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cni.delegate.network import LIST
from cni.hostgw.config import HostgwConfig
from cni.protocol.config import PROTOCOL_KEYS, parse
from cni.protocol.errors import CniError
from install.conflist.document import (
    OURS,
    ConflistError,
    Keys,
    Network,
    read,
    refuse_unchained,
    with_ours,
    without_ours,
)
from install.conflist.folder import (
    COPY,
    DROPPED_IN,
    KEPT,
    MARKER,
    OWN_NAMES,
    Change,
    Files,
    Primary,
    by_name,
    differences,
    dropped_in,
    is_copy,
    is_dropped_in,
    is_own_list,
    primary,
    read_copy,
    refuse_dropped_in,
    refuse_multus_on_ours,
)


class Way(StrEnum):
    """How our plugin gets into the primary's network."""

    DROP_IN = "drop-in"
    """A file in the network's own folder; needs a runtime with libcni 1.3."""
    K3S_COPY = "k3s-copy"
    """A list that K3s copies over its own at each start (`--flannel-cni-conf`)."""
    OWN_LIST = "own-list"
    """A list of ours that sorts before the primary's file and has its plugins."""
    IN_PLACE = "in-place"
    """The primary's own file; only when asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to change in a folder."""

    changes: tuple[Change, ...]
    like: str = ""
    """The file whose mode new files get."""


def choose(files: Files, *, drops_in: bool, is_k3s: bool) -> Way:
    """Return the way that suits a folder; never the one that edits in place.

    Args:
        files: the folder's.
        drops_in: whether every runtime that reads it has libcni 1.3 or later.
        is_k3s: whether K3s's own flannel is the primary.

    Raises:
        ConflistError: there is no network, or none of the ways suits it.
    """
    found = primary(files)
    if drops_in and found.network.has_drop_ins:
        return Way.DROP_IN
    if is_k3s:
        return Way.K3S_COPY
    if found.behind_multus:
        raise ConflistError(
            f"Multus attaches pods by {found.network.file}: a list of ours would not be read by "
            f"it, or take its place; choose {Way.IN_PLACE}, or {Way.DROP_IN} with a Multus that "
            "has libcni 1.3"
        )
    return Way.OWN_LIST


def chain(files: Files, keys: Keys, way: Way) -> Plan:
    """Return what chains our plugin into the primary's network, by this way alone.

    Args:
        files: the folder's.
        keys: our plugin's, without what the protocol owns.
        way: see there.

    Raises:
        ConflistError: in words; nothing is to be changed then.
    """
    cleared = _leave(files, except_for=way)
    found = primary(cleared)
    refuse_dropped_in(found.network, cleared)
    enter = _ENTERED[way]
    return Plan(differences(files, enter(cleared, found, _entry(keys))), found.network.file)


def unchain(files: Files, *, is_copied: bool = True) -> Plan:
    """Return what takes our plugin out again, whichever way it came in.

    Args:
        files: the folder's.
        is_copied: whether K3s may still be told to copy a list of ours; it does not start without
            the file, which therefore stays then, without our plugin.

    Raises:
        ConflistError: in words; nothing is to be changed then.
    """
    cleared = _leave(files)
    if not is_copied:
        cleared = _without(cleared, is_copy)
    return Plan(differences(files, cleared))


def _leave(files: Files, *, except_for: Way | None = None) -> Files:
    refuse_multus_on_ours(files)
    cleared = files
    for way, leave in _LEFT.items():
        if way is not except_for:
            cleared = leave(cleared)
    return cleared


def _entry(keys: Keys) -> Keys:
    reserved = sorted(PROTOCOL_KEYS & keys.keys())
    if reserved:
        raise ConflistError(f"{', '.join(reserved)}: given by the network, not by {OURS}")
    try:
        parse(HostgwConfig, keys)
    except CniError as error:
        raise ConflistError(str(error)) from None
    return {"type": OURS, **keys}


def _without(files: Files, is_ours: Callable[[str, Files], bool]) -> Files:
    return {name: raw for name, raw in files.items() if not is_ours(name, files)}


# ── a file in the network's own folder ───────────────────────────────────────────────────────────


def _drop_in(files: Files, found: Primary, plugin: Keys) -> Files:
    network = found.network
    if not network.has_drop_ins:
        raise ConflistError(
            f"{network.file} takes nothing that is dropped in: it is no {LIST} file, or says "
            "loadOnlyInlinedPlugins"
        )
    if network.has_ours:
        raise ConflistError(
            f"{network.file} lists {OURS} itself: take it out there, or leave it as it is"
        )
    refuse_unchained(network)
    cleared, name = _leave_drop_in(files), f"{network.name}/{DROPPED_IN}"
    _refuse_foreign(name, cleared)
    return {**cleared, name: dropped_in(plugin)}


def _leave_drop_in(files: Files) -> Files:
    return _without(files, is_dropped_in)


# ── a list for K3s to copy ───────────────────────────────────────────────────────────────────────


def _copy_for_k3s(files: Files, found: Primary, plugin: Keys) -> Files:
    name = found.network.file + COPY
    if not is_copy(name, files):
        _refuse_foreign(name, files)
    return {**files, name: with_ours(found.network, plugin)}


def _leave_copy(files: Files) -> Files:
    """Take ours out of the copy, and out of the primary's file where K3s has put it."""
    cleared = dict(files)
    for name, raw in files.items():
        if is_copy(name, files):
            file = name.removesuffix(COPY)
            cleared[name] = without_ours(read_copy(name, raw))
            if files.get(file) == raw:
                cleared[file] = cleared[name]
    return cleared


# ── a list of our own ────────────────────────────────────────────────────────────────────────────


def _list_of_our_own(files: Files, found: Primary, plugin: Keys) -> Files:
    file = found.network.file
    if found.behind_multus:
        raise ConflistError(
            f"Multus attaches pods by {file}: a list of ours would not be read by it, or take its "
            f"place; choose {Way.IN_PLACE} or {Way.DROP_IN}"
        )
    cleared = _leave_own_list(files)
    for name in OWN_NAMES:
        if by_name(name) < by_name(file):  # and free: what has it would be the primary's file
            marker = {MARKER: {"copyOf": file}}
            return {**cleared, name: with_ours(found.network, plugin, marker)}
    raise ConflistError(
        f"no name of ours sorts before {file}: rename that, so that it begins with a number such "
        "as 10-"
    )


def _leave_own_list(files: Files) -> Files:
    return _without(files, is_own_list)


# ── the primary's own file ───────────────────────────────────────────────────────────────────────


def _edit_in_place(files: Files, found: Primary, plugin: Keys) -> Files:
    file = found.network.file
    if not file.endswith(LIST):
        raise ConflistError(
            f"{file} is a single plugin, which cannot become a list in place: choose {Way.OWN_LIST}"
        )
    original = _original(found.network, files)
    return {**files, file + KEPT: original, file: with_ours(read(file, original), plugin)}


def _leave_place(files: Files) -> Files:
    """Restore each file that we have kept; a file that is gone since stays gone."""
    cleared = {name: raw for name, raw in files.items() if not name.endswith(KEPT)}
    for name in files.keys() - cleared.keys():
        file = name.removesuffix(KEPT)
        if file in files:
            cleared[file] = _original(read(file, files[file]), files)
    return cleared


def _original(network: Network, files: Files) -> bytes:
    """Return a file's content before ours came in.

    It is what was kept, byte for byte, unless somebody else has changed the file since.
    """
    now, kept = files[network.file], files.get(network.file + KEPT)
    if kept is None or not network.has_ours:
        return now
    ours = network.plugins[-1]
    if not network.others or _is_made_of(now, kept, network.file, ours):
        return kept
    return without_ours(network)


def _is_made_of(now: bytes, kept: bytes, file: str, ours: Keys) -> bool:
    try:
        return with_ours(read(file, kept), ours) == now
    except ConflistError:
        return False


def _refuse_foreign(name: str, files: Files) -> None:
    if name in files:
        raise ConflistError(f"{name} is there and is not ours: rename it, or remove it")


_ENTERED: Mapping[Way, Callable[[Files, Primary, Keys], Files]] = {
    Way.DROP_IN: _drop_in,
    Way.K3S_COPY: _copy_for_k3s,
    Way.OWN_LIST: _list_of_our_own,
    Way.IN_PLACE: _edit_in_place,
}
_LEFT: Mapping[Way, Callable[[Files], Files]] = {
    Way.DROP_IN: _leave_drop_in,
    Way.K3S_COPY: _leave_copy,
    Way.OWN_LIST: _leave_own_list,
    Way.IN_PLACE: _leave_place,
}
