"""References to images, as Kubernetes and containerd understand them.  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DOMAIN = r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,}))?",
    re.ASCII,
)
"""The grammar of github.com/distribution/reference."""
_HUB = "docker.io"
_LATEST = "latest"


class ImageNameError(ValueError):
    """A text names no image; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's whole name: `docker.io/library/busybox:1.36`."""

    name: str
    """With its registry."""
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def tagged(self) -> str:
        """The name that containerd lists a pinned image by; without a tag it is the digest's."""
        return f"{self.name}:{self.tag}" if self.tag else str(self)

    @property
    def loose(self) -> str:
        """Why it may be another image tomorrow; empty where it is pinned."""
        if self.digest:
            return ""
        if not self.tag:
            return f"has no tag, which means :{_LATEST}"
        return f"has the tag :{_LATEST}" if self.tag == _LATEST else ""


def parse(text: str) -> Reference:
    """Return what a text refers to, with the registry that is meant where none is named.

    Raises:
        ImageNameError: it is no reference.
    """
    match = _REFERENCE.fullmatch(text)
    if not match:
        raise ImageNameError(f"{text!r} is no image, expected REGISTRY/NAME:TAG")
    return Reference(_whole(match["name"]), match["tag"] or "", match["digest"] or "")


def has_registry(text: str) -> bool:
    """Tell whether a reference names its registry itself."""
    first, slash, _ = text.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _whole(name: str) -> str:
    if not has_registry(name):
        return f"{_HUB}/{name}" if "/" in name else f"{_HUB}/library/{name}"
    domain, _, path = name.partition("/")
    domain = _HUB if domain == "index.docker.io" else domain
    return f"{domain}/library/{path}" if domain == _HUB and "/" not in path else f"{domain}/{path}"
