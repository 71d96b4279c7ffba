"""The list of images that a deployment needs: one reference a line.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from install.preload.reference import ImageNameError, Reference, parse


class ListError(ValueError):
    """A list is wrong; the message has a line for each place."""


@dataclass(frozen=True, slots=True)
class ImageList:
    """What is wanted on a node."""

    images: tuple[Reference, ...]

    def lacking(self, present: Mapping[str, str]) -> list[str]:
        """Return what a node lacks, in words.

        Args:
            present: its images: digest by name with tag (`Reference.tagged`).
        """
        found = [(image, present.get(image.tagged)) for image in self.images]
        return [
            f"{image}" + (f" (the node has {digest})" if digest else "")
            for image, digest in found
            if digest is None or (image.digest and digest != image.digest)
        ]

    def has(self, image: Reference) -> bool:
        """Tell whether an image is in the list: by its tag, and by its digest if both say one."""
        return any(image.name == one.name and _agree(image, one) for one in self.images)


def _agree(image: Reference, one: Reference) -> bool:
    if not image.tag:
        return image.digest == one.digest
    both = image.digest and one.digest
    return image.tag == one.tag and (not both or image.digest == one.digest)


def read(text: str, file: str) -> ImageList:
    """Return a list; `#` begins a comment.

    Raises:
        ListError: a line is no reference, or not pinned, or is there twice.
    """
    images: dict[str, Reference] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            image = parse(words)
        except ImageNameError as error:
            problems.append(f"{file}:{number}: {error}")
            continue
        if image.loose:
            problems.append(f"{file}:{number}: {words} {image.loose}: pin it")
        elif image.tagged in images:
            problems.append(f"{file}:{number}: {image.tagged} is there already")
        images.setdefault(image.tagged, image)
    if problems:
        raise ListError("\n".join(problems))
    return ImageList(tuple(images.values()))
