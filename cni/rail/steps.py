"""The steps of one ADD from the intent on; each leaves what `detach` can undo."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from ipaddress import IPv6Interface

from cni.delegate.interface import Allocation
from cni.kernel.functions import NO_MAC
from cni.kernel.interface import Namespace
from cni.kernel.types import Interface, KernelError, Link, Network, Rule
from cni.protocol import results
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Result
from cni.rail import config as rail_config
from cni.rail import device_info, routes, sysctl
from cni.rail.attachment import Record
from cni.rail.config import WIDEST_PREFIX, RailConfig
from cni.rail.device import Device
from cni.rail.impose import Imposition
from cni.rail.node import Node

log = logging.getLogger(__name__)

_CARRIER_PATIENCE = 1.0
"""Seconds that ADD waits for carrier before it gives up announcing the addresses."""


class Steps:
    """One ADD on its way; `record` always says how far it has come."""

    def __init__(
        self, node: Node, request: Request, config: RailConfig, pod: Namespace, intent: Record
    ) -> None:
        self.record = intent
        self._node = node
        self._request = request
        self._config = config
        self._pod = pod

    def run(self, device: Device) -> Result:
        """Take every step."""
        allocation = self._allocate()
        if not self._node.is_wanted():
            raise CniError(
                Code.TRY_AGAIN,
                f"the runtime waits no longer for {self.record.holder}, and nothing is attached",
                "its addresses took too long to come: see the log for what they waited for",
            )
        ips = allocation.result.ips
        addresses = tuple(ip.address for ip in ips)
        plan = self._plan(allocation, addresses)
        self._impose(device)
        if device.link is None:
            settled = plan.kept  # for the program that drives the VF to make of it what it can
        else:
            link = self._move(device.link)
            self._configure(link.index, addresses)
            settled = routes.settle(plan, ips, link.index)
            self._route(link.index, settled, addresses)
            self._announce(link.index, addresses)
        self._move_rdma()
        if self.record.device_info and device.function:
            device_info.write(self.record.device_info, device.function, self._rdma_name())
        if not self._node.is_wanted():
            raise CniError(
                Code.TRY_AGAIN,
                f"the runtime waits no longer for {self.record.holder}: it is undone",
            )
        self.save(attached=True)
        return self._result(allocation, settled, device)

    def _allocate(self) -> Allocation:
        ipam = self._node.ipam_for(self._request)
        return ipam.allocate(self._request) if ipam else Allocation(Result())

    def _plan(self, allocation: Allocation, addresses: Sequence[Interface]) -> routes.RoutePlan:
        subnets: tuple[Network, ...] = tuple(address.network for address in addresses)
        _check_subnets(subnets, allocation.prefixes)
        allowed = subnets + allocation.prefixes + self._config.prefixes
        plan = routes.plan(allocation.result.routes, allowed)
        if plan.foreign:
            named = ", ".join(routes.describe(route) for route in plan.foreign)
            if self._config.on_foreign_route == "reject":
                raise CniError(
                    Code.ROUTE_REFUSED,
                    f"the IPAM result routes {named} through rail {self.record.rail}, "
                    "outside its fabric's prefixes",
                    "remove the route, or declare the prefix in prefixes",
                )
            log.warning(
                "left out the route %s: rail %s carries only its fabric's prefixes",
                named, self.record.rail,
            )  # fmt: skip
            self._node.stripped(len(plan.foreign))
        return plan

    def _impose(self, device: Device) -> None:
        Imposition(self._node, self._config, device, self.record, self.save).run()

    def _move(self, link: Link) -> Link:
        """Move the device into the pod under its name there; note where it is."""
        host, pod, ifname = self._node.kernel.host, self._pod, self._request.ifname
        for altname in link.altnames:
            host.remove_altname(link.index, altname)  # one that clashes in the pod stops the move
        host.move(link.index, pod, ifname)
        moved = pod.find(ifname)
        if moved is None:
            raise KernelError(
                f"ip link show dev {ifname}", errno.ENODEV, "the device has left the pod at once"
            )
        self.save(pod_index=moved.index)
        return moved

    def _configure(self, index: int, addresses: Sequence[Interface]) -> None:
        pod, ifname = self._pod, self._request.ifname
        pod.set_mtu(index, self._config.mtu)
        with_ipv6 = any(isinstance(address, IPv6Interface) for address in addresses)
        pod.ensure_sysctls(sysctl.defaults(ifname, with_ipv6_address=with_ipv6))
        for key, value in rail_config.sysctls(self._config, ifname).items():
            pod.set_sysctl(key, value)
        for address in addresses:
            pod.add_address(index, address)
        pod.set_up(index)

    def _route(
        self, index: int, settled: Sequence[results.Route], addresses: tuple[Interface, ...]
    ) -> None:
        wanted = routes.kernel_routes(settled, index)
        rules: tuple[Rule, ...] = ()
        if self._wants_source_routing(index, addresses):
            wanted += routes.source_routes(addresses, wanted, index)
            rules = routes.source_rules(addresses, index)
        self.save(addresses=addresses, routes=wanted, rules=rules)
        for route in wanted:
            self._pod.add_route(route)
        for rule in rules:
            self._pod.add_rule(rule)
        foreign = routes.foreign_routes(self._pod.routes(index), wanted, addresses)
        if foreign:
            raise CniError(
                Code.ROUTE_REFUSED,
                f"the kernel routes {', '.join(map(routes.describe, foreign))} through "
                f"{self._request.ifname}, which nobody asked for",
            )

    def _wants_source_routing(self, index: int, addresses: Sequence[Interface]) -> bool:
        if self._config.source_routing is not None:
            return self._config.source_routing
        others = (
            address
            for link in self._pod.links()
            if link.index != index
            for address in self._pod.addresses(link.index)
        )
        return routes.shares_subnet(addresses, others)

    def _announce(self, index: int, addresses: Sequence[Interface]) -> None:
        if not addresses:
            return
        if self._pod.wait_for_carrier(index, _CARRIER_PATIENCE):
            self._pod.announce(index, addresses)
        else:
            self.save(unannounced=True)
            log.warning(
                "%s has no carrier after %g s: its addresses are announced once it has, where "
                "rail-agent runs",
                self._request.ifname, _CARRIER_PATIENCE,
            )  # fmt: skip

    def _rdma_name(self) -> str:
        """Return the RDMA device as it is now: one of soft RoCE went when its interface moved."""
        if self.record.rdma:
            return self.record.rdma.name
        now = self._node.sysfs.virtual_function(self.record.device.pci_address)
        return now.rdma_device if now else ""

    def _move_rdma(self) -> None:
        if self.record.rdma:
            self._node.kernel.host.move_rdma(self.record.rdma.index, self._pod)

    def save(self, **changes: object) -> None:
        """Write down how far it has come."""
        self.record = self.record.model_copy(update=changes)
        self._node.attachments.save(self.record)

    def _prescribed_mac(self, device: Device) -> str:
        """Return the address that a program finds on the VF that it drives; empty for none."""
        now = device.port.settings() if device.port else None
        return now.mac if now and now.mac and now.mac != NO_MAC else ""

    def _result(
        self, allocation: Allocation, settled: tuple[results.Route, ...], device: Device
    ) -> Result:
        link = self._pod.link(self.record.pod_index) if device.link else None
        interface = results.Interface(
            name=self._request.ifname,
            mac=link.mac if link else self._prescribed_mac(device),
            mtu=link.mtu if link else None,
            sandbox=self._request.netns,
            pci_id=self.record.device.pci_address,
        )
        return Result(
            interfaces=(interface,),
            ips=tuple(ip.model_copy(update={"interface": 0}) for ip in allocation.result.ips),
            routes=settled,
            dns=allocation.result.dns,
        )


def _check_subnets(subnets: Sequence[Network], declared: Sequence[Network]) -> None:
    """Raise code 102 when the kernel would route to an address's subnet what is not the rail's."""
    for subnet in subnets:
        if subnet.prefixlen < WIDEST_PREFIX or (
            declared and not routes.is_inside(subnet, declared)
        ):
            raise CniError(
                Code.ROUTE_REFUSED,
                f"the IPAM result has an address in {subnet}, which is not inside the fabric's "
                f"prefixes ({', '.join(map(str, declared)) or f'at least /{WIDEST_PREFIX}'})",
                "give the address the rail's own prefix length",
            )
