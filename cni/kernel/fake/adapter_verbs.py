"""The verbs of a namespace for its adapters, on the fake's state."""

from __future__ import annotations

from cni.kernel.adapters import Radio
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
