"""The verbs of a namespace for its neighbours, by netlink and packet sockets."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cni.kernel import neighbour_messages, netlink, nft_messages, solicitation
from cni.kernel.settling import settled
from cni.kernel.types import (
    Address,
    Forwarding,
    KernelError,
    Link,
    Neighbour,
    kernel_errors,
)

T = TypeVar("T")

_NO_NFTABLES = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.ENOENT})


class NeighbourVerbs(ABC):
    """What a namespace of the running kernel does with neighbours."""

    @abstractmethod
    def link(self, index: int) -> Link | None:
        """Return one link by index."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace."""

    @abstractmethod
    def _dump(self, request: bytes, words: str, index: int = 0) -> list[bytes]:
        """Read a whole table, of one link."""

    def neighbours(self, index: int) -> Sequence[Neighbour]:
        """`ip neighbour show dev X`."""
        request = neighbour_messages.neighbours_request(index)
        found = self._dump(request, "neighbour show", index)
        read = (neighbour_messages.neighbour(body, index) for body in found)
        return [neighbour for neighbour in read if neighbour]

    def forwarding(self, index: int) -> Sequence[Forwarding]:
        """`bridge fdb show dev X`."""
        request = neighbour_messages.forwarding_request(index)
        try:
            found = self._dump(request, "fdb show", index)
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return []
        read = (neighbour_messages.forwarding(body, index) for body in found)
        return [entry for entry in read if entry]

    def solicit(
        self, index: int, targets: Mapping[Address, Address], seconds: float
    ) -> Mapping[Address, str]:
        """Ask by packet sockets (`arping`, `ndisc6`)."""
        link = self.link(index)
        if link is None:
            raise KernelError(f"arping on if{index}", errno.ENODEV, "no such device")
        with kernel_errors(f"arping -I {link.name}"):
            return self._run(lambda: solicitation.ask(link.name, link.mac, targets, seconds))

    def drops_forwarded(self) -> Sequence[str]:
        """`nft list chains; iptables-legacy -S FORWARD; ip6tables-legacy -S FORWARD`."""
        with kernel_errors("nft list chains"):
            found = settled("nft list chains", lambda: self._run(_chains))
        with kernel_errors("iptables-legacy -S FORWARD"):
            from cni.kernel import x_tables

            legacy = self._run(x_tables.dropping_forward)
        chains = [words for body in found if (words := nft_messages.dropping_forward(body))]
        return [*chains, *legacy]


def _chains() -> list[bytes]:
    """Read all chains; none where the kernel has no nftables."""
    try:
        return netlink.ask(netlink.NETFILTER, nft_messages.chains_request())
    except OSError as error:
        if error.errno not in _NO_NFTABLES:
            raise
        return []
