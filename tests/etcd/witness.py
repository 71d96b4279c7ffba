"""Another client of etcd, the package etcd3, as a program: it says in JSON what it finds.

It needs `PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python`, hence a process of its own.

    witness.py PORT read PREFIX     keys, values, revisions and leases
    witness.py PORT write PREFIX    writes with a lease and in nested transactions
    witness.py PORT lease NUMBER    the lease's time and keys
"""

from __future__ import annotations

import json
import sys
from typing import Any

import etcd3  # type: ignore[import-untyped]  # ships no types


def read(client: Any, prefix: str) -> Any:
    """Return what is below a prefix."""
    return [
        [
            about.key.decode(), value.decode(), about.create_revision, about.mod_revision,
            about.version, about.lease_id,
        ]
        for value, about in client.get_prefix(prefix)
    ]  # fmt: skip


def lease(client: Any, number: str) -> Any:
    """Return what a lease is."""
    found = client.get_lease_info(int(number))
    return [found.grantedTTL, sorted(key.decode() for key in found.keys)]


def write(client: Any, prefix: str) -> Any:
    """Write; return the lease, and what came out of the transactions."""
    do = client.transactions
    leased = client.lease(60)
    client.put(f"{prefix}a", "1", lease=leased)
    client.put(f"{prefix}b", "1")
    client.put(f"{prefix}b", "2")
    inner = do.txn(
        [do.create(f"{prefix}a") == 0],
        [do.put(f"{prefix}c", "then")],
        [do.put(f"{prefix}c", "otherwise")],
    )
    outcome = client.transaction(
        [do.value(f"{prefix}b") == "2", do.version(f"{prefix}b") == 2],
        [inner, do.delete(f"{prefix}b")],
        [],
    )
    return [leased.id, outcome[0]]


if __name__ == "__main__":
    _, port, verb, argument = sys.argv
    connected = etcd3.client("127.0.0.1", int(port), timeout=10)
    verbs = {"read": read, "write": write, "lease": lease}
    sys.stdout.write(json.dumps(verbs[verb](connected, argument)))
