"""One network's document: the primary's, with our plugin at its end or without it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cni.delegate.network import LIST, check_type, decode, flag, inlined, name_of, version_of
from cni.protocol.errors import CniError
from cni.protocol.versions import RULES

OURS = "rail-hostgw"
_OF_A_LIST = ("name", "cniVersion")
"""Keys that a list of one takes from its plugin, as libcni's `ConfListFromConf` does."""

Keys = Mapping[str, Any]


class ConflistError(Exception):
    """Nothing is to be written, in words for the person who must act."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network's document as a list, whatever file it came from."""

    file: str
    """The file's name in its folder."""
    name: str
    keys: Keys
    """All of the document but its plugins."""
    plugins: tuple[Keys, ...]
    """Those in the document itself; may be none where they are dropped in."""
    has_drop_ins: bool
    """Whether a libcni of 1.3 or later appends what is dropped in."""

    @property
    def has_ours(self) -> bool:
        """Tell whether our plugin is in the list already."""
        return any(plugin["type"] == OURS for plugin in self.plugins)

    @property
    def others(self) -> tuple[Keys, ...]:
        """The plugins that are not ours."""
        return tuple(plugin for plugin in self.plugins if plugin["type"] != OURS)


def read(file: str, raw: bytes) -> Network:
    """Return the network that a file describes (ConflistError: it is malformed)."""
    try:
        document = decode(raw, file)
        name = name_of(document, file)
        if not file.endswith(LIST):
            check_type(document, file, "type")
            keys = {key: document[key] for key in _OF_A_LIST if key in document}
            return Network(file, name, keys, (document,), has_drop_ins=False)
        plugins = tuple(inlined(document, file))
        drops_in = not flag(document, "loadOnlyInlinedPlugins", file)
    except CniError as error:
        raise ConflistError(str(error)) from None
    keys = {key: value for key, value in document.items() if key != "plugins"}
    return Network(file, name, keys, plugins, has_drop_ins=drops_in)


def with_ours(network: Network, plugin: Keys, marker: Keys | None = None) -> bytes:
    """Return a list of the network's plugins with ours as the last.

    Args:
        network: the primary's; an entry of ours that it has already is left out.
        plugin: our entry, with its `type`.
        marker: keys to add to the list.

    Raises:
        ConflistError: there is no other plugin, or the result would not be what it has to be.
    """
    refuse_unchained(network)
    if not network.others:
        raise ConflistError(f"{network.file} lists no plugin that {OURS} could be chained after")
    raw = encode({**network.keys, **(marker or {}), "plugins": [*network.others, plugin]})
    check(raw, network, plugin, marker or {})
    return raw


def refuse_unchained(network: Network) -> None:
    """Raise when a network's version knows no chained plugins: ours would fail every pod."""
    try:
        version = version_of(network.keys, network.file)
    except CniError as error:
        raise ConflistError(str(error)) from None
    if not RULES[version].chaining:
        first = next(known for known, rules in RULES.items() if rules.chaining)
        raise ConflistError(
            f"{network.file}: cniVersion {version} knows no chained plugins, expected {first} or "
            "later"
        )


def without_ours(network: Network) -> bytes:
    """Return a list of the network's plugins without ours."""
    return encode({**network.keys, "plugins": [*network.others]})


def encode(document: Keys) -> bytes:
    """Return a document as the content of a file (ConflistError: JSON cannot state it)."""
    try:
        return json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ConflistError(f"not to be written as JSON: {error}") from None


def check(raw: bytes, network: Network, plugin: Keys, marker: Keys) -> None:
    """Raise unless a list is a network's with ours, read anew from what is to be written.

    Args:
        raw: the list.
        network: the primary's.
        plugin: our entry.
        marker: keys that the list has besides the network's.

    Raises:
        ConflistError: it is malformed, or anything but our entry differs.
    """
    made = read(f"{network.file}{LIST}", raw)
    if dict(made.keys) != {**network.keys, **marker}:
        raise ConflistError(f"{network.file}: the list with {OURS} would be another network")
    if _listed(made.plugins) != _listed([*network.others, plugin]):
        raise ConflistError(f"{network.file}: the list with {OURS} would have other plugins")


def _listed(plugins: Iterable[Keys]) -> list[dict[str, Any]]:
    return [dict(plugin) for plugin in plugins]
