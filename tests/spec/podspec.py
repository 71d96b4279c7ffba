"""What a node is to run, as values: of a pod's specification, what its kubelet acts upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume in a container."""

    volume: str
    path: str
    read_only: bool
    propagation: str
    """`None`, `HostToContainer` or `Bidirectional`."""


@dataclass(frozen=True, slots=True)
class Security:
    """What a container may do."""

    privileged: bool
    read_only_root: bool
    user: int | None
    group: int | None
    no_new_privileges: bool
    add: tuple[str, ...]
    drop: tuple[str, ...]
    seccomp: str
    """`RuntimeDefault` or `Unconfined`."""
    selinux: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Resources:
    """What it may use."""

    shares: int
    """Of the processor, from its request."""
    quota: int
    """Microseconds in each 100 ms, from its limit; 0 is without one."""
    memory: int
    """Bytes, from its limit; 0 is without one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How the kubelet asks whether a container is well: by HTTP, or by a command."""

    kind: str
    """Which of the three probes."""
    host: str = ""
    port: int = 0
    path: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]
    security: Security
    resources: Resources
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """Where the content of a mount is: a path of the node's, or files that the kubelet writes."""

    host_path: str = ""
    kind: str = ""
    """Of the path: what must be there, or is made."""
    files: Mapping[str, str] = field(default_factory=dict)
    mode: int = 0o644
    is_empty: bool = False
    """Whether it is the containers' own to write (`emptyDir`)."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod."""

    name: str
    namespace: str
    host_network: bool
    host_pid: bool
    grace: int
    """Seconds from SIGTERM to SIGKILL."""
    group: int | None
    """Whose the volumes are that the kubelet makes, and a further group of every container."""
    first: tuple[Container, ...]
    """Its init containers: each must end well before the next begins."""
    containers: tuple[Container, ...]
    volumes: Mapping[str, Volume]
    ports: Mapping[int, int] = field(default_factory=dict)
    """Its own, by the node's."""
