"""What images an archive has, each proven whole and for this node.  Pure.

Two forms are known: the OCI's image layout, and what `docker save` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from install.preload.members import ArchiveError, Members
from install.preload.reference import ImageNameError, has_registry, parse

_INDICES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_NAME, _REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_DEPTH = 4
"""How far indices may be nested."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """An image in an archive."""

    name: str
    """As containerd will list it."""
    digest: str
    """Of what containerd will list it with; empty in docker's form, where containerd makes that."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive has for this node."""

    images: tuple[Image, ...]
    stored: int
    """Bytes of the blobs."""
    unpacked: int
    """Bytes of the layers' files."""


class Walk:
    """Goes through one archive and proves what it meets.

    Args:
        members: the archive's.
        name: its own, for errors.
        machine: the node's architecture, as Go calls it: `amd64`.
    """

    def __init__(self, members: Members, name: str, machine: str) -> None:
        self._members = members
        self._name = name
        self._machine = machine
        self._layers: dict[str, int] = {}
        self._others: dict[str, None] = {}
        """Platforms that were met and are not this node's, in order."""
        self._met: dict[str, bool] = {}
        """Of each manifest and index that was proven, whether it has something for this node."""

    def archive(self) -> Archive:
        """Return what the archive has.

        Raises:
            ArchiveError: something of it is missing, is not what its digest says, has no name, or
                is for another architecture; it is in neither form; it has nothing.
        """
        documents = self._members.documents
        if "index.json" in documents:
            images = list(self._oci(self._json("index.json")))
        elif "manifest.json" in documents:
            images = list(self._docker(self._json("manifest.json")))
        else:
            raise self._wrong("has neither index.json nor manifest.json", "write it again")
        if not images:
            raise self._wrong("has no image", "write it again")
        stored = sum(member.size for member in self._members.files.values())
        return Archive(tuple(dict.fromkeys(images)), stored, sum(self._layers.values()))

    # ── the OCI's layout ─────────────────────────────────────────────────────────────────────────

    def _oci(self, index: Any) -> Iterator[Image]:
        for descriptor in _objects(index, "manifests"):
            image_name = self._oci_name(descriptor)
            if not self._for_node(descriptor, image_name, 0):
                raise self._foreign(image_name)
            yield Image(image_name, str(descriptor.get("digest")))

    def _oci_name(self, descriptor: Json) -> str:
        noted = descriptor.get("annotations")
        notes: Json = noted if isinstance(noted, dict) else {}
        said = notes.get(_NAME) or notes.get(_REF_NAME)
        try:
            if isinstance(said, str) and has_registry(said) and parse(said).tag:
                return parse(said).tagged
        except ImageNameError:
            pass
        raise self._wrong(
            f"has an image whose name is {said!r}, expected REGISTRY/NAME:TAG as pods ask for it",
            f"write it with that as its {_REF_NAME}",
        )

    def _for_node(self, descriptor: Json, image_name: str, depth: int) -> bool:
        """Prove what a descriptor leads to; tell whether there is something for this node."""
        path = self._path(descriptor)
        if path not in self._met:  # an index may name another one thousands of times
            self._met[path] = self._has_for_node(descriptor, image_name, depth)
        return self._met[path]

    def _has_for_node(self, descriptor: Json, image_name: str, depth: int) -> bool:
        document = self._blob(descriptor)
        kind = document.get("mediaType") or descriptor.get("mediaType")
        if str(kind) in _INDICES or "manifests" in document:
            if depth >= _DEPTH:
                raise self._wrong(f"has {image_name} behind too many indices", "write it again")
            return self._any_for_node(document, image_name, depth)
        config = self._blob(document.get("config"))
        if not self._suits(config):
            return False
        layers = _objects(document, "layers")
        paths = [self._path(layer) for layer in layers]
        self._prove_layers(config, paths, image_name)
        return True

    def _any_for_node(self, index: Json, image_name: str, depth: int) -> bool:
        """Prove those of an index that are for this node; of others nothing need be there."""
        found = False
        for each in _objects(index, "manifests"):
            platform = each.get("platform")
            is_others = isinstance(platform, dict) and not self._suits(platform)
            if not is_others and self._for_node(each, image_name, depth + 1):
                found = True
        return found

    def _blob(self, descriptor: Any) -> Json:
        path = self._path(descriptor)
        document = self._json(path)
        if not isinstance(document, dict):
            raise self._wrong(f"has {path}, expected a JSON object", "write it again")
        return document

    def _path(self, descriptor: Any) -> str:
        """Return a blob's path, which is there and is what its digest says."""
        digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
        algorithm, _, number = str(digest).partition(":")
        path = f"blobs/{algorithm}/{number}"
        member = self._members.files.get(self._members.find(path))
        if member is None:
            raise self._wrong(f"lacks {digest}", "copy it again")
        if member.digest != digest or member.size != descriptor.get("size", member.size):
            raise self._wrong(f"has {path}, which is {member.digest}", "copy it again")
        return self._members.find(path)

    # ── docker's form ────────────────────────────────────────────────────────────────────────────

    def _docker(self, manifest: Any) -> Iterator[Image]:
        for entry in manifest if isinstance(manifest, list) else []:
            tags = entry.get("RepoTags") if isinstance(entry, dict) else None
            if not isinstance(tags, list) or not tags:
                raise self._wrong("has an image without a name", "save it by its name and tag")
            path = self._there(str(entry.get("Config")))
            number = path.rpartition("/")[2].removesuffix(".json")
            if self._members.files[path].digest != f"sha256:{number}":
                raise self._wrong(f"has {path}, which is something else", "copy it again")
            config = self._json(path)
            if not isinstance(config, dict) or not self._suits(config):
                raise self._foreign(str(tags[0]))
            listed = entry.get("Layers")
            layers = listed if isinstance(listed, list) else []
            self._prove_layers(config, [self._there(str(one)) for one in layers], str(tags[0]))
            yield from (Image(self._docker_name(tag), "") for tag in tags)

    def _docker_name(self, tag: object) -> str:
        try:
            return parse(str(tag)).tagged
        except ImageNameError as error:
            raise self._wrong(f"has an image with a wrong name: {error}", "save it again") from None

    def _there(self, path: str) -> str:
        found = self._members.find(path)
        if found not in self._members.files:
            raise self._wrong(f"lacks {path}", "copy it again")
        return found

    # ── both ─────────────────────────────────────────────────────────────────────────────────────

    def _prove_layers(self, config: Json, paths: list[str], image_name: str) -> None:
        rootfs = config.get("rootfs")
        wanted = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(wanted, list) or len(wanted) != len(paths):
            raise self._wrong(
                f"has {image_name} with layers that it does not list", "write it anew"
            )
        for path, digest in zip(paths, wanted, strict=True):
            member = self._members.files[path]
            if member.unpacked_digest not in ("", digest):
                raise self._wrong(f"has {path}, which is not the layer {digest}", "copy it again")
            self._layers[path] = member.unpacked_size

    def _suits(self, config: Json) -> bool:
        platform = f"{config.get('os')}/{config.get('architecture')}"
        if platform == f"linux/{self._machine}":
            return True
        self._others[platform] = None
        return False

    def _json(self, path: str) -> Any:
        try:
            return json.loads(self._members.documents[self._members.find(path)])
        except (KeyError, ValueError, RecursionError):
            raise self._wrong(f"has {path}, expected JSON", "copy it again") from None

    def _foreign(self, image_name: str) -> ArchiveError:
        return ArchiveError(
            f"{self._name}: {image_name} is for {' and '.join(self._others) or 'nothing'}, and "
            f"this node is linux/{self._machine}: take the archive for that"
        )

    def _wrong(self, what: str, mend: str) -> ArchiveError:
        return ArchiveError(f"{self._name} {what}: {mend}")


def _objects(document: Any, key: str) -> list[Json]:
    listed = document.get(key) if isinstance(document, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
