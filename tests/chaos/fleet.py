"""What all machines of the test have in common: fabrics, rails, times, and the node file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MACHINES = 8
WORKERS = 2
"""Requests of one machine that run at once."""
PREFIX = "/railcni/"
BLOCK = 8
FABRICS = {
    "backend": {"roce-a": "10.60.0.0/22", "roce-b": "10.61.0.0/22"},
    "storage": {"sto-a": "10.62.0.0/24", "sto-b": "10.63.0.0/24"},
}
"""Of storage there is less than is wanted at times."""
FABRIC_OF = {rail: fabric for fabric, rails in FABRICS.items() for rail in rails}
BASES = {rail: subnet for rails in FABRICS.values() for rail, subnet in rails.items()}

TIMEOUT = 5.0
"""`etcd.timeout` of the node file, in seconds."""
QUARANTINE = 1.0
RETURN_AFTER = 2.0
"""Seconds that a block is kept after its last release."""
LEASE = 3
"""Seconds that a heartbeat outlives its machine."""
ADD_WITHIN = 2 * TIMEOUT + 5
"""Seconds: an ADD may wait for another deal, and then deal itself."""
DEL_WITHIN = TIMEOUT - 1
"""Seconds: a DEL waits for no etcd, but for its turn on a busy machine."""


def node_name(number: int) -> str:
    """Return the name of a machine that is as it should be."""
    return f"gpu-{number}"


def node_file(name: str, endpoints: Sequence[str]) -> str:
    """Return the node file, in TOML."""
    lines = [
        f'node = "{name}"',
        "[etcd]",
        f"endpoints = [{', '.join(repr(one) for one in endpoints)}]",
        f'prefix = "{PREFIX}"',
        f"timeout = {TIMEOUT}",
    ]
    for fabric, rails in FABRICS.items():
        lines += [f"[fabrics.{fabric}]", f"blockSize = {BLOCK}"]
        for rail, subnet in rails.items():
            lines += [f"[fabrics.{fabric}.rails.{rail}]", f'subnet = "{subnet}"']
    return "\n".join(lines) + "\n"


def network(rail: str) -> dict[str, Any]:
    """Return the network configuration of a rail."""
    ipam = {
        "type": "rail-ipam",
        "fabric": FABRIC_OF[rail],
        "rail": rail,
        "quarantine": QUARANTINE,
    }
    return {"cniVersion": "1.1.0", "name": rail, "ipam": ipam}
