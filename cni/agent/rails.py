"""The health of the PFs that rails are on: link, MTU, RDMA ports, errors, and who has their VFs.

It looks every two seconds and does not wait for the kernel's word: a subscription to link events
can overrun and must then look as well, knows nothing of RDMA ports, and no rail heals by our being
two seconds faster.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cni.agent.notices import Notices
from cni.agent.roll import Roll, mtu_of
from cni.kernel.functions import PhysicalFunction, RdmaPort, VirtualFunction
from cni.kernel.types import Link
from cni.rail.attachment import Record
from cni.rail.node import Node

log = logging.getLogger(__name__)

LEAST_MTU = 9000
"""Bytes; what a rail has whose configuration does not say otherwise."""
VF_STATES = ("free", "held", "userspace", "unrestored", "away")


@dataclass(frozen=True, slots=True)
class Health:
    """A PF at one look."""

    pf: str
    """Its interface, or the last name that it was seen with, or its PCI address."""
    link: Link | None = None
    """None while it has no interface on the host."""
    least_mtu: int = 0
    """Bytes that its VFs' attachments need."""
    ports: tuple[RdmaPort, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    vfs: Mapping[str, int] = field(default_factory=dict)
    """How many of its VFs are in each of `VF_STATES`."""
    unknown: str = ""
    """Why it could not be looked at."""
    rails: frozenset[str] = frozenset()
    """Those that attachments have had on it."""


def outages(health: Health) -> Iterator[str]:
    """Yield why a PF carries nothing, in words."""
    link = health.link
    if health.unknown:
        yield f"cannot be looked at: {health.unknown}"
    elif link is None:
        yield "has no interface on the host"
    elif not link.up:
        yield f"is down: ip link set dev {link.name} up"
    elif not link.carrier:
        yield "has no carrier"
    for port in health.ports:
        if not port.is_active:
            yield f"has the RDMA port {port.device}/{port.number}, which is {port.state}"


def ailments(health: Health) -> Iterator[str]:
    """Yield what is wrong with a PF, in words."""
    yield from outages(health)
    link = health.link
    if link and link.mtu < health.least_mtu:
        yield (
            f"has MTU {link.mtu}, expected at least {health.least_mtu}: "
            f"ip link set dev {link.name} mtu {health.least_mtu}"
        )


def state_of(function: VirtualFunction, records: Iterable[Record]) -> str:
    """Return which of `VF_STATES` a VF is in.

    Args:
        function: the VF.
        records: those of this very VF.
    """
    known = tuple(records)
    if any(record.unrestored for record in known):
        return "unrestored"
    if any(not record.released for record in known):
        return "held"
    if function.is_userspace:
        return "userspace"
    return "free" if function.netdev else "away"


@dataclass(frozen=True, slots=True)
class _Watched:
    address: str
    """On the bus; empty for an interface that is no PF's."""
    name: str
    netdev: str = ""
    """On the host; empty while it has none."""
    rdma_device: str = ""


class Rails:
    """The chore; one thread runs it, any may read what it found last.

    Args:
        node: the node.
        roll: its records.
        pfs: the PFs to watch, by interface or PCI address; all that have VFs, if there are none.
        least_mtu: in bytes, of a PF whatever its attachments need.
    """

    def __init__(
        self, node: Node, roll: Roll, pfs: Sequence[str] = (), least_mtu: int = LEAST_MTU
    ) -> None:
        self.found: tuple[Health, ...] = ()
        self._node = node
        self._roll = roll
        self._wanted = pfs
        self._least_mtu = least_mtu
        self._names: dict[str, str] = {}
        self._carried: dict[str, frozenset[str]] = {}
        self._notices = Notices(log)

    def problems(self) -> list[str]:
        """Return what is wrong with which PF."""
        return [f"{health.pf} {words}" for health in self.found for words in ailments(health)]

    def outages(self, rail: str) -> list[str]:
        """Return why a rail's PFs carry nothing, as far as attachments have told which they are."""
        own = (health for health in self.found if rail in health.rails)
        return [f"{health.pf} {words}" for health in own for words in outages(health)]

    def run(self) -> None:
        """Look at every PF."""
        records = self._roll.records()
        self.found = tuple(self._look(watched, records) for watched in self._watch())
        ill = {health.pf: "; ".join(ailments(health)) for health in self.found}
        self._notices.tell({pf: words for pf, words in ill.items() if words})

    def _watch(self) -> list[_Watched]:
        functions = self._node.sysfs.physical_functions()
        known = {pf.address: self._named(pf) for pf in functions}
        if self._wanted:
            watched = [known[address] for address in known if self._is_wanted(known[address])]
            seen = {name for one in watched for name in (one.address, one.name)}
            watched += [_Watched("", name, name) for name in self._wanted if name not in seen]
        else:
            watched = [one for one in known.values() if self._is_rail(one)]
            # One that is no more was a rail until a moment ago.
            lost = self._names.keys() - known.keys()
            watched += [_Watched(address, self._names[address]) for address in sorted(lost)]
        self._names = {one.address: one.name for one in watched}
        return watched

    def _named(self, pf: PhysicalFunction) -> _Watched:
        name = pf.netdev or self._names.get(pf.address, pf.address)
        return _Watched(pf.address, name, pf.netdev, pf.rdma_device)

    def _is_wanted(self, one: _Watched) -> bool:
        return one.address in self._wanted or one.name in self._wanted

    def _is_rail(self, one: _Watched) -> bool:
        """Return whether a PF has VFs, or has lost them with its driver."""
        was = one.address in self._names and not one.netdev
        return was or bool(self._node.sysfs.virtual_functions(one.address))

    def _look(self, one: _Watched, records: Sequence[Record]) -> Health:
        """Look at one PF; whatever is wrong with it, the others have their turn."""
        try:
            return self._health(one, records)
        except OSError as error:
            rails = self._carried.get(one.name, frozenset())
            return Health(one.name, unknown=str(error), rails=rails)

    def _health(self, one: _Watched, records: Sequence[Record]) -> Health:
        sysfs = self._node.sysfs
        functions = sysfs.virtual_functions(one.address) if one.address else ()
        addresses = {function.address for function in functions}
        own = [r for r in records if r.stands and r.device.pci_address in addresses]
        mtus = [mtu_of(record) for record in own]
        rails = self._carried.get(one.name, frozenset()) | {record.rail for record in own}
        self._carried[one.name] = rails
        return Health(
            pf=one.name,
            link=self._node.kernel.host.find(one.netdev) if one.netdev else None,
            least_mtu=max((self._least_mtu, *mtus)),
            ports=tuple(sysfs.rdma_ports(one.rdma_device)) if one.rdma_device else (),
            errors=sysfs.error_counters(one.netdev) if one.netdev else {},
            vfs=_states(functions, records) if one.address else {},
            rails=rails,
        )


def _states(functions: Iterable[VirtualFunction], records: Sequence[Record]) -> Mapping[str, int]:
    """Return how many VFs are in which state."""
    counted = Counter(dict.fromkeys(VF_STATES, 0))
    for function in functions:
        own = (record for record in records if record.device.pci_address == function.address)
        counted[state_of(function, own)] += 1
    return counted
