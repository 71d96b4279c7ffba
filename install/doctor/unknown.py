"""What could not be looked at: the rest is looked at all the same, and this is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cni.protocol.errors import CniError
from install.doctor.findings import Finding, warning


class Unknown:
    """Takes what looking at something may raise, and goes on behind it."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __enter__(self) -> None:
        """Go on without what is refused."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, CniError | OSError):
            return False
        self.words.append(str(error))
        return True


def unknown(words: Iterable[str]) -> Iterator[Finding]:
    """Say what nobody could look at."""
    for each in words:
        yield warning("unknown", each, "it was not judged")
