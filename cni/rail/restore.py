"""A device on the host gets its baseline again; what it already has is not touched."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import replace

from cni.kernel.functions import NO_MAC, VfSettings, VirtualFunction
from cni.kernel.interface import Namespace, Sysfs
from cni.kernel.types import KernelError, Link
from cni.rail import vf
from cni.rail.attachment import Record

log = logging.getLogger(__name__)

_PRESCRIBED = frozenset({errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES})
"""What a VF's driver answers to an address while its PF prescribes one."""


def restore_link(host: Namespace, link: Link, record: Record) -> bool:
    """Restore MAC, MTU, names and whether it is up; return whether it has all its names."""
    index, wanted = link.index, record.baseline
    changed = (link.mac, link.name) != (wanted.mac, wanted.name)
    if link.up and (changed or not wanted.up):
        host.set_down(index)
    if link.mac != wanted.mac:
        _restore_mac(host, link, record)
    if link.mtu != wanted.mtu:
        # After the MAC: igbvf starts anew for it, and asks the PF which address it has for good.
        host.set_mtu(index, wanted.mtu)
    named = _restore_names(host, link, record)
    if wanted.up and not (link.up and not changed):
        host.set_up(index)
    return named


def _restore_mac(host: Namespace, link: Link, record: Record) -> None:
    try:
        host.set_mac(link.index, record.baseline.mac)
    except KernelError as error:
        if not record.device.pci_address or error.errno not in _PRESCRIBED:
            raise
        # The PF's word was there before ADD, and the VF took it when its driver started anew.
        log.info("%s: its PF prescribes %s", error, link.mac)


def _restore_names(host: Namespace, link: Link, record: Record) -> bool:
    """Return whether the device has its names again; another one may have taken them."""
    wanted = record.baseline
    if link.name != wanted.name and wanted.name in link.altnames:
        host.remove_altname(link.index, wanted.name)  # udev gave it; it blocks the renaming
    whole = link.name == wanted.name or _unless_taken(host, link, wanted.name, record, host.rename)
    for altname in link.altnames:
        if altname not in {*wanted.altnames, wanted.name}:
            host.remove_altname(link.index, altname)  # the pod's
    for altname in wanted.altnames:
        if altname not in link.altnames:
            whole &= _unless_taken(host, link, altname, record, host.add_altname)
    return whole


def _unless_taken(
    host: Namespace, link: Link, name: str, record: Record, give: Callable[[int, str], None]
) -> bool:
    """Give the link a name or altname; return whether it has it."""
    try:
        give(link.index, name)
    except KernelError as error:
        owner = host.find(name)
        if error.errno != errno.EEXIST or owner is None:
            raise
        if owner.index == link.index:
            return True
        log.warning(
            "%s was %s on the host before %s had it, but another interface has that name now; "
            "mend it: ip link set dev %s name NEW, then ip link set dev %s name %s",
            link.name, name, record.holder, name, link.name, name,
        )  # fmt: skip
        return False
    return True


class Port:
    """A VF's place on its PF, which is asked only where ADD changed something there."""

    def __init__(self, host: Namespace, sysfs: Sysfs, record: Record) -> None:
        self._host = host
        self._record = record
        self._function = sysfs.virtual_function(record.device.pci_address) if self._used else None

    @property
    def _used(self) -> bool:
        return self._record.baseline.vf != VfSettings()

    def lift_mac(self) -> None:
        """Have the PF prescribe no address any more: only then may the VF set its own."""
        pf = self._pf()
        if not self._record.mac_imposed or pf is None or self._function is None:
            return
        try:
            self._host.set_vf(pf.index, self._function.index, VfSettings(mac=NO_MAC))
        except KernelError as error:
            # A driver that knows no way back lets the VF set its own at any time.
            log.info("%s", error)

    def restore(self) -> bool:
        """Have the PF impose what it did before; return whether it does."""
        if self._function is None:
            return True  # nothing was changed, or the VF is gone with all that was
        pf = self._pf()
        now = self._host.vf(pf.index, self._function.index) if pf else None
        if pf is None or now is None:
            log.warning(
                "the PF of %s (%s) has no interface on the host that could be asked",
                self._record.device.pci_address, self._function.pf_address,
            )  # fmt: skip
            return False
        settings = self._record.baseline.vf
        missing = vf.differing(settings, now)
        if self._record.mac_prescribed:
            missing = replace(missing, mac=settings.mac)
        refused = [one for one in missing.each() if not self._impose(pf, self._function, one)]
        return not refused

    def _impose(self, pf: Link, function: VirtualFunction, one: VfSettings) -> bool:
        try:
            self._host.set_vf(pf.index, function.index, one)
        except KernelError as error:
            log.warning("%s: until that is as it was, no pod gets the VF", error)
            return False
        return True

    def _pf(self) -> Link | None:
        name = self._function.pf_netdev if self._function else ""
        return self._host.find(name) if name else None
