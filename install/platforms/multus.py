"""Multus on a node: its network, and its program.  Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from install.platforms.platform import Files, Platform, PlatformError

_TYPES = ("multus", "multus-shim")
_SUFFIXES = (".conf", ".conflist", ".json")


@dataclass(frozen=True, slots=True)
class Multus:
    """What of it is there."""

    config: PurePosixPath | None
    """Its network in the runtime's folder; None where no file there is its."""
    comes_first: bool
    """Whether the runtime takes that network: it takes the first by name."""
    type: str
    """`multus-shim` asks a daemon; `multus` does the work itself."""
    binary: PurePosixPath | None
    """Its program; None where there is none of that type in the plugins' folder."""


def find(files: Files, platform: Platform) -> Multus | None:
    """Return what there is of Multus, None where there is nothing."""
    networks = [name for name in files.names(platform.cni_conf) if name.endswith(_SUFFIXES)]
    for name in networks:
        kind = _type(files, platform.cni_conf / name)
        if kind in _TYPES:
            binary = platform.cni_bin / kind
            there = binary if files.has(binary) else None
            return Multus(platform.cni_conf / name, name == networks[0], kind, there)
    for kind in _TYPES:
        if files.has(platform.cni_bin / kind):
            return Multus(None, comes_first=False, type=kind, binary=platform.cni_bin / kind)
    return None


def _type(files: Files, path: PurePosixPath) -> str:
    try:
        document: Any = json.loads(files.text(path) or "null")
    except (ValueError, RecursionError, PlatformError):
        return ""  # what is wrong with networks is said elsewhere
    listed = document.get("plugins") if isinstance(document, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else document
    kind = first.get("type") if isinstance(first, dict) else None
    return kind if isinstance(kind, str) else ""
