"""What the verbs of the fake have in common: a device, a verb's words, a refusal."""

from __future__ import annotations

import errno
import os

from cni.kernel.fake import lifecycle
from cni.kernel.fake.model import Device, Machine, Netns
from cni.kernel.fake.releases import Release
from cni.kernel.types import KernelError, NetnsId


class Verbs:
    """A namespace and the machine that it is on."""

    def __init__(self, machine: Machine, netns: Netns, path: str) -> None:
        self.path = path
        self.netns = netns
        self._machine = machine

    @property
    def identity(self) -> NetnsId:
        """Its device, inode and cookie."""
        return self.netns.identity

    def _devices(self) -> list[Device]:
        lifecycle.settle(self.netns, self._machine.now)
        return [device for _, device in sorted(self.netns.devices.items())]

    def _change(self, verb: str) -> None:
        self._devices()
        self._machine.before_change(f"ip {verb}")

    def _change_tables(self, verb: str) -> None:
        """Be about to change nftables."""
        self._require_nftables(verb)
        self._machine.before_change(verb)

    def _require(self, release: Release, verb: str, number: int = errno.EOPNOTSUPP) -> None:
        """Refuse what the kernel has not learned yet."""
        if self._machine.linux < release:
            raise refused(verb, number)

    def _require_nftables(self, verb: str) -> None:
        if not self._machine.nftables:
            raise KernelError(verb, errno.EOPNOTSUPP, "the kernel has no nftables")

    def _device(self, words: str, index: int, more: str = "") -> Device:
        """Return the device that is about to be changed."""
        device = self.netns.devices.get(index)
        verb = f"{words} dev {device.name if device else f'if{index}'} {more}".rstrip()
        self._change(verb)
        if device is None:
            raise refused(verb, errno.ENODEV)
        return device


def refused(words: str, number: int, reason: str = "", *, program: str = "ip") -> KernelError:
    """Return the error that says which verb was refused."""
    return KernelError(f"{program} {words}", number, reason or os.strerror(number))
