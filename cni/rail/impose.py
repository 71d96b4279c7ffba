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
from cni.protocol.errors import CniError, Code
from cni.rail import vf
from cni.rail.attachment import Record
from cni.rail.config import RailConfig
from cni.rail.device import Device
from cni.rail.node import Node
from cni.rail.port import Port

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imposition:
    """One ADD's part that the PF has in it; `detach` takes all of it back."""

    node: Node
    config: RailConfig
    device: Device
    record: Record
    """It says already what is about to be changed, and what that was."""
    save: Callable[..., None]
    """Writes changes into the record."""

    def run(self) -> None:
        """Give the device its MAC, and impose what is not so yet.

        Raises:
            CniError: code 7, naming a property, its value and the driver's limit.
            KernelError: the kernel refused the device's own address.
        """
        port = self.device.port
        if self.config.mac:
            # Before `trust`: with that, a VF changes what its PF prescribes, and nobody knows.
            self._take_mac(self.config.mac)
            if port:
                self._prescribe(port, self.config.mac)
        if port:
            for one in replace(self.record.imposed, mac=None).each():
                self._impose(port, one)

    def _take_mac(self, mac: str) -> None:
        link, port, host = self.device.link, self.device.port, self.node.kernel.host
        if link is None or link.mac == mac:
            return
        host.set_down(link.index)
        try:
            host.set_mac(link.index, mac)
        except KernelError as error:
            if port is None or error.errno not in vf.PRESCRIBED:
                raise
            log.info("%s: %s prescribes another one", error, port)
            self._take_mac_against(port, link, mac)

    def _take_mac_against(self, port: Port, link: Link, mac: str) -> None:
        """Trust the VF for a moment: then it may have another address than its PF prescribes."""
        now = port.settings()
        if now is None or now.trust is not False:
            raise _prescribed(port, mac, now)
        before, imposed = self.record.baseline, self.record.imposed
        trusting = before.model_copy(update={"vf": replace(before.vf, trust=False)})
        self.save(mac_was_prescribed=True, baseline=trusting, imposed=replace(imposed, trust=True))
        try:
            port.impose(VfSettings(trust=True))
        except KernelError as error:
            raise _prescribed(port, mac, now) from error
        self.node.kernel.host.set_mac(link.index, mac)
        port.impose(VfSettings(trust=False))
        self.save(baseline=before, imposed=imposed)

    def _prescribe(self, port: Port, mac: str) -> None:
        now = port.settings()
        if now and now.mac == mac:
            # Drivers like ice would think that nothing is left to do, and not hold the VF to it.
            port.lift_mac()
        self._impose(port, VfSettings(mac=mac))

    def _impose(self, port: Port, one: VfSettings) -> None:
        try:
            port.impose(one)
        except KernelError as error:
            speed = self.node.sysfs.link_speed(port.pf.name)
            raise vf.refusal(self.config, port.function, one, error, speed) from error


def _prescribed(port: Port, mac: str, now: VfSettings | None) -> CniError:
    return CniError(
        Code.INVALID_CONFIG,
        f"mac is {mac!r}, but {port} prescribes {now.mac if now else 'another one'}, "
        "and its driver lets the VF take no other",
        f"lift that: ip link set dev {port} mac 00:00:00:00:00:00; or remove mac",
    )
