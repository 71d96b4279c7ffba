"""What happened, in the order of its ends: JSON lines in a file, and the same in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO, TypeAlias


@dataclass(frozen=True, slots=True)
class Request:
    """An ADD or a DEL."""

    verb: str
    machine: str
    boot: str
    container: str
    rail: str
    begun: float
    """Monotonic seconds, as all times."""
    ended: float
    code: int | None
    """0 when it was done, else the CNI error's; None when the node died before it answered."""
    address: str = ""
    seconds: float = 0.0
    """That the node took, by its own clock."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """All pods of a machine died: it was rebooted, or installed anew."""

    machine: str
    at: float


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to servers or nodes."""

    what: str
    whom: str
    at: float
    detail: str = ""


Entry: TypeAlias = Request | Death | Deed


class Log:
    """The log of one run.

    Args:
        stream: where it is written, a line at a time.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        line = json.dumps({"kind": type(entry).__name__, **asdict(entry)})
        with self._lock:
            self.entries.append(entry)
            self._stream.write(line + "\n")


def read(file: Path) -> list[Entry]:
    """Return what a log's file has."""
    return list(_parsed(file.read_text(encoding="utf-8").splitlines()))


def _parsed(lines: Iterable[str]) -> Iterable[Entry]:
    kinds = {"Request": Request, "Death": Death, "Deed": Deed}
    for line in lines:
        document = json.loads(line)
        yield kinds[document.pop("kind")](**document)
