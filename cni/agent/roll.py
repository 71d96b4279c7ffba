"""The records of all attachments, read again only when one of them has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock

from cni.protocol.config import parse
from cni.protocol.errors import CniError
from cni.rail.attachment import Attachments, Record
from cni.rail.config import RailConfig


class Roll:
    """What several chores, and every look at the metrics, want to know of the folder of records."""

    def __init__(self, attachments: Attachments, boot_id: Callable[[], str]) -> None:
        self._attachments = attachments
        self._boot_id = boot_id
        self._lock = Lock()
        self._marks: frozenset[tuple[str, int, int, int]] = frozenset()
        self._records: tuple[Record, ...] = ()

    def records(self) -> tuple[Record, ...]:
        """Return every record of this boot that can be read, the oldest first."""
        with self._lock:
            marks = self._attachments.marks()  # first: what changes while we read, we read again
            if marks != self._marks:
                boot_id = self._boot_id()
                every = self._attachments.all()
                self._records = tuple(record for record in every if record.boot_id == boot_id)
                self._marks = marks
            return self._records

    def standing(self) -> tuple[Record, ...]:
        """Return the attachments that a pod is using."""
        return tuple(record for record in self.records() if record.stands)


def mtu_of(record: Record) -> int:
    """Return the MTU that an attachment's configuration asks for, 0 when it cannot be read."""
    return _mtu(record.config)


@lru_cache(maxsize=1024)
def _mtu(config: str) -> int:
    try:
        document = json.loads(config)
        return parse(RailConfig, document).mtu if isinstance(document, Mapping) else 0
    except (ValueError, CniError):
        return 0
