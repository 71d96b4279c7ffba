"""The node files of the cluster, and how a refusal is expected."""

from __future__ import annotations

from collections.abc import Callable

from cni.protocol.errors import CniError

SECOND = 10**9
QUARANTINE = 30
RETURN_AFTER = 60.0
NODE_FILE = """
node = "{name}"
[etcd]
endpoints = ["http://192.0.2.1:2379"]
prefix = "/railcni/"
[fabrics.backend]
blockSize = 4
static = ["10.60.0.0/29", "10.60.0.60-10.60.0.63"]
[fabrics.backend.rails.a]
subnet = "10.60.0.0/26"
[fabrics.backend.rails.b]
subnet = "10.61.0.0/26"
"""
BLOCKS = 13
"""With room, of four slots each: three of sixteen are static."""
LOCAL = """
node = "{name}"
[fabrics.backend]
[fabrics.backend.rails.a]
subnet = "10.60.0.0/26"
[fabrics.backend.rails.b]
subnet = "10.61.0.0/26"
"""


def refused(work: Callable[[], object]) -> CniError:
    """Return the error of what must be refused for now."""
    try:
        work()
    except CniError as error:
        return error
    raise AssertionError("it was not refused")
