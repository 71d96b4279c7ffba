"""Where a network namespace sends packets: the part of the contract about routes and rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cni.kernel.types import Address, Route, Rule


class Routing(Protocol):
    """The routes and policy rules of one network namespace."""

    def routes(self, index: int) -> Sequence[Route]:
        """Return every route out of a link, of both families, in every table."""
        ...

    def table(self, number: int) -> Sequence[Route]:
        """Return every route of a table, of both families; one that leads nowhere has index 0."""
        ...

    def way_to(self, destination: Address) -> Route | None:
        """Return how a packet of the host would leave (`ip route get`), None for not at all."""
        ...

    def add_route(self, route: Route) -> None:
        """`ip route add …`."""
        ...

    def remove_route(self, route: Route) -> None:
        """`ip route del …`; ESRCH when there is none."""
        ...

    def rules(self) -> Sequence[Rule]:
        """Return the rules of both families (`ip rule`); those that say more are left out."""
        ...

    def add_rule(self, rule: Rule) -> None:
        """`ip rule add …`; EEXIST when it is there, EINVAL for port 65535.

        Older kernels refuse it as well when another protocol has made one that says the same.
        """
        ...

    def remove_rule(self, rule: Rule) -> None:
        """`ip rule del …`; ENOENT when there is none.

        What it leaves open, any rule has, and the first one goes: without a protocol anybody's,
        without a mark or `to` one with them.
        """
        ...
