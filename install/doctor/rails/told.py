"""What a device plugin's file tells: its `config.json`, or a ConfigMap around it.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from install.doctor.rails.resources import ConfigError, Resource, config, is_shared
from install.manifest import nodes
from install.manifest.nodes import get, pairs, text


@dataclass(frozen=True, slots=True)
class Told:
    """What of it is understood."""

    resources: tuple[Resource, ...] | None = None
    """None where only the shared plugin's configuration is there."""
    shared: bool = False


def told(content: str) -> Told:
    """Read a file.

    Raises:
        ConfigError: there is no configuration of a device plugin in it, or one that cannot be read.
    """
    documents = [d for d in map(_decoded, _texts(content)) if isinstance(d, dict)]
    resources = [
        resource
        for document in documents
        if "resourceList" in document
        for resource in config(document)
    ]
    shared = any(map(is_shared, documents))
    if not resources and not shared:
        raise ConfigError(
            "there is no resourceList in it, expected config.json of the SR-IOV network device "
            "plugin, or the ConfigMap that has it"
        )
    return Told(tuple(resources) or None, shared)


def _texts(content: str) -> Iterator[str]:
    """Yield what may be the plugin's JSON: all of it, or each text of a ConfigMap."""
    yield content
    for root in nodes.read(content).roots:
        for node in nodes.objects(root):
            if text(get(node, "kind")) == "ConfigMap":
                yield from (text(value) for _, value in pairs(get(node, "data")))


def _decoded(content: str) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
