"""A machine: its hardware, its disk, its boots, and the node that runs on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

from cni.host.locks import Locks
from cni.host.paths import Paths
from ipam.journal.file import Journal, open_journal
from tests.chaos.fleet import node_file, node_name
from tests.chaos.history import Death, Log
from tests.chaos.process import Process


class Machine:
    """A machine.

    Args:
        number: its place in the fleet.
        folder: its disk.
        hardware: its DMI product UUID.
        endpoints: etcd's.
        log: of the run.
    """

    def __init__(
        self, number: int, folder: Path, hardware: UUID, endpoints: Sequence[str], log: Log
    ) -> None:
        self.number = number
        self.name = node_name(number)
        self.folder = folder
        self.paths = Paths(folder / "state", config=folder / "etc")
        self.process: Process | None = None
        self._endpoints = endpoints
        self._log = log
        self._boots = 1
        dmi = folder / "sys/class/dmi/id"
        for made in (dmi, self.paths.state, self.paths.config):
            made.mkdir(parents=True)
        (dmi / "product_uuid").write_text(f"{hardware}\n", encoding="ascii")

    @property
    def boot(self) -> str:
        """The boot that it is in."""
        return f"boot-{self.number}-{self._boots}"

    @property
    def locks(self) -> Locks:
        """Its lock files."""
        return Locks(self.paths.locks)

    def journal(self) -> AbstractContextManager[Journal]:
        """Open its journal."""
        return open_journal(self.paths.journal, self.locks)

    # ── its node ──────────────────────────────────────────────────────────────────────────────

    def start(self, name: str = "") -> None:
        """Start the node, under the machine's own name or another."""
        text = node_file(name or self.name, self._endpoints)
        self.paths.node_file.write_text(text, encoding="utf-8")
        kind = "agent" if self.number % 2 else "plugin"
        self.process = Process(self.folder, self.boot, kind)

    def kill(self) -> None:
        """Kill the node at once; its pods live on."""
        self._stop(kill=True)

    def end(self) -> None:
        """End the node in an orderly way."""
        self._stop(kill=False)

    def _stop(self, *, kill: bool) -> None:
        process, self.process = self.process, None
        if process:
            process.kill() if kill else process.end()

    # ── its life ──────────────────────────────────────────────────────────────────────────────

    def crash(self) -> None:
        """End node, pods and boot; the disk stays, and the next start is in another boot."""
        self.kill()
        self._log.add(Death(self.name, time.monotonic()))
        self._boots += 1

    def lose_journal(self) -> int:
        """Delete the journal of a node that does not run; return what it had still to tell."""
        if not self.paths.journal.exists():
            return 0
        with self.journal() as journal, journal.rehearsal() as tx:
            untold = tx.outbox.count()
        shutil.rmtree(self.paths.journal.parent)
        return untold

    def become_copy_of(self, other: Machine) -> None:
        """Take over the state of another machine, whose node may run; this one's does not."""
        shutil.rmtree(self.paths.state)
        with other.locks.journal():
            shutil.copytree(other.paths.state, self.paths.state)
