"""Carrying a plan out: each disaster is healed before the next one of its kind of victim."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.fleet import DEL_WITHIN, FABRICS
from tests.chaos.history import Deed, Log
from tests.chaos.machine import Machine
from tests.chaos.plan import Disaster
from tests.chaos.restore import lift, restore, wait_until
from tests.chaos.workload import probe
from tests.etcd.cluster import Cluster

_PATIENCE = 60.0
"""Seconds for what must come to pass when nothing is in its way."""
_KEPT = 50
"""Revisions that a compaction leaves."""


class Disasters:
    """What goes wrong.

    Args:
        cluster: the servers.
        machines: the nodes.
        log: where each disaster goes.
        stop: set when there are to be no more.
    """

    def __init__(
        self, cluster: Cluster, machines: Sequence[Machine], log: Log, stop: threading.Event
    ) -> None:
        self._cluster = cluster
        self._machines = machines
        self._log = log
        self._stop = stop
        self._backup: Path | None = None
        # What nobody can know any more after a restore is no matter of this test: each journal that
        # was lost has a successor that knows of it, and each name belongs to one machine.
        self._known = threading.Lock()
        self.problems: list[str] = []

    def run(self, plan: Sequence[Disaster], *, etcd: bool) -> None:
        """Do one after the other until it is told to stop."""
        for disaster in plan:
            if self._stop.wait(disaster.after):
                return
            if etcd:
                self._happen_to_etcd(disaster)
            else:
                self._happen_to_a_machine(disaster)

    def _happen_to_etcd(self, disaster: Disaster) -> None:
        does: dict[str, Callable[[Disaster], str]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "restart": self._restart,
            "down": self._down,
            "compact": self._compact,
            "defragment": self._defragment,
            "backup": self._back_up,
            "restore": self._restore,
        }
        detail = does[disaster.kind](disaster)
        self._note("etcd " + disaster.kind, "", detail)

    def _happen_to_a_machine(self, disaster: Disaster) -> None:
        machine = self._machines[disaster.whom]
        does: dict[str, Callable[[Disaster, Machine], str]] = {
            "kill": self._kill_node,
            "reboot": self._reboot,
            "lose": self._lose,
            "clone": self._clone,
            "namesake": self._namesake,
        }
        detail = does[disaster.kind](disaster, machine)
        self._note(f"node {disaster.kind}", machine.name, detail)

    def _note(self, what: str, whom: str, detail: str) -> None:
        self._log.add(Deed(what, whom, time.monotonic(), detail))

    # ── servers ───────────────────────────────────────────────────────────────────────────────

    def _kill(self, disaster: Disaster) -> str:
        member = self._cluster.members[disaster.whom % 3]
        member.kill()
        self._stop.wait(disaster.lasts)
        self._cluster.start(member)
        return member.name

    def _freeze(self, disaster: Disaster) -> str:
        """Stop a member, every other time the leader; what it has been sent it does later."""
        leads = disaster.whom % 2 == 0
        member = self._cluster.leader() if leads else self._cluster.members[disaster.other % 3]
        member.freeze()
        self._stop.wait(disaster.lasts)
        member.thaw()
        return member.name + (", the leader" if leads else "")

    def _restart(self, disaster: Disaster) -> str:
        member = self._cluster.members[disaster.whom % 3]
        member.stop()
        self._cluster.start(member)
        return member.name

    def _down(self, disaster: Disaster) -> str:
        for member in self._cluster.members:
            member.kill()
        self._stop.wait(DEL_WITHIN + disaster.lasts)
        self._cluster.start()
        return ""

    def _compact(self, _: Disaster) -> str:
        [status] = json.loads(self._status())[:1]
        revision = status["Status"]["header"]["revision"]
        self._cluster.compact(max(1, revision - _KEPT))
        return f"at {revision}"

    def _status(self) -> str:
        return self._cluster.etcdctl("endpoint", "status", "--write-out=json")

    def _defragment(self, _: Disaster) -> str:
        self._cluster.defragment()
        return ""

    def _back_up(self, _: Disaster) -> str:
        self._backup = self._cluster.backup()
        return ""

    def _restore(self, disaster: Disaster) -> str:
        if self._backup is None:
            return self._back_up(disaster)
        with self._known:
            restore(self._cluster, self._backup)
            self._note("etcd restored", "", "")
            begun = time.monotonic()
            why = lift(self._cluster, [machine.name for machine in self._machines], _PATIENCE)
        if why:
            self.problems.append(f"claims could not be allowed again after a restore: {why}")
        return f"lifted after {time.monotonic() - begun:.1f} s {why}"

    # ── nodes ─────────────────────────────────────────────────────────────────────────────────

    def _kill_node(self, disaster: Disaster, machine: Machine) -> str:
        machine.kill()
        self._stop.wait(disaster.lasts)
        machine.start()
        return ""

    def _reboot(self, disaster: Disaster, machine: Machine) -> str:
        machine.crash()
        self._stop.wait(disaster.lasts)
        machine.start()
        return machine.boot

    def _lose(self, _: Disaster, machine: Machine) -> str:
        """Lose a journal while the pods live on."""
        with self._known:
            machine.kill()
            untold = machine.lose_journal()
            machine.start()
            self._wait_until_joined(machine)
        return f"{untold} untold"

    def _clone(self, disaster: Disaster, machine: Machine) -> str:
        """Install a machine anew, with the disk of another one and a name of its own."""
        with self._known:
            self._copy(disaster, machine)
            machine.start()
            self._wait_until_joined(machine)
        return f"of {self._other(disaster).name}"

    def _namesake(self, disaster: Disaster, machine: Machine) -> str:
        """Do the same with the other one's name, until somebody gives it its own."""
        with self._known:
            self._copy(disaster, machine)
            machine.start(self._other(disaster).name)
            self._stop.wait(2 + disaster.lasts)
            machine.kill()
            machine.start()
            self._wait_until_joined(machine)
        return f"of {self._other(disaster).name}"

    def _other(self, disaster: Disaster) -> Machine:
        return self._machines[(disaster.whom + disaster.other) % len(self._machines)]

    def _copy(self, disaster: Disaster, machine: Machine) -> None:
        # A journal that never dealt with etcd does not say yet whose it is.
        self._wait_until_joined(self._other(disaster))
        machine.crash()
        machine.become_copy_of(self._other(disaster))

    def _wait_until_joined(self, machine: Machine) -> None:
        """Wait until the registry has said which blocks a new journal must leave alone."""

        def joined() -> bool:
            for fabric, rails in FABRICS.items():
                if fabric not in _state(machine)["joined"]:
                    probe(machine, self._log, next(iter(rails)), 0)
            return set(_state(machine)["joined"]) == FABRICS.keys()

        if not wait_until(joined, _PATIENCE):
            self.problems.append(f"{machine.name} cannot join within {_PATIENCE:g} s")


def _state(machine: Machine) -> dict[str, list[str]]:
    process = machine.process
    reply = process.ask("STATE") if process else None
    if reply is None or reply.code != 0:
        return {"joined": []}
    state: dict[str, list[str]] = json.loads(reply.message)
    return state
