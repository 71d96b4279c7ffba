"""The verbs of a namespace for its neighbours and its tables, on the fake's state."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from cni.kernel import frames
from cni.kernel.fake import routing
from cni.kernel.fake.expiring import SECOND
from cni.kernel.fake.model import Device
from cni.kernel.fake.verbs import Verbs
from cni.kernel.types import (
    Address,
    Forwarding,
    KernelError,
    Neighbour,
    Route,
    kernel_errors,
)


class NeighbourVerbs(Verbs):
    """What a namespace of the fake does with neighbours, and reads of whole tables."""

    def table(self, number: int) -> Sequence[Route]:
        """`ip route show table T; ip -6 route show table T`."""
        self._devices()
        return [route for route in self.netns.routes if route.table == number]

    def way_to(self, destination: Address) -> Route | None:
        """`ip route get DESTINATION`."""
        self._devices()
        return routing.way_to(self.netns, destination)

    def neighbours(self, index: int) -> Sequence[Neighbour]:
        """`ip neighbour show dev X`."""
        device = self.netns.devices.get(index)
        return tuple(device.neighbours) if device else ()

    def forwarding(self, index: int) -> Sequence[Forwarding]:
        """`bridge fdb show dev X`."""
        device = self.netns.devices.get(index)
        return tuple(device.forwarding) if device else ()

    def solicit(
        self, index: int, targets: Mapping[Address, Address], seconds: float
    ) -> Mapping[Address, str]:
        """Let those answer that are at the other end of the cable; waiting costs nothing."""
        device = self.netns.devices.get(index)
        if device is None:
            raise KernelError(f"arping on if{index}", errno.ENODEV, "no such device")
        with kernel_errors(f"arping -I {device.name}"):
            frames.octets(device.mac)
            if targets and not device.up:
                raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
        there = _there(device) if device.has_carrier(self._machine.now) else {}
        answers = {target: there[target] for target in targets if target in there}
        if len(answers) < len(targets):
            self._machine.now += int(seconds * SECOND)
        return answers

    def drops_forwarded(self) -> Sequence[str]:
        """`nft list chains; iptables-legacy -S FORWARD; ip6tables-legacy -S FORWARD`."""
        known = self._machine.nftables
        return tuple(chain for chain in self.netns.dropping if known or "legacy" in chain)


def _there(device: Device) -> dict[Address, str]:
    """Return who can be heard by a device."""
    return {a.ip: device.peer.mac for a in device.peer.addresses} if device.peer else {}
