"""The verbs of a namespace for VFs and RDMA devices, on the fake's state."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from cni.kernel import vf_messages
from cni.kernel.fake.functions import RdmaUnit
from cni.kernel.fake.verbs import Verbs, refused
from cni.kernel.functions import RdmaDevice, VfSettings
from cni.kernel.interface import Namespace


class FunctionVerbs(Verbs):
    """What a namespace of the fake does with VFs and RDMA devices."""

    def vf(self, index: int, number: int) -> VfSettings | None:
        """`ip link show dev PF`."""
        device = self.netns.devices.get(index)
        if device is None or device.pf is None or number not in range(len(device.pf.vfs)):
            return None
        return device.pf.vfs[number].shown()

    def set_vf(self, index: int, number: int, settings: VfSettings) -> None:
        """`ip link set dev PF vf N …`, property by property."""
        for one in settings.each():
            words = f"vf {number} {vf_messages.words(one)}"
            device = self._device("link set", index, words)
            verb = f"link set dev {device.name} {words}"
            if device.pf is None:
                raise refused(verb, errno.EOPNOTSUPP)
            if number not in range(len(device.pf.vfs)):
                raise refused(verb, errno.EINVAL)
            if refusal := device.pf.refusal(one, self._machine.now):
                raise refused(verb, refusal)
            device.pf.vfs[number].impose(one)
            device.tell_of_carrier()

    def rdma_devices(self) -> Sequence[RdmaDevice]:
        """`rdma dev show`."""
        return [RdmaDevice(unit.index, unit.name, unit.node_guid) for unit in self._rdma_units()]

    def move_rdma(self, index: int, target: Namespace) -> None:
        """`rdma dev set D netns T`."""
        if not isinstance(target, FunctionVerbs):
            raise TypeError(f"{target!r} is no namespace of this kernel")
        words = f"netns {target.path}"
        unit = self._rdma_unit(index, words)
        if not self._machine.rdma_is_exclusive:
            raise refused(f"dev set {unit.name} {words}", errno.EOPNOTSUPP, program="rdma")
        unit.netns = target.netns

    def rename_rdma(self, index: int, name: str) -> None:
        """`rdma dev set D name N`; the names of all namespaces are one set."""
        words = f"name {name}"
        unit = self._rdma_unit(index, words)
        if not name:
            raise refused(f"dev set {unit.name} {words}", errno.EINVAL, program="rdma")
        if any(other.name == name for other in self._machine.rdma_devices if other is not unit):
            raise refused(f"dev set {unit.name} {words}", errno.EEXIST, program="rdma")
        unit.name = name

    def _rdma_units(self) -> list[RdmaUnit]:
        """Return the RDMA devices that are seen here."""
        machine = self._machine
        shared = not machine.rdma_is_exclusive
        return [unit for unit in machine.rdma_devices if shared or unit.netns is self.netns]

    def _rdma_unit(self, index: int, words: str) -> RdmaUnit:
        """Return the RDMA device that is about to be changed."""
        unit = next((unit for unit in self._rdma_units() if unit.index == index), None)
        verb = f"dev set {unit.name if unit else f'index{index}'} {words}"
        self._machine.before_change(f"rdma {verb}")
        if unit is None:
            raise refused(verb, errno.EINVAL, program="rdma")
        return unit
