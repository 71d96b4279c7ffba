"""The neighbours are told of a rail's addresses as soon as its carrier comes.

ADD does not wait for that longer than a moment: it writes down what it has left to do.
"""

from __future__ import annotations

import logging

from cni.agent.notices import Notices
from cni.agent.roll import Roll
from cni.kernel.types import NetnsGoneError
from cni.protocol.errors import CniError
from cni.rail.attachment import Record
from cni.rail.device import recognise
from cni.rail.node import Node
from cni.rail.undisturbed import undisturbed

log = logging.getLogger(__name__)


class Announcing:
    """The chore, for one thread; while nothing waits, it looks at the folder of records alone."""

    def __init__(self, node: Node, roll: Roll) -> None:
        self._node = node
        self._roll = roll
        self._notices = Notices(log)

    def waiting(self) -> tuple[Record, ...]:
        """Return the attachments whose addresses are not announced."""
        return tuple(record for record in self._roll.standing() if record.unannounced)

    def run(self) -> None:
        """Announce what has carrier."""
        failed = {}
        for record in self.waiting():
            try:
                self._announce(record)
            except NetnsGoneError:
                continue  # with whom it was to talk
            except (CniError, OSError) as error:
                failed[record.holder] = f"cannot be announced: {error}"
        self._notices.tell(failed)

    def _announce(self, record: Record) -> None:
        with self._node.kernel.open(record.netns_path) as pod:
            if pod.identity != record.netns:
                return
            link = recognise(pod.links(), record.device, index=record.pod_index)
            if link is None or not link.carrier:
                return
            with undisturbed(self._node, record) as alone:
                if alone:
                    pod.announce(link.index, record.addresses)
                    announced = record.model_copy(update={"unannounced": False})
                    self._node.attachments.save(announced)
                    log.info("the addresses of %s are announced", record.holder)
