"""SR-IOV adapters and RDMA devices of the fake, as igb of Linux 6.12 has them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

from cni.kernel.fake.model import Device, Netns
from cni.kernel.functions import NO_MAC, VfRate, VfSettings, VfVlan

REFUSED_BY_IGB = frozenset({"link_state", "802.1ad", "min_tx_rate"})
"""Fields of `VfSettings` and, where a driver knows the field, what it cannot do of it."""

_FIELDS = tuple(entry.name for entry in fields(VfSettings))
_NOTHING_IMPOSED = VfSettings(
    mac=NO_MAC, vlan=VfVlan(0), spoofchk=True, trust=False, link_state="auto", rate=VfRate()
)
_GROUP_ADDRESS = 1
"""The bit of a MAC's first octet that makes it a group's."""
_LAST_VLAN, _LAST_QOS = 4095, 7


@dataclass(eq=False, slots=True)
class RdmaUnit:
    """An RDMA device."""

    index: int
    name: str
    node_guid: str
    netns: Netns
    """Whose it is; in shared mode all the others see it as well."""


@dataclass(eq=False, slots=True)
class Function:
    """A PCI function; without a driver it has neither netdev nor RDMA device."""

    address: str
    driver: str
    numa_node: int | None = None
    device: Device | None = None
    rdma: RdmaUnit | None = None


@dataclass(eq=False, slots=True)
class Pf(Function):
    """A physical function."""

    total_vfs: int = 8
    refuses: frozenset[str] = REFUSED_BY_IGB
    speed: int = 1000
    """Mbit/s."""
    vfs: list[Vf] = field(default_factory=list)

    def refusal(self, one: VfSettings, now: int) -> int:
        """Return the errno that refuses one property at this time, 0 when it is welcome."""
        if any(getattr(one, name, None) is not None for name in self.refuses):
            return errno.EOPNOTSUPP
        if one.vlan and one.vlan.proto in self.refuses:
            return errno.EPROTONOSUPPORT
        return errno.EINVAL if any(self._faults(one, now)) else 0

    def _faults(self, one: VfSettings, now: int) -> Iterator[bool]:
        if one.mac:
            yield bool(bytes.fromhex(one.mac[:2])[0] & _GROUP_ADDRESS)
        if one.vlan:
            yield one.vlan.id > _LAST_VLAN or one.vlan.qos > _LAST_QOS
        if one.rate:
            yield self.device is None or not self.device.has_carrier(now)
            yield one.rate.max > self.speed
            yield one.rate.min > 0 and "min_tx_rate" in self.refuses
            yield 0 < one.rate.max < one.rate.min


@dataclass(eq=False, slots=True)
class Vf(Function):
    """A virtual function."""

    pf: Pf = field(kw_only=True)
    imposed: VfSettings = _NOTHING_IMPOSED
    """What the PF shows of it."""
    is_prescribed: bool = False
    """Whether its MAC is the PF's choice."""

    def shown(self) -> VfSettings:
        """Return what the PF says: a driver that has no such switch does not state it."""
        unknown = {name: None for name in ("spoofchk", "trust") if name in self.pf.refuses}
        return replace(self.imposed, **unknown)

    def impose(self, one: VfSettings) -> None:
        """Let the PF change one property."""
        if one.mac is not None:
            one = replace(one, mac=one.mac.lower())
            self.is_prescribed = one.mac != NO_MAC
        stated = {name: value for name in _FIELDS if (value := getattr(one, name)) is not None}
        self.imposed = replace(self.imposed, **stated)

    def choose_mac(self, device: Device, mac: str) -> bool:
        """Let its own driver ask for a MAC; return whether it has it now.

        The PF refuses another than its own choice, unless it trusts the VF; but nobody asks it for
        what the VF has already, nor while it is down.
        """
        if mac == device.mac:
            return True
        if self._is_heard():
            if not self._may_choose():
                return False
            self.imposed = replace(self.imposed, mac=mac)
        device.mac = mac
        return True

    def restart(self, device: Device) -> None:
        """Let its driver start anew, as igbvf does on `down` and for another MTU.

        Only then does the PF's choice reach it; and what it then has, it calls permanent.
        """
        if self._is_heard() and self._may_choose():
            self.imposed = replace(self.imposed, mac=device.mac)
        elif self._is_heard():
            device.mac = self.imposed.mac or device.mac
        device.permanent_mac = device.mac

    def has_link(self, now: int) -> bool:
        """Return whether the adapter gives it carrier."""
        if self.imposed.link_state == "auto":
            return self.pf.device is not None and self.pf.device.has_carrier(now)
        return self.imposed.link_state == "enable"

    def _is_heard(self) -> bool:
        return self.pf.device is not None and self.pf.device.up

    def _may_choose(self) -> bool:
        return not self.is_prescribed or bool(self.imposed.trust)
