"""A restore from a backup, as docs/registry.md says that an operator does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ipam.etcd.client import EtcdClient
from ipam.etcd.errors import EtcdError
from ipam.registry.deadline import Deadline
from ipam.registry.keys import Layout
from ipam.registry.operator import Operator
from ipam.registry.overview import Overview
from ipam.registry.records import FrozenRecord, now
from tests.chaos.fleet import PREFIX
from tests.etcd.cluster import Cluster
from tests.etcd.member import free_ports

_WITHIN = 5.0
_PAUSE = 0.2
LAYOUT = Layout(PREFIX)


def restore(cluster: Cluster, backup: Path) -> None:
    """Start restored servers where no node reaches them, forbid claims, and let nodes in."""
    usual = [member.ports for member in cluster.members]
    for member in cluster.members:
        member.kill()
        member.ports = replace(member.ports, client=free_ports().client)
    cluster.restore(backup)
    record = FrozenRecord(node="operator", reason="restored from a backup", since=now())
    cluster.etcdctl("put", LAYOUT.frozen, record.encode().decode())
    cluster.etcdctl("del", "--prefix", LAYOUT.answer())
    cluster.stop()
    for member, ports in zip(cluster.members, usual, strict=True):
        member.ports = ports
    cluster.start()


def lift(cluster: Cluster, nodes: Collection[str], seconds: float) -> str:
    """Allow claims when all nodes have answered; return why not, empty when it is done."""
    until, why = time.monotonic() + seconds, ""
    with closing(EtcdClient(cluster.settings())) as etcd:
        while time.monotonic() < until:
            try:
                why = _attempt(etcd, nodes)
            except EtcdError as error:
                why = str(error)
            if not why:
                return ""
            time.sleep(_PAUSE)
    return why


def _attempt(etcd: EtcdClient, nodes: Collection[str]) -> str:
    answers = Overview(etcd, LAYOUT, Deadline(_WITHIN)).answers()
    if answers is None:
        return ""
    missing = sorted({*nodes, *answers.census.nodes} - answers.given.keys())
    if missing:
        return f"no answer from {', '.join(missing)}"
    if answers.conflicts:
        return f"conflicts: {answers.conflicts}"
    lifted = Operator(etcd, LAYOUT, Deadline(_WITHIN)).lift(answers)
    return "" if lifted else "it has changed meanwhile"


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask until something is so; tell whether it ever was."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True
