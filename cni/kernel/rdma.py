"""RDMA devices, by netlink of the calling thread's namespace (rdma-dev(8), rdma-system(8)).

Source: the kernel's rdma_netlink.h; RDMA_NLDEV_CMD_* and RDMA_NLDEV_ATTR_* of client NLDEV.
"""

from __future__ import annotations

import errno
import struct
from pathlib import Path

from cni.kernel import netlink
from cni.kernel.functions import RdmaDevice

_NLDEV = 5 << 10
_GET, _SET, _SYS_GET = _NLDEV + 1, _NLDEV + 2, _NLDEV + 6
_DEV_INDEX, _DEV_NAME, _NODE_GUID, _NETNS_MODE, _NET_NS_FD = 1, 2, 6, 66, 68
_SHARED = 1
_U32, _U64 = struct.Struct("=I"), struct.Struct("=Q")

# It is there as soon as the RDMA core is loaded.  Opening a socket would load it, and to ask
# whether there is a device is no reason to change the machine.
_CLASS = Path("/sys/class/infiniband")
# No such protocol, and no such protocol in this namespace (before Linux 5.3).
_ABSENT = frozenset({errno.EPROTONOSUPPORT, errno.ECONNREFUSED})
# What kernels answer that do not know the question yet.
_UNKNOWN = frozenset({errno.EINVAL, errno.EOPNOTSUPP})

DEVICES_REQUEST = netlink.message(_GET, netlink.ACK | netlink.DUMP)
MODE_REQUEST = netlink.message(_SYS_GET, netlink.ACK)


def devices() -> list[RdmaDevice]:
    """`rdma dev show`; none without RDMA."""
    return [device(body) for body in _ask_if_present(DEVICES_REQUEST, _ABSENT)]


def is_exclusive() -> bool:
    """`rdma system show`: whether each device belongs to one namespace; no without RDMA."""
    return is_exclusive_mode(_ask_if_present(MODE_REQUEST, _ABSENT | _UNKNOWN))


def move(index: int, descriptor: int) -> None:
    """`rdma dev set D netns T`.

    Raises:
        OSError: EOPNOTSUPP in shared mode or where the driver cannot, EINVAL for no such device.
    """
    netlink.ask(netlink.RDMA, move_request(index, descriptor))


def rename(index: int, name: str) -> None:
    """`rdma dev set D name N`.

    Raises:
        OSError: EEXIST when a device of any namespace has that name, EINVAL for no such device.
    """
    netlink.ask(netlink.RDMA, rename_request(index, name))


def move_request(index: int, descriptor: int) -> bytes:
    """Return the request that moves a device into the namespace of a descriptor."""
    return _set_request(index, netlink.attribute(_NET_NS_FD, _U32.pack(descriptor)))


def rename_request(index: int, name: str) -> bytes:
    """Return the request that renames a device."""
    return _set_request(index, netlink.attribute(_DEV_NAME, name.encode() + b"\0"))


def device(body: bytes) -> RdmaDevice:
    """Read one device out of the answer to `DEVICES_REQUEST`."""
    stated = dict(netlink.attributes(body))
    guid = f"{_U64.unpack(stated[_NODE_GUID])[0]:016x}"
    return RdmaDevice(
        index=_U32.unpack(stated[_DEV_INDEX])[0],
        name=stated[_DEV_NAME].rstrip(b"\0").decode(),
        node_guid=":".join(guid[at : at + 4] for at in range(0, len(guid), 4)),
    )


def is_exclusive_mode(answers: list[bytes]) -> bool:
    """Read the answer to `MODE_REQUEST`; an older kernel states no mode, and shares."""
    modes = [dict(netlink.attributes(body)).get(_NETNS_MODE) for body in answers]
    return any(mode is not None and mode[0] != _SHARED for mode in modes)


def _set_request(index: int, change: bytes) -> bytes:
    which = netlink.attribute(_DEV_INDEX, _U32.pack(index))
    return netlink.message(_SET, netlink.ACK, which + change)


def _ask_if_present(request: bytes, absent: frozenset[int]) -> list[bytes]:
    """Ask; without RDMA there is no answer."""
    if not _CLASS.exists():
        return []
    try:
        return netlink.ask(netlink.RDMA, request)
    except OSError as error:
        if error.errno not in absent:
            raise
        return []
