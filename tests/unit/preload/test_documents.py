"""Whatever stands in an archive's documents, nothing ends in a traceback."""

from __future__ import annotations

import copy
import io
import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from install.preload import members
from install.preload.archive import Walk
from install.preload.members import ArchiveError
from install.preload.target import machine
from tests.unit.preload.archives import (
    NAME,
    Build,
    config,
    descriptor,
    digest,
    encoded,
    index,
    layer,
    named,
    path,
    tar,
)

JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 7, True, "", "x", [], {}, [[]], [{}], {"a": 1}, [None], "a" * 999]
)


@given(data=st.data(), spoilt=st.sampled_from(["index", "manifest", "config", "docker", "saved"]))
def test_whatever_stands_in_a_document_is_taken_or_refused(
    data: st.DataObject, spoilt: str
) -> None:
    """A digest tells what was made, not that it makes sense."""
    build = Build()
    parts = {
        "config": json.loads(config(build)),
        "manifest": {"config": None, "layers": [descriptor("layer.v1.tar", layer(build))]},
        "index": {}, "docker": json.loads(config(build)),
        "saved": [{"Config": "", "RepoTags": [NAME], "Layers": ["ab/layer.tar"]}],
    }  # fmt: skip

    def part(name: str) -> bytes:
        document = _spoilt(data, parts[name]) if name == spoilt else parts[name]
        return encoded(document)

    if spoilt in {"docker", "saved"}:
        own = part("docker")
        parts["saved"][0]["Config"] = f"{digest(own)[7:]}.json"
        files = {f"{digest(own)[7:]}.json": own, "ab/layer.tar": layer(build),
                 "manifest.json": part("saved")}  # fmt: skip
    else:
        own = part("config")
        parts["manifest"]["config"] = descriptor("config.v1+json", own)
        manifest = part("manifest")
        parts["index"] = json.loads(index(named(descriptor("manifest.v1+json", manifest), NAME)))
        files = {path(blob): blob for blob in (own, manifest, layer(build))}
        files["index.json"] = part("index")
    with suppress(ArchiveError):
        archive = members.read(io.BytesIO(tar(files)), "x.tar")
        Walk(archive, "x.tar", machine()).archive()


def _spoilt(data: st.DataObject, document: Any) -> Any:
    """Return a document with junk in one place."""
    if not isinstance(document, (dict, list)) or not document or data.draw(st.integers(0, 3)) == 0:
        return data.draw(JUNK)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    changed = copy.copy(document)
    key = data.draw(st.sampled_from(keys))
    changed[key] = _spoilt(data, document[key])
    return changed
