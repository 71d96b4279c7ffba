"""The plugins as the agent has them: made once per request, of parts that are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from cni.agent.stopwatch import Stopwatch, TimedIpam
from cni.delegate.choose import ipam_for
from cni.delegate.interface import Ipam
from cni.hostgw import node as hostgw
from cni.hostgw.plugin import PathKeeper, RailHostgw
from cni.kernel.linux import LinuxKernel
from cni.protocol.plugin import Plugin
from cni.protocol.request import Request
from cni.rail.node import Node
from cni.rail.plugin import RailSriov


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is particular to one request."""

    netns: int
    """Descriptor of the pod's namespace, -1 when it is gone."""
    stopwatch: Stopwatch
    is_wanted: Callable[[], bool]
    """Tells whether its runtime still waits for it."""


Sandbox: TypeAlias = tuple[int, int, int] | None
"""A network namespace: device, inode and cookie."""
Maker: TypeAlias = Callable[[Request, Circumstances], Plugin]
"""Makes the plugin for one request."""


def rail_sriov(node: Node, kept: Mapping[str, Callable[[Request], Ipam]]) -> Maker:
    """Return what makes rail-sriov for a request.

    Args:
        node: what all requests share.
        kept: the IPAM plugins of our own, by name.
    """

    def make(request: Request, here: Circumstances) -> RailSriov:
        def timed_ipam(asked: Request) -> Ipam | None:
            ipam = ipam_for(asked, kept, here.is_wanted)
            return TimedIpam(ipam, here.stopwatch) if ipam else None

        # Nobody opens the path that the runtime sent: it was opened where it means something.
        passed = {request.netns: here.netns} if request.netns else {}
        kernel = LinuxKernel(passed, here.stopwatch.around("kernel"))
        own = replace(node, kernel=kernel, ipam_for=timed_ipam, is_wanted=here.is_wanted)
        return RailSriov(own)

    return make


def rail_hostgw(node: hostgw.Node, agent: PathKeeper | None) -> Maker:
    """Return what makes rail-hostgw for a request.

    Args:
        node: what all requests share.
        agent: what looks after the paths all the time, None where nothing does.
    """

    def make(request: Request, here: Circumstances) -> RailHostgw:
        del request  # it is about the host alone
        kernel = LinuxKernel(around=here.stopwatch.around("kernel"))
        return RailHostgw(replace(node, kernel=kernel), agent)

    return make


def rail_ipam(make_plugin: Callable[[Request, Sandbox, Callable[[], bool]], Plugin]) -> Maker:
    """Return what makes rail-ipam as a plugin of its own.

    Args:
        make_plugin: makes it of parts that are kept, for a request, its network namespace and what
            tells whether it is still wanted.
    """

    def make(request: Request, here: Circumstances) -> Plugin:
        return make_plugin(request, _identify(here.netns), here.is_wanted)

    return make


def _identify(netns: int) -> Sandbox:
    """Return which network namespace a descriptor is of."""
    if netns < 0:
        return None
    status, own = os.fstat(netns), os.stat("/proc/self/ns/net")  # noqa: PTH116
    if status.st_dev != own.st_dev:
        return None  # no namespace: it would be missed by every look, and its address freed
    return status.st_dev, status.st_ino, 0  # its cookie is known only inside
