"""What a network device and its driver tell by SIOCETHTOOL.

The ioctl and not ethtool's netlink: every kernel that has one of the two has this one.  Source: the
kernel's ethtool.h and `dev_ethtool`.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from array import array

from cni.kernel.adapters import Driver, Pause

_SIOCETHTOOL = 0x8946
_IFREQ = struct.Struct("@16sP16x")
_GET_DRIVER, _GET_PAUSE = 0x03, 0x12
_DRIVER = struct.Struct("=I32s32s32s32s32s12x5I")
_PAUSE = struct.Struct("=IIII")
_ABSENT = frozenset({errno.ENODEV, errno.EOPNOTSUPP})
_UNTOLD = frozenset({"", "N/A"})


def driver(device: str) -> Driver | None:
    """`ethtool -i DEVICE`, of the calling thread's namespace.

    Raises:
        OSError: what the kernel answered, beside that it has no such device or driver.
    """
    question = _DRIVER.pack(_GET_DRIVER, b"", b"", b"", b"", b"", 0, 0, 0, 0, 0)
    with asker() as opened:
        answer = ask(opened, device, question)
    return read_driver(answer) if answer else None


def pause(device: str) -> Pause | None:
    """`ethtool -a DEVICE`, likewise."""
    with asker() as opened:
        answer = ask(opened, device, _PAUSE.pack(_GET_PAUSE, 0, 0, 0))
    return read_pause(answer) if answer else None


def read_driver(answer: bytes) -> Driver:
    """Read `struct ethtool_drvinfo`."""
    _, name, version, firmware, *_ = _DRIVER.unpack(answer)
    told = _text(firmware)
    return Driver(_text(name), _text(version), "" if told in _UNTOLD else told)


def read_pause(answer: bytes) -> Pause:
    """Read `struct ethtool_pauseparam`."""
    _, agreed, receives, sends = _PAUSE.unpack(answer)
    return Pause(bool(agreed), bool(receives), bool(sends))


def asker() -> socket.socket:
    """Return what to ask by, in the calling thread's namespace."""
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def ask(opened: socket.socket, device: str, question: bytes) -> bytes | None:
    """Let the kernel write its answer over a question; None where device or driver has none.

    Raises:
        OSError: what else the kernel answered.
    """
    buffer = array("B", question)
    try:
        fcntl.ioctl(opened, _SIOCETHTOOL, _IFREQ.pack(device.encode(), buffer.buffer_info()[0]))
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None
    return buffer.tobytes()


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace").strip()
