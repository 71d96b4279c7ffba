"""rail-ipam: the CNI verbs, from a request to the journal and back.

Imports what a verb needs when it needs it: a DEL reads no configuration, so it loads no pydantic.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from cni.delegate.interface import Allocation
from cni.host import logs
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.errors import CniError, Code

if TYPE_CHECKING:
    from cni.protocol.request import Request
    from cni.protocol.results import Result
    from ipam.allocator import Demand
    from ipam.config import IpamConfig
    from ipam.journal import Journal
    from ipam.ranges import Fabric
    from ipam.transaction import Moment, Transaction


def read_boot_id() -> str:
    """Return what distinguishes this boot of the node from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_clock() -> int:
    """Return CLOCK_BOOTTIME in nanoseconds: it counts suspended time too and is never set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class RailIpam:
    """The IPAM plugin, as a main plugin calls it (`cni.delegate.interface.Ipam`).

    Args:
        paths: the node's files.
        boot_id: tells the boot's identity.
        clock: tells the time since the boot, in nanoseconds.
    """

    def __init__(
        self,
        paths: Paths,
        boot_id: Callable[[], str] = read_boot_id,
        clock: Callable[[], int] = read_clock,
    ) -> None:
        self._paths = paths
        self._boot_id = boot_id
        self._clock = clock

    def allocate(self, request: Request) -> Allocation:
        """Give this attachment its addresses; again the same ones when it has some (ADD).

        Raises:
            CniError: code 7 for the configuration, 11 when no address is to be had, 5 when the
                journal cannot be used.
        """
        from ipam import allocator, answer, topology
        from ipam.config import read
        from ipam.requested import requested_slot

        config = read(request.config)
        slot = requested_slot(request, config.layout.rail)
        demand = _demand(config, request, slot)
        with self._journal() as journal:
            # What was learnt stays, also when there is no address: the next attempt knows it.
            with journal.transaction() as tx:
                fabric = _prepare(tx, config, self._now())
            with journal.transaction() as tx:
                slot = allocator.allocate(tx, fabric, demand, self._now())
                reach = topology.reach(tx, config.layout, fabric)
        return answer.allocation(config, reach, slot)

    def release(self, request: Request) -> None:
        """Take this attachment's addresses back; no error when it has none (DEL).

        The attachment is all it looks at: a configuration that has become invalid, or a reboot
        since, keeps no address held.
        """
        if not self._paths.journal.exists():
            return
        with self._journal() as journal, journal.transaction() as tx:
            held = tx.held(request.attachment)
            if held:
                tx.detach(held, self._now())

    def check(self, request: Request) -> None:
        """Raise unless this attachment holds the addresses of `prevResult` (CHECK).

        Raises:
            CniError: code 101, with what is held and what was expected; 7 without `prevResult`.
        """
        from ipam import answer

        with self._journal() as journal, journal.rehearsal() as tx:
            held = tx.held(request.attachment)
            rail = tx.rails()[held.fabric][held.rail] if held else None
        addresses = rail.addresses(held.slot) if held and rail else ()
        answer.compare(request, addresses)

    def collect(self, request: Request) -> None:
        """Take back what this network's dead attachments hold (GC).

        What began after the collection did stays: the runtime could not know it yet.
        """
        valid = request.valid_attachments
        if not self._paths.journal.exists():
            return
        with self._journal() as journal, journal.transaction() as tx:
            now = self._now()
            for held in tx.held_by_network(request.network):
                key = held.attachment
                younger = held.since.boot_id == now.boot_id and held.since.ns > request.started
                if (key.container_id, key.ifname) not in valid and not younger:
                    tx.detach(held, now)

    def status(self, request: Request) -> None:
        """Raise when `allocate` would fail (STATUS): it does all that ADD does, and undoes it.

        A node without a journal gets none: an empty one is imagined.

        Raises:
            CniError: code 7 for the configuration, 50 when no address is to be had or the journal
                cannot be used.
        """
        from ipam import allocator
        from ipam.config import read
        from ipam.journal import imagined
        from ipam.requested import requested_slot

        config = read(request.config)
        slot = requested_slot(request, config.layout.rail)
        opened = self._journal() if self._paths.journal.exists() else imagined()
        try:
            with opened as journal, journal.rehearsal() as tx:
                now = self._now()
                fabric = _prepare(tx, config, now)
                allocator.allocate(tx, fabric, _demand(config, request, slot), now)
        except CniError as error:
            if error.code == Code.INVALID_CONFIG:
                raise
            raise CniError(Code.NOT_AVAILABLE, error.msg, error.details) from None

    def _journal(self) -> AbstractContextManager[Journal]:
        from ipam.journal import open_journal

        return open_journal(self._paths.journal, Locks(self._paths.locks))

    def _now(self) -> Moment:
        from ipam.transaction import Moment

        return Moment(self._boot_id(), self._clock())


def _prepare(tx: Transaction, config: IpamConfig, now: Moment) -> Fabric:
    """Bring the journal up to this boot and this configuration."""
    from ipam import topology

    tx.begin_boot(now)
    return topology.learn(tx, config.layout, now.ns - config.quarantine_ns)


def _demand(config: IpamConfig, request: Request, slot: int | None) -> Demand:
    from ipam.allocator import Demand

    return Demand(
        attachment=request.attachment,
        pod=request.pod,
        rail=config.layout.rail.name,
        quarantine=config.quarantine_ns,
        slot=slot,
    )


class Standalone:
    """rail-ipam as a program of its own: any plugin's `ipam.type`."""

    def __init__(self, ipam: RailIpam) -> None:
        self._ipam = ipam
        self.delete = ipam.release
        self.check = ipam.check
        self.collect = ipam.collect
        self.status = ipam.status

    def add(self, request: Request) -> Result:
        """Give this attachment its addresses."""
        return self._ipam.allocate(request).result


def make_ipam(request: Request) -> RailIpam:
    """Wire rail-ipam for a main plugin in this process."""
    return RailIpam(Paths.of(request.environ))


def make_plugin(request: Request) -> Standalone:
    """Wire rail-ipam for one request of this process."""
    paths = Paths.of(request.environ)
    logs.configure(request, paths.logs)
    return Standalone(RailIpam(paths))
