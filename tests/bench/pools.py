"""Pools with many addresses held, made without as many ADDs."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.request import Attachment, Pod
from ipam import allocator, topology
from ipam.blocks import Block
from ipam.config import read
from ipam.journal.file import open_journal
from ipam.journal.transaction import Moment
from ipam.ranges import EVERY_SLOT
from ipam.wiring import read_boot_id, read_clock

_FIRST = IPv4Address("10.60.0.2")


def fill_rail_ipam(state: Path, held: int) -> None:
    """Let rail-ipam's own allocator hold a number of addresses, in one transaction."""
    config = read({"name": "bench", "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"}})
    paths = Paths(state=state)
    now = Moment(read_boot_id(), read_clock())
    with open_journal(paths.journal, Locks(paths.locks)) as journal, journal.transaction() as tx:
        tx.begin_boot(now)
        fabric = topology.learn(tx, config.layout, now.ns)
        tx.blocks.add(Block(fabric.name, EVERY_SLOT))
        for number in range(held):
            demand = allocator.Demand(
                Attachment("bench", f"held-{number}", "net1"), Pod(), config.layout.rail.name, 0
            )
            allocator.allocate(tx, fabric, demand, now)


def fill_host_local(folder: Path, held: int) -> None:
    """Write the files that host-local keeps, one per address (its store's format)."""
    network = folder / "bench"
    network.mkdir(parents=True)
    for number in range(held):
        (network / str(_FIRST + number)).write_text(f"held-{number}\r\nnet1", encoding="ascii")
    (network / "last_reserved_ip.0").write_text(str(_FIRST + held - 1), encoding="ascii")
