"""What the radios of this node's uplinks do on the air: for a person, nothing is decided by it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator

from cni.agent.interface import Family
from cni.hostgw.node import Node
from cni.hostgw.uplink import radio_of
from cni.kernel.adapters import Radio

log = logging.getLogger(__name__)


class Air:
    """Looks at the radios now and then.

    Args:
        node: where.
        uplinks: tells which netdevs lead to peers.
    """

    def __init__(self, node: Node, uplinks: Callable[[], Collection[str]]) -> None:
        self._node = node
        self._uplinks = uplinks
        self.radios: dict[str, Radio] = {}
        """By their names, as they were at the last look."""

    def look(self) -> None:
        """Look; log what a person would want to know (KernelError)."""
        found = dict(self._look())
        for name, radio in found.items():
            self._tell(name, self.radios.get(name, Radio()), radio)
        self.radios = found

    def figures(self) -> Iterator[Family]:
        """Tell what is now."""
        radios = self.radios.items()
        yield Family.of(
            "hostgw_radio_signal_dbm", "Signal of the access point.",
            {(name,): radio.signal for name, radio in radios if radio.signal is not None},
            "device",
        )  # fmt: skip
        yield Family.of(
            "hostgw_radio_bits_per_second", "The rate at which a radio sends.",
            {(name,): radio.bitrate * 1e6 for name, radio in radios if radio.bitrate is not None},
            "device",
        )  # fmt: skip
        yield Family.of(
            "hostgw_radio_power_save", "1 while a radio sleeps between two beacons.",
            {(name,): int(radio.power_save) for name, radio in radios
             if radio.power_save is not None},
            "device",
        )  # fmt: skip

    def _look(self) -> Iterator[tuple[str, Radio]]:
        host = self._node.kernel.host
        names = {radio_of(uplink, self._node.sysfs) for uplink in self._uplinks()} - {""}
        for name in sorted(names):
            link = host.find(name)
            radio = host.radio(link.index) if link else None
            if radio:
                yield name, radio

    def _tell(self, name: str, before: Radio, now: Radio) -> None:
        if now.power_save and not before.power_save:
            log.warning(
                "%s saves power: each packet to this node waits for the next beacon, some 100 ms; "
                "iw dev %s set power_save off", name, name,
            )  # fmt: skip
        if now.bssid != before.bssid:
            log.info("%s is with the access point %s now", name, now.bssid or "none")
