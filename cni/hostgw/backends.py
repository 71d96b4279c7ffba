"""Whose overlay it is, and what is said to who has another than flannel's vxlan."""

from __future__ import annotations

from cni.hostgw.landscape import Landscape

KIND = "vxlan"

_FOREIGN = (
    (
        "cilium_",
        "Cilium",
        "use Cilium's native routing (routingMode: native, autoDirectNodeRoutes: true)",
    ),
    ("vxlan.calico", "Calico", "set vxlanMode: CrossSubnet in Calico's IPPool"),
    ("vxlan-v6.calico", "Calico", "set vxlanMode: CrossSubnet in Calico's IPPool"),
    ("tunl0", "Calico's or kube-router's IPIP", "set ipipMode: CrossSubnet in Calico's IPPool"),
    ("flannel-wg", "flannel's wireguard backend", "it encrypts, and a direct route would not"),
    ("flannel.ipip", "flannel's ipip backend", "set DirectRouting: true in flannel's net-conf"),
    ("antrea-", "Antrea", "set trafficEncapMode: hybrid in Antrea's configuration"),
    ("weave", "Weave", "it has its own fast datapath"),
)
"""How the names of their devices begin, who that is, and what to do instead."""


def refusal(landscape: Landscape, *, named: bool) -> str:
    """Return why this node's pod network cannot be served, empty when it can.

    Args:
        landscape: what there is.
        named: whether the configuration names the overlay's devices.
    """
    for tunnel in landscape.tunnels:
        if tunnel.kind != KIND:
            kind = tunnel.kind or "no tunnel"
            return f"{tunnel.name} is {kind}, expected flannel's vxlan device"
    if landscape.tunnels and named:
        return ""
    for link in landscape.links:
        for prefix, who, instead in _FOREIGN:
            # Everybody who once had IPIP has a tunl0, which is down.
            if link.name.startswith(prefix) and link.up:
                return (
                    f"the pod network is {who} ({link.name}), and rail-hostgw knows flannel's "
                    f"vxlan alone: {instead}"
                )
    if not landscape.tunnels:
        return (
            "there is no vxlan device: flannel's backend is another, or it has not started yet "
            "(rail-hostgw knows flannel's vxlan alone)"
        )
    return ""
