"""rail-ipam: the CNI verbs, from a request to the journal and back.

Imports what a verb needs when it needs it: a DEL reads no configuration, so it loads no pydantic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cni.delegate.interface import Allocation, Ipam
from cni.host import logs
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.errors import CniError, Code
from ipam.wiring import Wiring

if TYPE_CHECKING:
    from cni.protocol.request import Request
    from cni.protocol.results import Result
    from ipam.adding import Addition
    from ipam.config import IpamConfig

Sandbox: TypeAlias = tuple[int, int, int] | None
"""A network namespace (`Request.sandbox`)."""


class RailIpam:
    """The IPAM plugin, as a main plugin calls it (`cni.delegate.interface.Ipam`).

    Args:
        wiring: the node's parts.
        tend: sees to it that the registry is told what has changed, and waits for nothing.
    """

    def __init__(self, wiring: Wiring, tend: Callable[[], None]) -> None:
        self._wiring = wiring
        self._tend = tend
        # A process that serves many requests meets few configurations.
        self._read = lru_cache(maxsize=64)(self._read_section)

    def allocate(self, request: Request) -> Allocation:
        """Give this attachment its addresses; again the same ones when it has some (ADD).

        Raises:
            CniError: code 7 for the configuration, 11 when no address is to be had, 5 when the
                journal cannot be used.
        """
        from ipam import answer

        addition = self._addition(request)
        given = addition.give()
        if given.tend:
            self._tend()
        return answer.allocation(addition.config, given.reach, given.slot)

    def release(self, request: Request) -> None:
        """Take this attachment's addresses back; no error when it has none (DEL).

        The attachment is all it looks at: a configuration that has become invalid, or a reboot
        since, keeps no address held.
        """
        if not self._wiring.paths.journal.exists():
            return
        with self._wiring.journal() as journal, journal.transaction() as tx:
            held = tx.held(request.attachment)
            if held:
                tx.detach(held, self._wiring.now())
            else:
                tx.release_recovered(request.container_id, self._wiring.now())
            pending = not tx.outbox.empty()
        if pending:
            self._tend()

    def check(self, request: Request) -> None:
        """Raise unless this attachment holds the addresses of `prevResult` (CHECK).

        Raises:
            CniError: code 101, with what is held and what was expected; 7 without `prevResult`.
        """
        from ipam import answer

        with self._wiring.journal() as journal, journal.rehearsal() as tx:
            held = tx.held(request.attachment)
            rail = tx.rails()[held.fabric][held.rail] if held else None
        addresses = rail.addresses(held.slot) if held and rail else ()
        answer.compare(request, addresses)

    def collect(self, request: Request) -> None:
        """Take back what this network's dead attachments hold (GC).

        What began after the collection did stays: the runtime could not know it yet.
        """
        valid = request.valid_attachments
        if not self._wiring.paths.journal.exists():
            return
        with self._wiring.journal() as journal, journal.transaction() as tx:
            now = self._wiring.now()
            for held in tx.held_by_network(request.network):
                key = held.attachment
                younger = held.since.boot_id == now.boot_id and held.since.ns > request.started
                if (key.container_id, key.ifname) not in valid and not younger:
                    tx.detach(held, now)
            pending = not tx.outbox.empty()
        if pending:
            self._tend()

    def status(self, request: Request) -> None:
        """Raise when `allocate` would fail (STATUS): it does all that ADD does, and undoes it.

        A node without a journal gets none, unless the registry has to be asked.

        Raises:
            CniError: code 7 for the configuration, 50 when no address is to be had or the journal
                cannot be used.
        """
        from ipam.journal.file import imagined

        wiring, addition = self._wiring, self._addition(request)
        opened = wiring.journal() if wiring.paths.journal.exists() else imagined()
        try:
            with opened as journal, journal.rehearsal() as tx:
                ready = addition.rehearse(tx)
            if not ready:
                addition.inquire()
        except CniError as error:
            if error.code == Code.INVALID_CONFIG:
                raise
            raise CniError(Code.NOT_AVAILABLE, error.msg, error.details) from None

    def _addition(self, request: Request) -> Addition:
        from ipam.adding import Addition, demand_of
        from ipam.requested import requested_slot

        config = self._read(json.dumps(request.config.get("ipam")))
        slot = requested_slot(request, config.layout.rail)
        desk = self._wiring.shared_desk if config.shared else self._wiring.local_desk
        return Addition(desk, config, demand_of(config, request, slot))

    def _read_section(self, section: str) -> IpamConfig:
        from ipam.config import read

        return read({"ipam": json.loads(section)}, self._wiring.node_file)


class Standalone:
    """rail-ipam as a program of its own: any plugin's `ipam.type`.

    Args:
        ipam: the IPAM plugin.
        locks: the node's.
        sandbox: tells which network namespace a request is about.
        is_wanted: tells whether the runtime still waits for its ADD.
    """

    def __init__(
        self,
        ipam: Ipam,
        locks: Locks,
        sandbox: Callable[[Request], Sandbox],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._ipam = ipam
        self._locks = locks
        self._sandbox = sandbox
        self._is_wanted = is_wanted
        self.check = ipam.check
        self.collect = ipam.collect
        self.status = ipam.status

    def add(self, request: Request) -> Result:
        """Give this attachment its addresses, and remember where it is: nobody else may."""
        located = replace(request, sandbox=self._sandbox(request))
        with self._locks.container(request.container_id):
            # Under this lock: if its DEL has come meanwhile, it went by, and comes no more.
            if not self._is_wanted():
                raise CniError(
                    Code.TRY_AGAIN,
                    f"the runtime waits no longer for {request.ifname} of container "
                    f"{request.container_id}, and it holds no address",
                )
            return self._ipam.allocate(located).result

    def delete(self, request: Request) -> None:
        """Take this attachment's addresses back."""
        with self._locks.container(request.container_id):
            self._ipam.release(request)


def make_ipam(request: Request) -> RailIpam:
    """Wire rail-ipam for a main plugin in this process."""
    from ipam import upkeep

    paths = Paths.of(request.environ)
    return RailIpam(Wiring(paths), lambda: upkeep.begin(paths))


def make_plugin(request: Request) -> Standalone:
    """Wire rail-ipam for one request of this process."""
    logs.configure(request, Paths.of(request.environ).logs)
    locks = Locks(Paths.of(request.environ).locks)
    return Standalone(make_ipam(request), locks, sandbox_of)


def sandbox_of(request: Request) -> Sandbox:
    """Return the network namespace at CNI_NETNS as this process sees it, None for no such thing."""
    try:
        found, own = Path(request.netns).stat(), Path("/proc/self/ns/net").stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, 0) if found.st_dev == own.st_dev else None
