"""Which attachments nobody has any more: by positive evidence alone.

Pure: the records, the network namespaces that were seen, what was suspected before → what may be
freed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cni.kernel.types import NetnsId
from cni.protocol.request import Attachment
from cni.rail.attachment import Record

FEW = 3
"""So many attachments may always lose their namespaces at once."""
_SHARE = 4
"""Of more than `FEW`, at most one in so many."""

Key: TypeAlias = tuple[Attachment, str, int]


def key(record: Record) -> Key:
    """Return what no other record has: whose it is, of which device, since when."""
    return record.attachment, record.device.key, record.started


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An attachment whose namespace was not found."""

    record: Record
    """As it was when it was missed first."""
    since: int
    """CLOCK_BOOTTIME in nanoseconds of that look."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look has shown."""

    dead: tuple[Record, ...]
    """Missed twice, unchanged, the grace period between; none while there is an alarm."""
    suspicions: Mapping[Key, Suspicion]
    """For the next look."""
    alarm: str
    """Why none may be freed, in words; empty for no alarm."""


def judge(
    records: Sequence[Record],
    seen: Collection[NetnsId],
    before: Mapping[Key, Suspicion],
    now: int,
    grace: int,
) -> Verdict:
    """Judge attachments of this boot by one look at all namespaces.

    Args:
        records: those that were there before the look.
        seen: the namespaces that the look has found.
        before: the suspicions of the look before.
        now: CLOCK_BOOTTIME in nanoseconds.
        grace: nanoseconds from the first look that missed a namespace to the one that counts.
    """
    suspicions = {
        key(record): _suspect(record, before, now) for record in records if record.netns not in seen
    }
    dead = tuple(s.record for s in suspicions.values() if now - s.since >= grace)
    alarm = ""
    if dead and len(suspicions) > FEW and len(suspicions) * _SHARE > len(records):
        alarm = (
            f"{len(suspicions)} of {len(records)} attachments have lost their network namespaces "
            "at once: more likely they are not seen, and none is freed; compare railctl "
            "attachments with lsns -t net, and have the runtime delete the pods that are gone"
        )
    return Verdict(() if alarm else dead, suspicions, alarm)


def _suspect(record: Record, before: Mapping[Key, Suspicion], now: int) -> Suspicion:
    """Return an earlier suspicion of the same record, else a new one."""
    earlier = before.get(key(record))
    return earlier if earlier and earlier.record == record else Suspicion(record, now)


def is_left_behind(record: Record, now: int, grace: int) -> bool:
    """Return whether a request has begun something here long ago, and not ended it."""
    return not record.stands and now - record.started >= grace
