"""A VF's port: its place on the PF, where its settings are."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Self

from cni.kernel.functions import NO_MAC, VfSettings, VirtualFunction
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError, Link

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Port:
    """One VF as its PF has it."""

    host: Namespace
    function: VirtualFunction
    pf: Link

    @classmethod
    def of(cls, host: Namespace, function: VirtualFunction | None) -> Self | None:
        """Return the port of a VF; None for no VF, or when its PF is not on the host."""
        if function is None or not function.pf_netdev:
            return None
        pf = host.find(function.pf_netdev)
        return cls(host, function, pf) if pf else None

    def __str__(self) -> str:
        return f"{self.pf.name} vf {self.function.index}"

    def settings(self) -> VfSettings | None:
        """Return what the PF imposes, None when it does not list the VF."""
        return self.host.vf(self.pf.index, self.function.index)

    def impose(self, settings: VfSettings) -> None:
        """Have the PF impose what is stated.

        Raises:
            KernelError: its driver refuses.
        """
        self.host.set_vf(self.pf.index, self.function.index, settings)

    def lift_mac(self) -> None:
        """Have the PF prescribe no address, so that the VF may choose."""
        try:
            self.impose(VfSettings(mac=NO_MAC))
        except KernelError as error:
            # Where a driver knows no way back, the next request says what cannot be done.
            log.info("%s", error)
