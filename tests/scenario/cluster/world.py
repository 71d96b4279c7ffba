"""Nodes with a simulated kernel over one etcd in memory, and what an operator can do to them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from cni.host.paths import Paths
from cni.protocol import request as requests
from cni.protocol.request import Request
from ipam.etcd.interface import Delete, Get, Keys, KeyValue, Put, Txn
from ipam.etcd.memory import MemoryEtcd
from ipam.holding import upkeep
from ipam.plugin import RailIpam
from ipam.registry.keys import Layout
from ipam.registry.records import FrozenRecord, NodeRecord
from tests.etcd.unreliable import Fault, Unreliable
from tests.scenario.cluster.auditing import audit
from tests.scenario.cluster.given import BLOCKS, NODE_FILE, QUARANTINE, RETURN_AFTER, SECOND
from tests.scenario.cluster.lines import KilledError, Life, Line, Process

AT = Layout("/railcni/")
_WITHIN = 5.0


@dataclass(frozen=True)
class Pod:
    """A pod that lives, as the kernel of its machine knows it."""

    container: str
    address: str
    rail: str
    name: str
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def slot(self) -> int:
        return int(self.address.rpartition(".")[2])


class Machine:
    """One machine: its state folder, its boot, its clock, its pods."""

    def __init__(self, world: World, name: str, folder: Path, uuid: str) -> None:
        self._world = world
        self.name = name
        self.folder = folder
        self.line = Line(Unreliable(world.etcd))
        self.now = 1000 * SECOND
        self.boot = f"boot-{next(world.boots)}"
        self.pods: dict[tuple[str, str], Pod] = {}
        self.paths = Paths(folder / "state", folder / "log", folder / "etc")
        folder.mkdir(parents=True)
        self.become(uuid)
        self.declare(NODE_FILE)

    # ── the machine ───────────────────────────────────────────────────────────────────────────

    def become(self, uuid: str) -> None:
        """Have another mainboard."""
        self.uuid = uuid
        file = self.folder / "sys/class/dmi/id/product_uuid"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{uuid}\n")

    def declare(self, text: str, name: str = "") -> None:
        """Write the node file."""
        self.name = name or self.name
        self.paths.config.mkdir(exist_ok=True)
        self.paths.node_file.write_text(text.format(name=self.name))
        self.paths.node_file.chmod(0o644)

    def reboot(self) -> None:
        """End all pods; the clock starts again."""
        self.pods.clear()
        self.boot = f"boot-{next(self._world.boots)}"
        self.now = SECOND
        self.line.life = Life()

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def lose_journal(self) -> None:
        """Delete the state that is not locks."""
        shutil.rmtree(self.paths.journal.parent, ignore_errors=True)

    def take_state_of(self, other: Machine) -> None:
        """Be installed from an image of another machine."""
        self.lose_journal()
        shutil.copytree(other.paths.journal.parent, self.paths.journal.parent)

    def beat(self, seconds: int = 10**6) -> None:
        """Have an agent that says that it lives."""
        etcd = self._world.etcd
        lease = etcd.grant(seconds, _WITHIN)
        record = NodeRecord(
            node=self.name, hardware=f"dmi:{self.uuid}", boot=self.boot,
            journal=self.journal_id, version="0", since="now",
        )  # fmt: skip
        etcd.txn(Txn(then=(Put(AT.heartbeat(self.name), record.encode(), lease),)), _WITHIN)

    def stop_beating(self) -> None:
        self._world.remove(AT.heartbeat(self.name))

    # ── its processes ─────────────────────────────────────────────────────────────────────────

    def process(self) -> Process:
        """Start one."""
        life = Life()
        self.line.life = life
        boot = self.boot
        return Process(
            self.paths,
            lambda: boot,
            lambda: self.now,
            self.folder / "sys",
            lambda _: self.line,
            life=life,
        )

    def ipam(self) -> RailIpam:
        return RailIpam(self.process(), lambda: None)

    def request(
        self, command: str, container: str, rail: str, *, ip: str = "", name: str = "", **ipam: Any
    ) -> Request:
        pod = name or container
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=ml;K8S_POD_NAME={pod};K8S_POD_UID=u-{pod}"
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": rail,
            "CNI_NETNS": "/run/netns/any",
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": args + (f";IP={ip}" if ip else ""),
        }
        section: dict[str, Any] = {"type": "rail-ipam", "fabric": "backend", "rail": rail}
        section |= {"quarantine": QUARANTINE, **ipam}
        document = {"cniVersion": "1.1.0", "name": f"net-{rail}", "ipam": section}
        return replace(requests.read(environ, json.dumps(document).encode()), started=self.now)

    def add(self, container: str = "", rail: str = "a", **more: Any) -> Pod:
        """ADD: from its answer on, a pod lives with the address (CniError)."""
        self.now += 1
        container = container or self._world.new_container()
        request = self.request("ADD", container, rail, **more)
        address = self.ipam().allocate(request).result.ips[0].address.ip
        pod = Pod(container, str(address), rail, more.get("name", ""), tuple(more.items()))
        self.pods[container, rail] = pod
        return pod

    def adds(self, number: int) -> list[Pod]:
        return [self.add() for _ in range(number)]

    def delete(self, pod: Pod | str, rail: str = "a") -> None:
        """DEL: the runtime has ended the pod before."""
        container, rail = (pod, rail) if isinstance(pod, str) else (pod.container, pod.rail)
        self.now += 1
        self.pods.pop((container, rail), None)
        self.ipam().release(self.request("DEL", container, rail))

    def upkeep(self) -> bool:
        """Run rail-upkeep; tell whether all is done."""
        self.now += 1
        if not self.paths.journal.exists():
            return True
        return upkeep.run(self.process().shared_desk, RETURN_AFTER)

    def killed(self, at: int, fault: Fault, work: Callable[[], object]) -> bool:
        """Do something and be killed at its call of etcd of this number; tell whether it was."""
        self.line.kill(at, fault)
        try:
            work()
        except KilledError:
            return True
        finally:
            self.line.spare()
        return False

    # ── its journal ───────────────────────────────────────────────────────────────────────────

    def rows(self, sql: str, *values: object) -> list[Any]:
        if not self.paths.journal.exists():
            return []
        connection = sqlite3.connect(self.paths.journal)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    @property
    def journal_id(self) -> str:
        [(journal_id,)] = self.rows("SELECT value FROM meta WHERE key = 'journal-id'")
        return str(journal_id)

    def blocks(self, *states: str) -> set[int]:
        """Return the first slots of its blocks in some states."""
        rows = self.rows("SELECT first, state FROM blocks")
        return {first for first, state in rows if state in (states or ("owned",))}

    def free(self) -> set[int]:
        """Return the slots that it would give out without asking anybody."""
        if self.rows("SELECT 1 FROM fabrics WHERE shared = 1 AND confirmed = ?", self.boot) == []:
            return set()
        rows = self.rows(
            "SELECT first, last FROM fresh UNION ALL SELECT slot, slot FROM freed ORDER BY 1"
        )
        return {slot for first, last in rows for slot in range(first, last + 1)}


class World:
    """All of it."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.etcd = MemoryEtcd(lambda: self.seconds)
        self.machines: list[Machine] = []
        self.boots = count(1)
        self._folder = folder
        self._containers = count(1)

    def new_container(self) -> str:
        return f"c{next(self._containers)}"

    def machine(self, name: str = "", uuid: str = "") -> Machine:
        """Add one."""
        number = len(self.machines) + 1
        uuid = uuid or f"4c4c4544-0051-3510-8052-{number:012x}"
        machine = Machine(self, name or f"n{number}", self._folder / f"m{number}", uuid)
        self.machines.append(machine)
        return machine

    def wait(self, seconds: float) -> None:
        """Let time pass everywhere."""
        self.seconds += seconds
        for machine in self.machines:
            machine.wait(seconds)

    def entries(self, kind: str) -> list[KeyValue]:
        """Return what stands in etcd: `blocks/backend/`, `frozen`, …."""
        keys = Keys.below(f"{AT.prefix}{kind}")
        return list(self.etcd.get(Get(keys), _WITHIN).found.entries)

    def document(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return it read, by the ends of its keys."""
        return {
            entry.key.removeprefix(f"{AT.prefix}{kind}"): json.loads(entry.value)
            for entry in self.entries(kind)
        }

    def owners(self) -> dict[int, str]:
        """Return the node of each block in etcd, by its first slot."""
        return {int(k): record["node"] for k, record in self.document("blocks/backend/").items()}

    def mirror(self) -> dict[int, str]:
        """Return the container of each slot in the mirror."""
        found = self.document("claims/backend/")
        return {int(key): record["container"] for key, record in found.items()}

    def static(self) -> dict[int, dict[str, Any]]:
        return {int(k): record for k, record in self.document("static/backend/").items()}

    def remove(self, key: str) -> None:
        self.etcd.txn(Txn(then=(Delete(Keys(key)),)), _WITHIN)

    def freeze(self) -> None:
        """Do what an operator does before a backup is restored."""
        record = FrozenRecord(node="operator", reason="a backup is restored", since="now")
        self.etcd.txn(Txn(then=(Put(AT.frozen, record.encode()),)), _WITHIN)

    def fill(self, machine: Machine, leave: int = 0) -> None:
        """Let one node have all blocks of the fabric but some, with a pod in each slot."""
        for _ in range(BLOCKS):
            if len(self.owners()) < BLOCKS - leave:
                machine.adds(4)
        assert len(self.owners()) == BLOCKS - leave

    def audit(self) -> None:
        """Fail when two live pods have one address, or when two could come to it."""
        audit(self.machines)
