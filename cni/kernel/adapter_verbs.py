"""The verbs of a namespace for its adapters, by netlink and ioctl."""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cni.kernel import netlink
from cni.kernel.adapters import Bond, Bridging, Driver, Pause, Radio
from cni.kernel.types import KernelError, Link, kernel_errors

T = TypeVar("T")

# It is there as soon as cfg80211 is loaded; to ask generic netlink for the family would load it.
_CLASS = Path("/sys/class/ieee80211")
_CHECKSUMS = "tx-checksum-ip-generic"
_NO_RADIO = frozenset({errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP})
"""No such family; no such link; a link that is no radio; a driver that cannot."""
_NO_BRIDGING = frozenset({errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP})
"""No such link; a kernel without DCB; a driver without."""


class AdapterVerbs(ABC):
    """What a namespace of the running kernel tells of its adapters."""

    @abstractmethod
    def link(self, index: int) -> Link | None:
        """Return one link by index."""

    @abstractmethod
    def _request(
        self, request: bytes, words: str, index: int = 0, more: str = "", *, strictly: bool = False
    ) -> list[bytes]:
        """Send a request of rtnetlink's."""

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

        return self._by_name(
            index, "ethtool -k", lambda device: offloading.is_on(device, _CHECKSUMS)
        )

    def driver(self, index: int) -> Driver | None:
        """`ethtool -i X`."""
        from cni.kernel import ethtool

        return self._by_name(index, "ethtool -i", ethtool.driver)

    def pause(self, index: int) -> Pause | None:
        """`ethtool -a X`."""
        from cni.kernel import ethtool

        return self._by_name(index, "ethtool -a", ethtool.pause)

    def bridging(self, index: int) -> Bridging | None:
        """RTM_GETDCB: `dcb pfc show; dcb ets show; dcb app show`."""
        from cni.kernel import dcb_messages

        def ask(device: str) -> Bridging | None:
            try:
                answers = netlink.ask(netlink.ROUTE, dcb_messages.request(device))
            except OSError as error:
                if error.errno not in _NO_BRIDGING:
                    raise
                return None
            return dcb_messages.bridging(answers[0]) if answers else None

        return self._by_name(index, "dcb show dev", ask)

    def bond(self, index: int) -> Bond | None:
        """`ip -d link show dev X`."""
        from cni.kernel import bond_messages, link_messages

        try:
            (body,) = self._request(link_messages.show_request(index), "link show")
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return None
        return bond_messages.bond(body)

    def _by_name(self, index: int, words: str, look: Callable[[str], T | None]) -> T | None:
        """Look at a link by its name, in its namespace; None when it is not there."""
        link = self.link(index)
        if link is None:
            return None
        with kernel_errors(f"{words} {link.name}"):
            return self._run(lambda: look(link.name))


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
