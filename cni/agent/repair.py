"""Finishing what no request will: attachments whose pods are gone, and what dead requests left.

It frees only what is certain.  Three looks at all network namespaces must have missed an
attachment's: two with the grace period between, and one under its locks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cni.agent.evidence import Key, Suspicion, is_left_behind, judge, key
from cni.agent.notices import Notices
from cni.agent.sight import present
from cni.kernel.types import KernelError, NetnsId
from cni.protocol.errors import CniError
from cni.protocol.request import Request, stated_version
from cni.protocol.versions import Command
from cni.rail.attachment import Record
from cni.rail.detach import detach, find_namespace
from cni.rail.node import Node
from cni.rail.undisturbed import undisturbed

log = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_LONGEST_PAUSE = 600 * _SECOND
"""Between two attempts to finish an attachment whose device does not come home."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a runtime gives a plugin, where none calls it."""

    environ: Mapping[str, str]
    """The agent's own environment."""
    path: tuple[str, ...]
    """Where IPAM plugins are, if the record does not say."""

    def deletion(self, record: Record) -> Request:
        """Return the DEL that a runtime would send for an attachment.

        Raises:
            ValueError: the recorded configuration is no JSON.
        """
        config = json.loads(record.config)
        return Request(
            command=Command.DEL,
            version=str(stated_version(config)),
            config=config,
            container_id=record.attachment.container_id,
            ifname=record.attachment.ifname,
            netns=record.netns_path,
            args=record.args,
            path=record.path or self.path,
            environ=self.environ,
        )


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An attachment could not be finished."""

    pause: int
    """Nanoseconds until the next attempt."""
    until: int
    """CLOCK_BOOTTIME in nanoseconds of the next one."""


class Repair:
    """The chore; one thread runs it, any may read the attributes.

    Args:
        node: the node.
        surroundings: what IPAM plugins get.
        grace: seconds.
        blindness: why this process does not see the host's namespaces, empty when it does.
    """

    def __init__(
        self, node: Node, surroundings: Surroundings, grace: float, blindness: Callable[[], str]
    ) -> None:
        self.reclaimed = 0
        """Attachments that were finished."""
        self.alarm = ""
        """Why nothing is freed although something seems to be dead."""
        self.problem = ""
        """Why it cannot be known what is dead."""
        self._node = node
        self._surroundings = surroundings
        self._grace = int(grace * _SECOND)
        self._blindness = blindness
        self._suspicions: Mapping[Key, Suspicion] = {}
        self._attempts: dict[Key, _Attempt] = {}
        self._notices = Notices(log)

    def run(self) -> None:
        """Look once, and finish what is certainly nobody's."""
        self.problem, self.alarm = self._look()
        words = {"repair": self.problem, "alarm": self.alarm}
        self._notices.tell({subject: said for subject, said in words.items() if said})

    def _look(self) -> tuple[str, str]:
        """Return the problem and the alarm that this look has met."""
        if blindness := self._blindness():
            self._suspicions = {}
            return f"no attachment is freed: {blindness}", ""
        records, now = self._node.attachments.all(), self._node.kernel.uptime()
        boot_id = self._node.kernel.boot_id()
        known = {key(record) for record in records}
        self._attempts = {at: attempt for at, attempt in self._attempts.items() if at in known}
        for record in records:
            if record.boot_id != boot_id and self._is_time(record, now):
                self._free(record, now)  # no namespace outlives its boot: there is no need to look
        records = [record for record in records if record.boot_id == boot_id]
        if not records:
            self._suspicions = {}
            return "", ""
        try:
            seen = present(self._node.kernel)
        except KernelError as error:
            return f"no attachment is freed, for a network namespace was not seen: {error}", ""
        return "", self._judge(records, seen, now)

    def _judge(self, records: Sequence[Record], seen: frozenset[NetnsId], now: int) -> str:
        """Free what is dead or left behind; return the alarm."""
        # Those that have been tried were certain once: they are no sign of not seeing.
        fresh = [record for record in records if key(record) not in self._attempts]
        verdict = judge(fresh, seen, self._suspicions, now, self._grace)
        self._suspicions = verdict.suspicions
        if not verdict.alarm:
            for record in self._due(records, verdict.dead, now):
                self._free(record, now)
        return verdict.alarm

    def _due(self, records: Sequence[Record], dead: Sequence[Record], now: int) -> Iterator[Record]:
        for record in records:
            tried = key(record) in self._attempts
            left = tried or record in dead or is_left_behind(record, now, self._grace)
            if left and self._is_time(record, now):
                yield record

    def _is_time(self, record: Record, now: int) -> bool:
        attempt = self._attempts.get(key(record))
        return attempt is None or now >= attempt.until

    def _free(self, listed: Record, now: int) -> None:
        """Free one attachment; whatever is wrong with it, the others have their turn."""
        finished = False
        try:
            with undisturbed(self._node, listed) as alone:
                if not alone:
                    return
                if not self._is_certain(listed):
                    self._attempts.pop(key(listed), None)
                    return
                log.warning("finishing the attachment of %s: nobody else does", listed.holder)
                where = detach(self._node, listed, self._surroundings.deletion(listed))
                finished = where.finished
        except (CniError, OSError) as error:
            log.warning("%s cannot be finished yet: %s", listed.holder, error)
        except Exception:
            log.exception("%s cannot be finished", listed.holder)
        if finished:
            self.reclaimed += 1
        else:
            self._wait(listed, now)

    def _is_certain(self, record: Record) -> bool:
        """Return whether a record is still, now that nobody else can change it, nobody's."""
        if record.boot_id != self._node.kernel.boot_id() or not record.stands:
            return True
        with find_namespace(self._node, record) as pod:
            return pod is None

    def _wait(self, record: Record, now: int) -> None:
        former = self._attempts.get(key(record))
        pause = min(2 * former.pause, _LONGEST_PAUSE) if former else max(self._grace, _SECOND)
        self._attempts[key(record)] = _Attempt(pause, now + pause)
