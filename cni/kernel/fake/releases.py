"""Which Linux has learned what, of what the contract promises where the kernel can.

`docs/any-host.md` says what becomes of each on a kernel that is older.
"""

from __future__ import annotations

from typing import TypeAlias

Release: TypeAlias = tuple[int, int]

OLDEST: Release = (4, 18)
"""What railcni still runs on: RHEL 8's."""
NEWEST: Release = (6, 18)

MTU_LIMITS: Release = (4, 19)
IPV4_BY_IPV6: Release = (5, 2)
"""IPv4 routes with a gateway of IPv6's."""
RDMA_NAMESPACES: Release = (5, 2)
ALTNAMES: Release = (5, 5)
PERMANENT_MAC: Release = (5, 6)
PARENT: Release = (5, 14)
"""A link's address on its bus."""
NETNS_COOKIE: Release = (5, 14)
RENAMING_WHILE_UP: Release = (6, 2)
