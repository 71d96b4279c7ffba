"""What a plugin is: five verbs on a well-formed request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cni.protocol.request import Request
    from cni.protocol.results import Result


class Plugin(Protocol):
    """A CNI plugin; VERSION is answered for it."""

    def add(self, request: Request) -> Result | Mapping[str, Any]:
        """Attach the container, wholly or not at all.

        Returns:
            What was made, to be written in the caller's version; or the very document to answer
            with: a chained plugin's, who hands on what it does not understand.
        """
        ...

    def delete(self, request: Request) -> None:
        """Detach the container; no error because something is already gone."""
        ...

    def check(self, request: Request) -> None:
        """Raise unless the attachment is as `prevResult` says."""
        ...

    def collect(self, request: Request) -> None:
        """Free what this network's dead attachments hold (GC)."""
        ...

    def status(self, request: Request) -> None:
        """Raise when an ADD could not be served."""
        ...
