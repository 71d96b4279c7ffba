"""The verbs of a namespace for its adapters, by generic netlink and ioctl."""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cni.kernel import netlink
from cni.kernel.adapters import Radio
from cni.kernel.types import Link, kernel_errors

T = TypeVar("T")

# It is there as soon as cfg80211 is loaded; to ask generic netlink for the family would load it.
_CLASS = Path("/sys/class/ieee80211")
_CHECKSUMS = "tx-checksum-ip-generic"
_NO_RADIO = frozenset({errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP})
"""No such family; no such link; a link that is no radio; a driver that cannot."""


class AdapterVerbs(ABC):
    """What a namespace of the running kernel tells of its adapters."""

    @abstractmethod
    def link(self, index: int) -> Link | None:
        """Return one link by index."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace."""

    def radio(self, index: int) -> Radio | None:
        """`iw dev X info; iw dev X station dump; iw dev X get power_save`."""
        if not _CLASS.exists():
            return None
        with kernel_errors(f"iw dev if{index}"):
            return self._run(lambda: _radio(index))

    def offloads_checksums(self, index: int) -> bool | None:
        """`ethtool -k X`."""
        from cni.kernel import offloading

        link = self.link(index)
        if link is None:
            return None
        with kernel_errors(f"ethtool -k {link.name}"):
            return self._run(lambda: offloading.is_on(link.name, _CHECKSUMS))


def _radio(index: int) -> Radio | None:
    from cni.kernel import radio_messages

    with netlink.open_asker(netlink.GENERIC) as asker:
        known = _answers(asker, radio_messages.family_request())
        if not known:
            return None
        family = radio_messages.family(known[0])
        interface = _answers(asker, radio_messages.interface_request(family, index))
        if not interface:
            return None
        stations: list[bytes] = []
        if radio_messages.is_station(interface[0]):
            stations = _answers(asker, radio_messages.stations_request(family, index))
        asked = _answers(asker, radio_messages.power_save_request(family, index))
        power_save = radio_messages.power_save(asked[0]) if asked else None
        joined = stations[0] if stations else None
        return radio_messages.radio(interface[0], joined, power_save=power_save)


def _answers(asker: socket.socket, request: bytes) -> list[bytes]:
    """Ask; of what is no radio, or of what a driver cannot tell, there is no answer."""
    try:
        return netlink.exchange(asker, request)
    except OSError as error:
        if error.errno not in _NO_RADIO:
            raise
        return []
