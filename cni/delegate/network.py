"""The network that a runtime attaches pods to: its file, and the plugins that it lists.

Sources: CNI SPEC 1.1.0, section 1 "Network configuration format"; containerd/go-cni `opts.go`
(`loadFromConfDir`: which file of a folder it is); containernetworking/cni `libcni/conf.go`
(`NetworkConfFromFile`, `NetworkPluginConfsFromFiles`: what is appended to a list, since 1.3.0).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cni.delegate.program import checked_name
from cni.protocol.config import shown
from cni.protocol.errors import CniError, Code
from cni.protocol.request import IDENTIFIER, IDENTIFIER_FORM, stated_version
from cni.protocol.versions import RULES, Command, rules_for

LIST = ".conflist"
"""What ends the name of a file with a list of plugins."""
FILES = (".conf", LIST, ".json")
"""What ends the name of a file that runtimes read."""
_DROPPED_IN = (".conf",)
_DEEPEST = 64
"""Levels of JSON: what is read must also be writable."""

Plugin = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Network:
    """A network configuration, with the plugins as they are written, in order; never none."""

    file: Path
    name: str
    version: str
    plugins: tuple[Plugin, ...]
    disable_check: bool = False


def primary_file(folder: Path) -> Path:
    """Return the file of the network that pods get: the first by name, as runtimes choose it.

    Raises:
        CniError: code 7, when the folder has none or cannot be read.
    """
    found = _listed(folder, FILES)
    if not found:
        raise CniError(
            Code.INVALID_CONFIG,
            f"{folder} has no network configuration, expected a {', '.join(FILES)} file",
            "install the cluster's network first, or name its file",
        )
    return found[0]


def read_network(file: Path) -> Network:
    """Return the network that a file describes, with what is dropped in beside it.

    A list gets the plugins of `<its folder>/<its name>/*.conf` appended, unless it says
    `loadOnlyInlinedPlugins`.  A file with any other ending is one plugin, and gets none.

    Raises:
        CniError: code 7 for what is absent or malformed, 1 for an unknown cniVersion.
    """
    document = read_object(file)
    name, version = name_of(document, str(file)), version_of(document, str(file))
    if file.name.endswith(LIST):
        plugins = [*inlined(document, str(file)), *_dropped_in(document, file, name)]
    else:
        check_type(document, str(file), "type")
        plugins = [document]
    if not plugins:
        raise CniError(Code.INVALID_CONFIG, f"{file} lists no plugin")
    return Network(file, name, version, tuple(plugins), flag(document, "disableCheck", str(file)))


def read_object(file: Path) -> Plugin:
    """Return the JSON object in a file (CniError: code 7)."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CniError(Code.INVALID_CONFIG, f"{file} cannot be read: {error.strerror}") from error
    return decode(raw, str(file))


def decode(raw: bytes, file: str) -> Plugin:
    """Return the JSON object that a file's content is (CniError: code 7, naming the file)."""
    try:
        document = json.loads(raw.decode(), parse_constant=_refuse_constant)
        _check_depth(document, _DEEPEST)
    except (ValueError, RecursionError) as error:
        raise CniError(Code.INVALID_CONFIG, f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CniError(
            Code.INVALID_CONFIG, f"{file} has a JSON {type(document).__name__}, expected an object"
        )
    return document


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _check_depth(value: object, levels: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not levels:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    for each in value.values() if isinstance(value, dict) else value:
        _check_depth(each, levels - 1)


def _listed(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return a folder's files of some endings by name; a link to a folder is a file to libcni."""
    try:
        with os.scandir(folder) as entries:
            files = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CniError(
            Code.INVALID_CONFIG, f"{folder} cannot be listed: {error.strerror}"
        ) from error
    # Go sorts by bytes.
    return [folder / name for name in sorted(files, key=os.fsencode) if name.endswith(endings)]


def name_of(document: Plugin, file: str) -> str:
    """Return the `name` of a network (CniError: code 7, naming the file)."""
    name = document.get("name")
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        raise CniError(
            Code.INVALID_CONFIG, f"{file}: name is {shown(name)}, expected {IDENTIFIER_FORM}"
        )
    return name


def version_of(document: Plugin, file: str) -> str:
    """Return the latest of the versions that a network states and that we know.

    Raises:
        CniError: code 7, naming the file, when they are malformed; 1 when we know none of them.
    """
    stated = document.get("cniVersions", [])
    if not isinstance(stated, list):
        raise CniError(
            Code.INVALID_CONFIG, f"{file}: cniVersions is {shown(stated)}, expected a list"
        )
    offered = [*stated, *([document["cniVersion"]] if document.get("cniVersion") else [])]
    known = [version for version in RULES if version in offered]
    if known:
        return known[-1]
    version = stated_version(document)
    rules_for(version, Command.ADD)
    return str(version)


def inlined(document: Plugin, file: str) -> Iterator[Plugin]:
    """Return the plugins that a list has in itself (CniError: code 7, naming the file)."""
    plugins = document.get("plugins", [])
    if not isinstance(plugins, list) or ("plugins" in document and not plugins):
        raise CniError(
            Code.INVALID_CONFIG,
            f"{file}: plugins is {shown(plugins)}, expected a list of plugins",
        )
    for place, plugin in enumerate(plugins):
        key = f"plugins.{place}"
        if not isinstance(plugin, dict):
            raise CniError(
                Code.INVALID_CONFIG, f"{file}: {key} is {shown(plugin)}, expected an object"
            )
        check_type(plugin, file, f"{key}.type")
        yield plugin


def _dropped_in(document: Plugin, file: Path, name: str) -> Iterator[Plugin]:
    if flag(document, "loadOnlyInlinedPlugins", str(file)):
        return
    for each in _listed(file.parent / name, _DROPPED_IN):
        plugin = read_object(each)
        check_type(plugin, str(each), "type")
        yield plugin


def check_type(plugin: Plugin, file: str, key: str) -> None:
    """Raise unless a plugin's `type` is the name of one (CniError: code 7)."""
    checked_name(plugin.get("type"), key=f"{file}: {key}")


def flag(document: Plugin, key: str, file: str) -> bool:
    """Return a flag as libcni reads it, words in any case as well (CniError: code 7)."""
    value = document.get(key, False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise CniError(Code.INVALID_CONFIG, f"{file}: {key} is {shown(value)}, expected true or false")
