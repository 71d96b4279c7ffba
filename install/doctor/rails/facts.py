"""What there is of rails on a node, before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cni.kernel.adapters import Bond, Bridging, Driver, Pause
from cni.kernel.functions import PciDevice, PhysicalFunction, RdmaPort, VirtualFunction
from cni.kernel.types import Link
from install.doctor.rails.resources import Kubelet, Resource

_INFINIBAND = 20
"""Octets of an address there; Ethernet's has six."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A link of a namespace, and what the filter of reverse paths does to it."""

    link: Link
    rp_filter: str
    """What counts for it: 0 off, 1 strict, 2 loose."""


@dataclass(frozen=True, slots=True)
class Function:
    """A VF, and who has it."""

    vf: VirtualFunction
    state: str
    """One of `cni.agent.rails.VF_STATES`."""
    holder: str = ""
    """Who holds it, or held it last and could not give it back."""
    rail: str = ""
    """Which it carries, where somebody holds it."""
    netns: str = ""
    """Path of its holder's namespace."""
    least_mtu: int = 0
    """Bytes that its holder asked for."""
    pod: Seen | None = None
    """What it is in its holder's namespace; None where it has no link, or nobody could look."""


@dataclass(frozen=True, slots=True)
class Port:
    """A PF, with what hangs on it."""

    pf: PhysicalFunction
    functions: Sequence[Function]
    link: Link | None = None
    """None while it has no interface on the host."""
    least_mtu: int = 0
    """Bytes that it must carry."""
    rp_filter: str = ""
    master: Link | None = None
    """The bond, bridge or team that it is a port of."""
    driver: Driver | None = None
    pause: Pause | None = None
    bridging: Bridging | None = None
    rdma_ports: Sequence[RdmaPort] = ()

    @property
    def name(self) -> str:
        """What to call it."""
        return self.pf.netdev or self.pf.address

    @property
    def is_infiniband(self) -> bool:
        """Whether its fabric is InfiniBand: lossless by itself, and with MTUs of its own."""
        return self.link is not None and self.link.mac.count(":") + 1 == _INFINIBAND

    @property
    def rails(self) -> list[str]:
        """Return which rails it carries now."""
        return sorted({function.rail for function in self.functions if function.rail})


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    ports: Sequence[Port]
    """PFs that are for rails."""
    others: Sequence[PhysicalFunction] = ()
    """PFs that have no VF, and that nobody has named."""
    missing: Sequence[str] = ()
    """PFs that agent.toml names, and the node has not."""
    wanted: bool = False
    """Whether the node file declares rails."""
    rdma_is_exclusive: bool = False
    bus: Sequence[PciDevice] = ()
    bonds: Mapping[str, Bond] = field(default_factory=dict)
    """Of each bond of the host that is a port's master, what it is."""
    pod_filter: str = ""
    """The `rp_filter` that a new pod's namespace gets."""
    declared: Mapping[str, str] = field(default_factory=dict)
    """Of each rail that the node file names a resource of, the resource."""
    resources: Sequence[Resource] | None = None
    """Of the device plugin's configuration; None when none was given."""
    shared_plugin: bool = False
    """The configuration given is the shared device plugin's, which knows no VF."""
    kubelet: Kubelet | None = None
    """What kubelet keeps of its device plugins; None where there is no kubelet."""
    unknown: Sequence[str] = ()
    """What could not be looked at, in words."""

    @property
    def functions(self) -> list[Function]:
        """Return the VFs of all rails' PFs."""
        return [function for port in self.ports for function in port.functions]
