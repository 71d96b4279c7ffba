"""Folders of networks: those on paper, and those that a property test draws."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from install.conflist.folder import Files
from install.conflist.ways import Plan

GOLDEN = Path(__file__).with_name("golden")
KEYS: dict[str, Any] = {"agentless": True, "uplink": {"wireless": True}}


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def given(case: str) -> dict[str, bytes]:
    """Return the folder that a golden case begins with."""
    return files_of(GOLDEN / case / "given")


def after(files: Files, plan: Plan) -> dict[str, bytes]:
    """Return what a plan makes of a folder."""
    made = dict(files)
    for change in plan.changes:
        assert made.get(change.name) == change.before
        if change.after is None:
            del made[change.name]
        else:
            made[change.name] = change.after
    return made


def encoded(document: object) -> bytes:
    """Return a document in a form that is not ours."""
    return json.dumps(document, separators=(",", ":")).encode()


def network(*plugins: Mapping[str, Any], **keys: object) -> bytes:
    """Return a list of plugins."""
    return encoded({"cniVersion": "1.0.0", "name": "cbr0"} | keys | {"plugins": plugins})


_TEXT = st.text(max_size=6)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_KNOWN = {"type", "name", "cniVersion", "cniVersions", "plugins", "loadOnlyInlinedPlugins",
          "disableCheck", "clusterNetwork", "rail-hostgw"}  # fmt: skip
_MORE = st.dictionaries(_TEXT.filter(lambda key: key not in _KNOWN), _JSON, max_size=3)
_PLUGIN = st.builds(
    lambda kind, more: {"type": kind, **more},
    st.sampled_from(["flannel", "bridge", "portmap", "bandwidth", "tuning"]), _MORE,
)  # fmt: skip
_NAMES = st.from_regex(r"[0-9a-zA-Z][0-9a-zA-Z_.\-]{0,8}", fullmatch=True)
_VERSIONS = st.sampled_from(["0.3.1", "0.4.0", "1.0.0", "1.1.0"])

LISTS = st.builds(
    lambda name, version, plugins, more, indent: json.dumps(
        {**more, "name": name, "cniVersion": version, "plugins": plugins}, indent=indent
    ).encode(),
    _NAMES, _VERSIONS, st.lists(_PLUGIN, min_size=1, max_size=4), _MORE,
    st.sampled_from([None, 1, 4, "\t"]),
)  # fmt: skip
"""Lists of plugins in any layout, with keys that nobody knows."""
SINGLES = st.builds(
    lambda name, version, plugin: encoded({**plugin, "name": name, "cniVersion": version}),
    _NAMES, _VERSIONS, _PLUGIN,
)  # fmt: skip
_STEMS = st.from_regex(r"[0-9a-zA-Z]{2}-[a-z]{1,6}", fullmatch=True)
FOLDERS = st.one_of(
    st.dictionaries(_STEMS.map(lambda stem: f"{stem}.conflist"), LISTS, min_size=1, max_size=3),
    st.dictionaries(_STEMS.map(lambda stem: f"{stem}.conf"), SINGLES, min_size=1, max_size=3),
)
"""Folders with at least one network, and no file of ours."""
