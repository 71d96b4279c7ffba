"""One node with rail-ipam on it: a state folder, a boot, a clock; and an audit of its journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cni.delegate.interface import Allocation
from cni.host.paths import Paths
from cni.protocol import request as requests
from cni.protocol.request import Request
from ipam.plugin import RailIpam
from ipam.ranges import MAX_SLOT
from ipam.wiring import Wiring

SECOND = 10**9


class Node:
    """A node that can be rebooted, whose clock stands still until it is told to go on."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.boot = 1
        self.now = 1000 * SECOND
        paths = Paths(state, config=state / "etc")
        wiring = Wiring(paths, lambda: f"boot-{self.boot}", lambda: self.now)
        self.ipam = RailIpam(wiring, lambda: None)

    @property
    def journal(self) -> Path:
        return self.state / "ipam/journal.db"

    def request(  # noqa: PLR0913
        self,
        command: str,
        ipam: Any,
        container: str = "",
        *,
        ifname: str = "net1",
        network: str = "roce-a",
        args: str = "",
        **config: Any,
    ) -> Request:
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": ifname,
            "CNI_NETNS": "/run/netns/any",
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": args,
        }
        document = {"cniVersion": "1.1.0", "name": network, "ipam": ipam, **config}
        return replace(requests.read(environ, json.dumps(document).encode()), started=self.now)

    def allocate(self, ipam: Any, container: str, **more: Any) -> Allocation:
        return self.ipam.allocate(self.request("ADD", ipam, container, **more))

    def add(self, ipam: Any, container: str, **more: Any) -> str:
        """ADD; return the first address, without its prefix length."""
        return str(self.allocate(ipam, container, **more).result.ips[0].address.ip)

    def delete(self, container: str, **more: Any) -> None:
        """DEL, with a configuration that says nothing any more."""
        self.ipam.release(self.request("DEL", {"subnet": None}, container, **more))

    def collection(self, valid: set[tuple[str, str]], network: str = "roce-a") -> Request:
        """Return a GC that keeps these (container, ifname)."""
        entries = [{"containerID": c, "ifname": i} for c, i in sorted(valid)]
        more: dict[str, Any] = {"cni.dev/valid-attachments": entries}
        return self.request("GC", {}, network=network, **more)

    def collect(self, valid: set[tuple[str, str]]) -> None:
        self.ipam.collect(self.collection(valid))

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def reboot(self) -> None:
        """Begin another boot: its clock starts again, at a time that looks earlier."""
        self.boot += 1
        self.now = self.boot * SECOND

    def rows(self, sql: str, *values: object) -> list[Any]:
        connection = sqlite3.connect(self.journal)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def held(self) -> set[tuple[str, str, int]]:
        """Return (container, fabric, slot) of every claim."""
        return set(self.rows("SELECT container, fabric, slot FROM claims"))

    def audit(self) -> None:
        """Fail unless each slot is fresh, resting or held, one of them only, and used if held."""
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []
        for (fabric,) in self.rows("SELECT name FROM fabrics"):
            runs = self.rows(
                "SELECT first, last FROM fresh WHERE fabric = ?1 UNION ALL"
                " SELECT slot, slot FROM freed WHERE fabric = ?1 UNION ALL"
                " SELECT slot, slot FROM claims WHERE fabric = ?1 ORDER BY 1",
                fabric,
            )
            assert (runs[0][0], runs[-1][1]) == (0, MAX_SLOT)
            assert all(below[1] + 1 == above[0] for below, above in pairwise(runs)), runs
        unused = "SELECT fabric, slot FROM claims EXCEPT SELECT fabric, slot FROM attachments"
        assert self.rows(unused) == []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "state")


@pytest.fixture
def new_node(tmp_path: Path) -> Callable[[], Node]:
    """Make a node with nothing on it, however often."""
    count = iter(range(10**6))
    return lambda: Node(tmp_path / f"node{next(count)}")
