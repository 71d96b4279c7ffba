"""What rail-ipam answers: addresses and routes of a slot; and whether a former answer holds."""

from __future__ import annotations

from collections.abc import Iterable

from cni.delegate.interface import Allocation
from cni.protocol import results
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Ip, Result, Route
from ipam.config import IpamConfig
from ipam.ranges import Interface, Network, listing

_SIBLING_METRIC = 100
"""Behind a route that somebody wrote into the configuration."""


def allocation(config: IpamConfig, reach: tuple[Network, ...], slot: int) -> Allocation:
    """Return the answer to an ADD: never with a default route, whatever the gateway.

    Args:
        config: the configuration.
        reach: the subnets that routes may lead to.
        slot: what the attachment holds.
    """
    addresses = config.layout.rail.addresses(slot)
    ips = tuple(Ip(address=ip, gateway=config.gateway_for(ip.network)) for ip in addresses)
    routes = config.routes + _sibling_routes(config, reach)
    return Allocation(Result(ips=ips, routes=routes, dns=config.dns), reach)


def _sibling_routes(config: IpamConfig, reach: Iterable[Network]) -> tuple[Route, ...]:
    """Return routes to the other rails' subnets by the gateway, unless somebody wrote one."""
    written = {route.dst for route in config.routes} | set(config.subnets)
    return tuple(
        Route(dst=net, gw=gateway, priority=_SIBLING_METRIC)
        for net in reach
        if net not in written and (gateway := config.gateway_for(net))
    )


def compare(request: Request, held: Iterable[Interface]) -> None:
    """Raise unless `prevResult` has the addresses that are held, and no others of their subnets.

    Raises:
        CniError: code 101 with both, or 7 without a `prevResult`.
    """
    previous = request.config.get("prevResult")
    if previous is None:
        raise CniError(Code.INVALID_CONFIG, "prevResult is missing, and CHECK compares with it")
    listed = {ip.address for ip in results.parse(previous, below="prevResult").ips}
    wanted = set(held)
    subnets = {address.network for address in wanted}
    # Other plugins of the chain may have added addresses of their own.
    seen = {address for address in listed if address.network in subnets}
    if not wanted or seen != wanted:
        key = request.attachment
        raise CniError(
            Code.CHECK_FAILED,
            f"{key.ifname} of container {key.container_id} holds {_shown(wanted)} "
            f"and prevResult has {_shown(listed)}",
            "the journal and the pod disagree: recreate the pod",
        )


def _shown(addresses: Iterable[Interface]) -> str:
    return listing(sorted(map(str, addresses))) or "no address"
