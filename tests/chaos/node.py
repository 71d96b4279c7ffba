"""A node as a process: rail-ipam, its upkeep and a heartbeat, until its stdin ends.

    python -m tests.chaos.node FOLDER BOOT plugin|agent

A plugin opens journal and connection for each request, an agent keeps them.
Each line of stdin is a request, `[number, verb, container, rail]`; each line of stdout answers one:
`[number, code, address, seconds, message]`, in any order.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from cni.host.paths import Paths
from cni.protocol import request as requests
from cni.protocol.errors import CniError
from cni.protocol.request import Request
from ipam.etcd.client import EtcdClient
from ipam.etcd.errors import EtcdError
from ipam.holding import upkeep
from ipam.identity import hardware_identity
from ipam.plugin import RailIpam
from ipam.registry import heartbeat
from ipam.registry.interface import Node as Session
from ipam.registry.interface import RegistryError
from ipam.registry.keys import Layout
from ipam.wiring import Wiring
from tests.chaos.fleet import LEASE, RETURN_AFTER, WORKERS, network

log = logging.getLogger("node")
_AGAIN = 0.5
"""Seconds after which an upkeep that failed begins anew."""
UNEXPECTED = -1
"""The code of what is no CniError."""


class Node:
    """The node.

    Args:
        folder: its files.
        boot: identifies its boot.
        stays: it is an agent.
    """

    def __init__(self, folder: Path, boot: str, *, stays: bool) -> None:
        self._boot = boot
        paths = Paths(folder / "state", config=folder / "etc")
        self._wiring = Wiring(paths, lambda: boot, sys=folder / "sys", keep_open=stays)
        self._due = threading.Event()
        self._ipam = RailIpam(self._wiring, self._due.set)

    def begin(self) -> None:
        """Start what goes on by itself."""
        self._due.set()
        for work in (self._tend, self._beat):
            threading.Thread(target=work, daemon=True).start()

    def answer(self, number: int, verb: str, container: str, rail: str) -> list[Any]:
        """Do what one line asks for."""
        begun, code, address, message = time.monotonic(), 0, "", ""
        try:
            if verb == "STATE":
                message = json.dumps(self._state())
            elif verb == "ADD":
                allocation = self._ipam.allocate(request(verb, container, rail))
                address = str(allocation.result.ips[0].address.ip)
            else:
                self._ipam.release(request(verb, container, rail))
        except CniError as error:
            code, message = int(error.code), error.msg
        except Exception:  # noqa: BLE001 - told to the test, which fails
            code, message = UNEXPECTED, traceback.format_exc()
        return [number, code, address, time.monotonic() - begun, message]

    def _state(self) -> dict[str, Any]:
        """Return what is left to tell, and whether the registry knows this boot and journal."""
        with self._wiring.journal() as journal, journal.rehearsal() as tx:
            fabrics = tx.blocks.shared_fabrics()
            return {
                "outbox": tx.outbox.count(),
                "joined": [name for name in fabrics if tx.blocks.confirmed(name, self._boot)],
            }

    def _tend(self) -> None:
        """Do what the program rail-upkeep does, whenever a request says that something is due."""
        while True:
            self._due.wait()
            self._due.clear()
            if not self._wiring.paths.journal.exists():
                continue
            with self._wiring.locks.upkeep() as alone:
                if not alone:
                    continue
                try:
                    done = upkeep.run(self._wiring.shared_desk, RETURN_AFTER)
                except CniError as error:
                    log.warning("the registry is not up to date: %s", error.msg)
                    done = False
            if not done:
                time.sleep(_AGAIN)
                self._due.set()

    def _beat(self) -> None:
        """Do what an agent does for the node's name."""
        file = self._wiring.node_file
        if file is None or file.etcd is None:
            raise ValueError("there is no [etcd] in the node file")
        heartbeat.LEASE = LEASE
        hardware = hardware_identity(self._wiring.sys, file.node_id)
        with closing(EtcdClient(file.etcd.settings)) as etcd:
            beating: tuple[str, heartbeat.Heartbeat] | None = None
            while True:
                time.sleep(LEASE / 3)
                if not self._wiring.paths.journal.exists():
                    continue
                with self._wiring.journal() as journal, journal.rehearsal() as tx:
                    journal_id = tx.blocks.session().journal_id
                try:
                    if beating and beating[0] != journal_id:
                        beating[1].end(file.etcd.timeout)
                        beating = None
                    if beating is None:
                        session = Session(file.node, hardware, self._boot, journal_id)
                        layout = Layout(file.etcd.prefix)
                        beating = journal_id, heartbeat.Heartbeat(etcd, layout, session)
                    beating[1].beat(file.etcd.timeout)
                except (EtcdError, RegistryError) as error:
                    log.info("no heartbeat: %s", error)


def request(verb: str, container: str, rail: str) -> Request:
    environ = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": container,
        "CNI_IFNAME": rail,
        "CNI_NETNS": "/run/netns/any",
        "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": f"K8S_POD_NAMESPACE=chaos;K8S_POD_NAME={container}",
    }
    return requests.read(environ, json.dumps(network(rail)).encode())


def _end_at_once(arguments: threading.ExceptHookArgs) -> None:
    log.critical("a thread died", exc_info=arguments.exc_value)
    os._exit(70)


def main() -> None:
    """Serve until stdin ends."""
    folder, boot = Path(sys.argv[1]), sys.argv[2]
    logging.basicConfig(
        filename=folder / "log", level=logging.INFO, format=f"%(asctime)s {boot} %(message)s"
    )
    threading.excepthook = _end_at_once
    node = Node(folder, boot, stays=sys.argv[3] == "agent")
    node.begin()
    with ThreadPoolExecutor(2 * WORKERS) as pool:
        for line in sys.stdin:
            pool.submit(node.answer, *json.loads(line)).add_done_callback(
                lambda done: os.write(1, (json.dumps(done.result()) + "\n").encode()) and None
            )
    os._exit(0)  # the upkeep may wait for etcd


if __name__ == "__main__":
    main()
