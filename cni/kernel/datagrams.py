"""UDP, in whatever network namespace: the part of the contract that is about being asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cni.kernel.types import Address


@dataclass(frozen=True, slots=True)
class Datagram:
    """What has come."""

    data: bytes
    source: Address
    port: int
    """That it was sent from."""


class Datagrams(Protocol):
    """A socket that is bound to one address and port."""

    def fileno(self) -> int:
        """Return what becomes readable when something has come."""
        ...

    def send(self, data: bytes, target: Address, port: int) -> None:
        """Send it, in one packet or not at all: nobody on the way may take it apart.

        Args:
            data: what to send.
            target: to whom.
            port: of the target's.

        Raises:
            KernelError: EMSGSIZE when it does not fit the device, ENETUNREACH, EPERM, ….
        """
        ...

    def receive(self) -> Sequence[Datagram]:
        """Return what has come, or the first part of it, without waiting."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Speaking(Protocol):
    """What a network namespace can say and hear."""

    def datagrams(self, address: Address, port: int) -> Datagrams:
        """Open a socket there.

        Args:
            address: of this namespace.
            port: 0 for one that nobody has.

        Raises:
            KernelError: EADDRNOTAVAIL when the address is not one of this namespace's, EADDRINUSE.
        """
        ...
