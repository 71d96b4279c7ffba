"""What there is of a node beside its rails, before anybody judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cni.kernel.adapters import Bond
from cni.kernel.clock import Clock
from cni.kernel.types import Link
from install.platforms.multus import Multus
from install.platforms.platform import Platform


@dataclass(frozen=True, slots=True)
class Program:
    """One of our names in the folder of the plugins."""

    name: str
    exists: bool
    executable: bool = False
    target: str = ""
    """What its link leads to in the end."""
    build: str = ""
    """Of the bundle that it leads into; empty where the path does not tell."""


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent, as far as it answers."""

    has_socket: bool = False
    refusal: str | None = None
    """Why it does not serve this bundle, empty where it does; None when it did not answer."""
    pages: str = ""
    """Where it serves its pages; empty for nowhere."""
    problems: Sequence[str] | None = None
    """What it says of itself; None where no page answers."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A bond of the host that no rail is in, with its ports."""

    link: Link
    bond: Bond
    ports: Sequence[Link]
    leads_out: bool = False
    """Whether a default route leaves by it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    build: str
    """Of the bundle that this process is of."""
    platform: Platform | None = None
    platform_problem: str = ""
    """Why it cannot be told."""
    networks: Sequence[str] = ()
    """The files of the runtime's networks, in the order in which it takes them."""
    multus: Multus | None = None
    programs: Sequence[Program] = ()
    agent: Agent = Agent()
    bonds: Sequence[Aggregate] = ()
    clock: Clock | None = None
    wants_rails: bool = False
    """Whether the node has rails, or its node file declares some."""
    unknown: Sequence[str] = ()
    """What could not be looked at, in words."""
