"""Having a PF impose on its VF what a configuration states.

Drivers like igb let a VF change its own address only as long as the PF has prescribed none, and
what is prescribed reaches the VF's interface only when its driver starts anew.  So the VF takes
the address first, and then the PF prescribes it, so that the pod cannot change it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from cni.kernel.functions import VfSettings
from cni.kernel.types import KernelError, Link
from cni.rail import vf
from cni.rail.attachment import Baseline
from cni.rail.config import RailConfig
from cni.rail.device import Device
from cni.rail.node import Node

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imposition:
    """One ADD's part that the PF has in it; `detach` takes all of it back."""

    node: Node
    config: RailConfig
    device: Device
    baseline: Baseline
    """Of its settings, those that the configuration states."""
    save: Callable[..., None]
    """Notes in the record what is about to be done."""

    def run(self) -> None:
        """Impose what is not so yet, and give the device its MAC.

        Raises:
            CniError: code 7, naming a property, its value and the driver's limit.
            KernelError: the kernel refused the device's own address.
        """
        if self.config.mac:
            # Before `trust`: with that, a VF changes what its PF prescribes, and nobody knows.
            self._set_mac(self.config.mac)
        if self.device.function:
            asked = vf.wanted(self.config, self.baseline.vf)
            for one in replace(vf.differing(asked, self.baseline.vf), mac=None).each():
                self._set(one)

    def _set_mac(self, mac: str) -> None:
        link = self.device.link
        if link and link.mac != mac:
            self.node.kernel.host.set_down(link.index)
            self._set_own_mac(link, mac)
        if self.device.function:
            self.save(mac_imposed=True)
            self._set(VfSettings(mac=mac))

    def _set_own_mac(self, link: Link, mac: str) -> None:
        host = self.node.kernel.host
        try:
            host.set_mac(link.index, mac)
        except KernelError as refusal:
            if not self._is_prescribed():
                raise
            log.info("%s: its PF prescribes another one", refusal)
            before = self.baseline.model_copy(update={"vf": replace(self.baseline.vf, trust=False)})
            self.save(mac_imposed=True, mac_prescribed=True, baseline=before)
            self._set(VfSettings(trust=True))
            host.set_mac(link.index, mac)
            self._set(VfSettings(trust=False))

    def _is_prescribed(self) -> bool:
        """Return whether the VF may not choose its address, and could if it were trusted."""
        function, pf = self.device.function, self.device.pf
        now = self.node.kernel.host.vf(pf.index, function.index) if function and pf else None
        return now is not None and now.trust is False

    def _set(self, one: VfSettings) -> None:
        function, pf = self.device.function, self.device.pf
        if function is None or pf is None:
            raise LookupError(f"{self.device.name} has no PF that could be asked")
        try:
            self.node.kernel.host.set_vf(pf.index, function.index, one)
        except KernelError as error:
            speed = self.node.sysfs.link_speed(pf.name)
            raise vf.refusal(self.config, function, one, error, speed) from error
