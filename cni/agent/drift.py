"""Rails that are no longer as ADD left them: said and counted, never changed.

What belongs to a rail is what CHECK says it is; but CHECK is called by few runtimes.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cni.agent.evidence import Key, key
from cni.agent.notices import Notices
from cni.agent.roll import Roll, mtu_of
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError
from cni.rail.attachment import Record
from cni.rail.device import recognise
from cni.rail.node import Node
from cni.rail.routes import describe, foreign_routes
from cni.rail.undisturbed import undisturbed

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["interface", "mtu", "address", "route"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of a rail that is not as ADD left it."""

    kind: Kind
    words: str


def differences(pod: Namespace, record: Record, mtu: int) -> Iterator[Difference]:
    """Compare a rail in its pod with the record.

    Args:
        pod: the attachment's namespace.
        record: of a device with a network interface.
        mtu: that its configuration asks for; 0 when that is not known.
    """
    link = recognise(pod.links(), record.device, index=record.pod_index)
    if link is None:
        yield Difference("interface", f"has lost {record.device.host_name}")
        return
    if not link.up:
        yield Difference("interface", "is down")
    if mtu and link.mtu != mtu:
        yield Difference("mtu", f"has MTU {link.mtu}, expected {mtu}")
    present = pod.addresses(link.index)
    for address in record.addresses:
        if address not in present:
            yield Difference("address", f"lacks the address {address}")
    for route in foreign_routes(pod.routes(link.index), record.routes, record.addresses):
        yield Difference("route", f"carries the route {describe(route)} in table {route.table}")


@dataclass(frozen=True, slots=True)
class _Drifted:
    record: Record
    differences: tuple[Difference, ...]

    @property
    def words(self) -> str:
        return "; ".join(difference.words for difference in self.differences)


class Drift:
    """The chore; one thread runs it, any may count."""

    def __init__(self, node: Node, roll: Roll) -> None:
        self._node = node
        self._roll = roll
        self._found: Mapping[Key, _Drifted] = {}
        self._notices = Notices(log)

    def counts(self) -> Mapping[tuple[str, ...], int]:
        """Return how many attachments have drifted, by rail and kind."""
        return Counter(
            (drifted.record.rail, kind)
            for drifted in self._found.values()
            for kind in {difference.kind for difference in drifted.differences}
        )

    def run(self) -> None:
        """Look into every namespace once."""
        rails = [record for record in self._roll.standing() if not record.device.userspace]
        looked = self._look(rails) if rails else {}
        self._found = {at: drifted for at, drifted in looked.items() if drifted}
        self._notices.tell({d.record.holder: d.words for d in self._found.values()})

    def _look(self, rails: Sequence[Record]) -> Mapping[Key, _Drifted | None]:
        """Return how each rail is; as before, where its namespace could not be looked at."""
        of_namespace = defaultdict(list)
        for record in rails:
            of_namespace[record.netns].append(record)
        looked: dict[Key, _Drifted | None] = {}

        def look(namespace: Namespace) -> bool:
            for record in of_namespace.get(namespace.identity, ()):
                looked[key(record)] = self._compare(namespace, record)
            return False  # the next one too

        try:
            with self._node.kernel.search(look):
                pass
        except KernelError as error:
            log.info("%s", error)  # `repair` reports it
            for record in rails:
                looked.setdefault(key(record), self._found.get(key(record)))
        return looked

    def _compare(self, pod: Namespace, record: Record) -> _Drifted | None:
        """Compare; where something differs, once more while no request is at work on it."""
        try:
            if not tuple(differences(pod, record, mtu_of(record))):
                return None
            with undisturbed(self._node, record) as alone:
                if not alone:
                    return self._found.get(key(record))
                found = tuple(differences(pod, record, mtu_of(record)))
        except (CniError, OSError) as error:
            log.info("%s cannot be compared: %s", record.holder, error)
            return self._found.get(key(record))
        return _Drifted(record, found) if found else None
