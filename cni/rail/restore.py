"""A device on the host gets its baseline again; what it already has is not touched."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import replace

from cni.kernel.functions import NO_MAC, VfSettings
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError, Link
from cni.kernel.vf_messages import words
from cni.rail import vf
from cni.rail.attachment import Record
from cni.rail.port import Port

log = logging.getLogger(__name__)


def restore_mac(host: Namespace, link: Link, record: Record, port: Port | None) -> bool:
    """Restore a device's own MAC, down; return whether it has it.

    It must come before the MTU: for that igbvf starts anew, and asks its PF which address it has.
    """
    wanted, imposed = record.baseline, record.imposed.mac
    now = port.settings() if port and imposed else None
    if port and now and now.mac == imposed:
        port.lift_mac()
    if link.up and (link.mac, link.name) != (wanted.mac, wanted.name):
        host.set_down(link.index)
    if link.mac == wanted.mac:
        return True
    if port and imposed and not port.pf.up:
        log.warning("%s: its PF is down, and would not hear which address it has", port)
        return False
    try:
        host.set_mac(link.index, wanted.mac)
    except KernelError as error:
        if not record.device.pci_address or error.errno not in vf.PRESCRIBED:
            raise
        return _is_prescribed(port, link, record, error)
    return True


def _is_prescribed(port: Port | None, link: Link, record: Record, error: KernelError) -> bool:
    """Return whether a VF has what its PF prescribes: nobody can give it another one then."""
    now = port.settings() if port else None
    if now and (now.mac == link.mac or now.mac not in {NO_MAC, record.imposed.mac}):
        log.warning("%s: %s prescribes %s, it stays", error, port, now.mac)
        return True
    log.warning("%s: until it has that, no pod gets the VF", error)
    return False


def restore_link(host: Namespace, link: Link, record: Record) -> bool:
    """Restore MTU, names, and whether it is up; return whether it has all its names."""
    index, wanted = link.index, record.baseline
    changed = (link.mac, link.name) != (wanted.mac, wanted.name)
    if link.up and not changed and not wanted.up:
        host.set_down(index)
    if link.mtu != wanted.mtu:
        host.set_mtu(index, wanted.mtu)
    named = _restore_names(host, link, record)
    if wanted.up and not (link.up and not changed):
        host.set_up(index)
    return named


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


def restore_settings(port: Port | None, record: Record, *, has_its_mac: bool = True) -> bool:
    """Have a PF impose what it did before ADD; return whether it does.

    Args:
        port: of the VF; None where its PF has no interface on the host.
        record: what was changed there.
        has_its_mac: whether the VF has its own address again; until then none is prescribed, for
            it could not take that any more.
    """
    now = port.settings() if port else None
    if port is None or now is None:
        address = record.device.pci_address
        log.warning("the PF of %s has no interface on the host, or not that VF", address)
        return False
    back, foreign = vf.to_take_back(record.baseline.vf, record.imposed, now)
    if record.mac_was_prescribed and foreign.mac in {None, record.baseline.mac}:
        back = replace(back, mac=record.baseline.vf.mac)  # the VF has told its own meanwhile
        foreign = replace(foreign, mac=None)
    if not has_its_mac:
        back = replace(back, mac=None)
    for one in foreign.each():
        log.warning("%s has %s, which railcni did not set: it stays", port, words(one))
    refused = [one for one in back.each() if not _restore_one(port, one)]
    return not refused


def _restore_one(port: Port, one: VfSettings) -> bool:
    try:
        port.impose(one)
    except KernelError as error:
        log.warning("%s: until that is as it was, no pod gets the VF", error)
        return False
    return True
