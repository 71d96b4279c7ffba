"""What tells this machine from all others, whatever is installed or restored on it.

Sources: the System UUID of SMBIOS (DSP0134, 7.2.1) and Documentation/ABI/testing/sysfs-class-net of
the Linux kernel.  The machine-id is no such thing: it is cloned, and netboot makes a new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from cni.protocol.errors import CniError, Code

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SHARED_UUIDS = frozenset({
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "00020003-0004-0005-0006-000700080009",
    "03000200-0400-0500-0006-000700080009",
    "07090201-0103-0301-0807-060504030201",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "890e2d14-cacd-45d1-ae66-bc80e8bfeb0f",
    "8e275844-178f-44a8-aceb-a7d7e5178c63",
    "dc698397-fa54-4cf2-82c8-b1b5307a6a7f",
    "deadbeef-dead-beef-dead-beefdeadbeef",
})  # fmt: skip
"""What vendors left in whole series of boards."""

_PERMANENT = "0"
"""NET_ADDR_PERM of `addr_assign_type`: not random, not set by anybody."""
_PORT = re.compile(r"(p\d+)?")
"""`phys_port_name` of a port itself; that of a VF's or subfunction's representor has more."""
_LOCAL, _GROUP = 0x02, 0x01
_ETHERNET, _INFINIBAND = 6, 20
_GUID = 8


def hardware_identity(sys: Path, node_id: str | None) -> str:
    """Return the machine's identity, its kind in front: `dmi:…`, `mac:…`, or `id:…`.

    Args:
        sys: where sysfs is.
        node_id: what a person calls it: where the hardware tells nothing, or where several nodes
            share a machine; it is added to what the hardware tells.

    Raises:
        CniError: code 7, when nothing tells it from others.
    """
    suffix = f"+{node_id}" if node_id else ""
    uuid = _read(sys / "class/dmi/id/product_uuid").lower()
    if is_unique(uuid):
        return f"dmi:{uuid}{suffix}"
    macs = sorted(set(_permanent_macs(sys / "class/net")))
    if macs:
        return f"mac:{','.join(macs)}{suffix}"
    if node_id:
        return f"id:{node_id}"
    raise CniError(
        Code.INVALID_CONFIG,
        f"nodeId is missing: the DMI product UUID is {uuid or 'absent'!r}, which other machines "
        "may have too, and there is no physical function with a permanent MAC",
        "set nodeId in the node file to something that no other node has, and that stays with the "
        "machine, such as its serial number",
    )


def is_unique(uuid: str) -> bool:
    """Tell whether a System UUID, in small letters, may be one machine's alone.

    Boards without one have a pattern in its place: nothing but zeros, ones or another byte, at
    least in the second half.
    """
    if not _UUID.fullmatch(uuid) or uuid in _SHARED_UUIDS:
        return False
    return len(set(UUID(uuid).bytes[8:])) > 1


def _permanent_macs(netdevs: Path) -> Iterator[str]:
    for netdev in netdevs.iterdir() if netdevs.is_dir() else ():
        physical = _read(netdev / "device/sriov_totalvfs") not in ("", "0")
        if physical and _PORT.fullmatch(_read(netdev / "phys_port_name")):
            mac = _burnt_in(netdev)
            if mac:
                yield mac


def _burnt_in(netdev: Path) -> str:
    """Return what a port was made with, empty when that cannot be told."""
    enslaved = _read(netdev / "bonding_slave/perm_hwaddr")  # a bond gives its ports one address
    permanent = _read(netdev / "addr_assign_type") == _PERMANENT
    text = enslaved or (_read(netdev / "address") if permanent else "")
    try:
        octets = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        return ""
    if len(octets) == _INFINIBAND:
        return octets[-_GUID:].hex(":")  # in front of it is the queue pair's number
    lasting = len(octets) == _ETHERNET and any(octets) and not octets[0] & (_LOCAL | _GROUP)
    return octets.hex(":") if lasting else ""


def _read(file: Path) -> str:
    """Return an attribute, empty when it is absent or the driver has none."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
