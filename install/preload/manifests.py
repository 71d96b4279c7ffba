"""What in manifests would make a node ask a registry, although the image is there.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from install.doctor.findings import Finding, Severity
from install.manifest import nodes
from install.manifest.nodes import Node, get, line_of, pairs, text
from install.preload.listed import ImageList
from install.preload.reference import ImageNameError, Reference, parse

_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_KUSTOMIZATION = "Kustomization"
_WHY_LOOSE = "the kubelet asks the registry for it at each start, and without one the pod waits"


@dataclass(frozen=True, slots=True)
class Source:
    """One file's content."""

    file: str
    content: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What was found, and where."""

    file: str
    line: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a kustomization makes of an image."""

    name: str = ""
    tag: str = ""
    digest: str = ""


def check(sources: Sequence[Source], wanted: ImageList | None = None) -> list[Remark]:
    """Return what is wrong with the images of some manifests, in the order of their places.

    Args:
        sources: the manifests.  What a kustomization among them says of images is so in all.
        wanted: the list that all images must be in; None where there is none.
    """
    readings = [(source, nodes.read(source.content)) for source in sources]
    renamed = _renamed(root for _, reading in readings for root in reading.roots)
    found = []
    for source, reading in readings:
        if reading.error:
            what = f"this is no YAML: {reading.error.text}"
            found.append(Remark(source.file, reading.error.line, _error("yaml", what)))
        remarks = [
            Remark(source.file, line_of(place, 1), finding)
            for root in reading.roots
            for container in _containers(root)
            for place, finding in _of_container(container, renamed, wanted)
        ]
        found += sorted(remarks, key=lambda one: one.line)
    return found


def _containers(root: Node | None) -> Iterator[Node]:
    for mapping in nodes.mappings(root):
        for key, value in pairs(mapping):
            if key in _CONTAINERS:
                yield from nodes.items(value)


def _of_container(
    container: Node, renamed: Mapping[str, Renamed], wanted: ImageList | None
) -> Iterator[tuple[Node, Finding]]:
    policy, image = get(container, "imagePullPolicy"), get(container, "image")
    if policy is not None and text(policy) == "Always":
        yield (
            policy,
            _error(
                "pull-policy",
                "imagePullPolicy is Always",
                _WHY_LOOSE,
                "imagePullPolicy: IfNotPresent",
            ),
        )
    if image is None:
        return
    try:
        reference = _with(parse(text(image)), text(image), renamed)
    except ImageNameError as error:
        yield image, _error("image", str(error))
        return
    if reference.loose:
        yield image, _error("pinned", f"{reference} {reference.loose}", _WHY_LOOSE, "give it a tag")
    elif wanted and not wanted.has(reference):
        yield (
            image,
            _error(
                "listed",
                f"{reference} is not in the list of images",
                "nobody preloads it",
                "add it to the list",
            ),
        )


def _renamed(roots: Iterable[Node | None]) -> dict[str, Renamed]:
    """Return what kustomizations make of images, by the name in manifests."""
    return {
        text(get(one, "name")): Renamed(
            text(get(one, "newName")), text(get(one, "newTag")), text(get(one, "digest"))
        )
        for root in roots
        if text(get(root, "kind")) == _KUSTOMIZATION
        for one in nodes.items(get(root, "images"))
    }


def _with(reference: Reference, written: str, renamed: Mapping[str, Renamed]) -> Reference:
    """Return what kustomize makes of a reference: a digest takes the tag's place."""
    name = written.partition("@")[0]
    if reference.tag:
        name = name.removesuffix(f":{reference.tag}")
    change = renamed.get(name)
    if change is None:
        return reference
    named = replace(reference, name=parse(change.name).name) if change.name else reference
    if change.digest:
        return replace(named, tag=change.tag, digest=change.digest)
    return replace(named, tag=change.tag, digest="") if change.tag else named


def _error(check_name: str, what: str, why: str = "", *mend: str) -> Finding:
    return Finding(Severity.ERROR, check_name, what, why, mend)
