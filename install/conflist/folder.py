"""A folder of networks: which file is the primary's, which are ours, and what is to change."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cni.delegate.network import FILES, LIST, decode
from cni.protocol.errors import CniError
from install.conflist.document import OURS, ConflistError, Keys, Network, encode, read

Files = Mapping[str, bytes]
"""Content by name, a dropped-in file's as `<network>/<file>`."""

OWN_NAMES = tuple(f"{prefix}{OURS}{LIST}" for prefix in ("00-", "0-", "0--"))
"""Our own list's, in order of preference: the first that sorts before the primary's file."""
DROPPED_IN = f"99-{OURS}.conf"
"""Our file in a network's folder, after those of others."""
_DROPPED_IN = re.compile(rf"[^/]+/[0-9]{{2}}-{OURS}\.conf")
"""With any number: the README once had it dropped in by hand."""
COPY = f".with-{OURS}"
"""Added to the primary's name: the list that K3s is to copy; no runtime reads it."""
KEPT = f".without-{OURS}"
"""Added to the primary's name: its content before ours came in; no runtime reads it."""
MARKER = OURS
"""The key of our own list that names the file it copies."""
_MULTUS = frozenset({"multus", "multus-shim"})


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is to be written or removed."""

    name: str
    before: bytes | None
    """None where there is no such file."""
    after: bytes | None
    """None where there is to be none."""


@dataclass(frozen=True, slots=True)
class Primary:
    """The network that pods get first, and whether Multus stands before it."""

    network: Network
    behind_multus: bool = False


def by_name(name: str) -> bytes:
    """Return what runtimes sort a file by: Go compares bytes."""
    return os.fsencode(name)


def primary(files: Files) -> Primary:
    """Return the primary's network: ours and Multus's files apart, the first by name.

    Raises:
        ConflistError: there is none, it is malformed, or Multus does not say which it is.
    """
    candidates = [
        name
        for name in sorted(files, key=by_name)
        if "/" not in name and name.endswith(FILES) and not is_own_list(name, files)
    ]
    if not candidates:
        raise ConflistError(
            f"the folder has no network, expected a {', '.join(FILES)} file: "
            "install the cluster's network first"
        )
    first = read(candidates[0], files[candidates[0]])
    if not _is_multus(first):
        return Primary(first)
    others = {name: files[name] for name in candidates[1:]}
    return Primary(_behind(first, others), behind_multus=True)


def is_own_list(name: str, files: Files) -> bool:
    """Tell whether a file is a list that we have made; by its name alone it is not."""
    return name in OWN_NAMES and MARKER in _object(files.get(name, b""))


def is_dropped_in(name: str, files: Files) -> bool:
    """Tell whether a file is our plugin, dropped into a network."""
    return bool(_DROPPED_IN.fullmatch(name)) and _object(files.get(name, b"")).get("type") == OURS


def refuse_dropped_in(network: Network, files: Files) -> None:
    """Raise when our plugin is dropped into a network under a name that is not ours."""
    for name, raw in files.items():
        is_beside = name.startswith(f"{network.name}/") and not is_dropped_in(name, files)
        if is_beside and _object(raw).get("type") == OURS:
            raise ConflistError(f"{name} is {OURS} already: remove it, or leave it as it is")


def is_copy(name: str, files: Files) -> bool:
    """Tell whether a file is the list that we have made for K3s to copy."""
    if "/" in name or not name.endswith(COPY):
        return False
    try:
        return bool(read_copy(name, files.get(name, b"")).others)
    except ConflistError:
        return False


def read_copy(name: str, raw: bytes) -> Network:
    """Return the network that K3s is to copy, which is a list whatever its name."""
    return read(f"{name}{LIST}", raw)


def refuse_multus_on_ours(files: Files) -> None:
    """Raise when Multus attaches pods by a list of ours, whose removal would stop them all."""
    for name, plugin in _multus_plugins(files):
        named = plugin.get("clusterNetwork")
        ours = posixpath.basename(named) if isinstance(named, str) else ""
        if is_own_list(ours, files):
            raise ConflistError(
                f"{name} has taken {ours} for the cluster's network, which is a list of ours: let "
                "Multus name the file that this one copies, and restart it"
            )


def copies(files: Files) -> tuple[str, ...]:
    """Return Multus's files with a copy of a network in which our plugin is.

    Multus makes them when it starts (`--multus-conf-file=auto`), and does not look again.
    """
    return tuple(
        name
        for name, multus in _multus_plugins(files)
        for delegate in _objects(multus.get("delegates"))
        if OURS in {plugin.get("type") for plugin in _objects(delegate.get("plugins"))}
    )


def _multus_plugins(files: Files) -> Iterator[tuple[str, Keys]]:
    """Return the files that are Multus's, and its own keys in them."""
    for name in sorted(files, key=by_name):
        if "/" not in name and name.endswith(FILES):
            document = _object(files[name])
            for plugin in (document, *_objects(document.get("plugins"))):
                if plugin.get("type") in _MULTUS:
                    yield name, plugin


def _objects(value: Any) -> Iterator[Keys]:
    """Return the objects in what ought to be a list of them."""
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def differences(before: Files, after: Files) -> tuple[Change, ...]:
    """Return the changes from one state to another, in the order in which they are safe.

    What is kept is written before what it is kept of, and removed after that is restored.
    """
    names = {*before, *after}
    changed = [
        Change(name, before.get(name), after.get(name))
        for name in sorted(names, key=by_name)
        if before.get(name) != after.get(name)
    ]
    return tuple(
        sorted(changed, key=lambda each: (each.after is None, not each.name.endswith(KEPT)))
    )


def dropped_in(plugin: Keys) -> bytes:
    """Return the content of our file in a network's folder."""
    return encode(plugin)


def _behind(multus: Network, others: Files) -> Network:
    """Return the network that Multus attaches every pod to."""
    named = multus.plugins[0].get("clusterNetwork")
    if not isinstance(named, str) or not named:
        raise ConflistError(
            f"{multus.file} has a copy of the primary's network in delegates, which is Multus's "
            f"own to change: let Multus name the network's file in clusterNetwork, or add {OURS} "
            "to the copy by hand"
        )
    if "/" in named:
        file = posixpath.basename(named)
        if file in others:
            return read(file, others[file])
    else:
        for file, raw in others.items():
            if _object(raw).get("name") == named:
                return read(file, raw)
    raise ConflistError(
        f"{multus.file}: clusterNetwork is {named!r}, expected a network of this folder: "
        "name the folder that has it"
    )


def _is_multus(network: Network) -> bool:
    return any(plugin["type"] in _MULTUS for plugin in network.plugins[:1])


def _object(raw: bytes) -> Keys:
    try:
        return decode(raw, "")
    except CniError:
        return {}
