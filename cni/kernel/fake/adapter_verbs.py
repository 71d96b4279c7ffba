"""The verbs of a namespace for its adapters, on the fake's state."""

from __future__ import annotations

from cni.kernel.adapters import Bond, Bridging, Driver, Pause, Radio
from cni.kernel.fake.verbs import Verbs


class AdapterVerbs(Verbs):
    """What a namespace of the fake tells of its adapters."""

    def radio(self, index: int) -> Radio | None:
        """`iw dev X info; iw dev X station dump; iw dev X get power_save`."""
        device = self.netns.devices.get(index)
        return device.radio if device else None

    def offloads_checksums(self, index: int) -> bool | None:
        """`ethtool -k X`."""
        device = self.netns.devices.get(index)
        return device.offloads if device else None

    def driver(self, index: int) -> Driver | None:
        """`ethtool -i X`: of what is no adapter, its kind, as its module is called."""
        device = self.netns.devices.get(index)
        if device is None or device.loopback:
            return None
        function = device.pf or device.vf
        name = function.driver if function else device.kind
        return device.driver or (Driver(name, "", "") if name else None)

    def pause(self, index: int) -> Pause | None:
        """`ethtool -a X`."""
        device = self.netns.devices.get(index)
        return device.pause if device else None

    def bridging(self, index: int) -> Bridging | None:
        """`dcb pfc show; dcb ets show; dcb app show`."""
        device = self.netns.devices.get(index)
        return device.bridging if device else None

    def bond(self, index: int) -> Bond | None:
        """`ip -d link show dev X`."""
        device = self.netns.devices.get(index)
        return device.bond if device else None
