"""A node of flannel's, and another one next door that is nothing but reachable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.spec.node import Namespace, Node, run
from tests.spec.runtime import DEBIANS, Runtime

PEER, PODS, MAC = "192.168.1.11", "10.42.1.0/24", "02:00:00:00:01:01"
DIRECT = {PODS: PEER}
_RANGES = {"type": "host-local", "ranges": [[{"subnet": "10.42.0.0/24"}]]}
BRIDGE = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipam": _RANGES}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
HOSTGW = {"type": "rail-hostgw", "agentless": True, "uplink": {"wireless": True}}

KEY = "5f" * 32
"""That all nodes share."""


def bridge(held: Path) -> dict[str, Any]:
    """Return Debian's bridge, with a folder for the addresses that are given away."""
    return {**BRIDGE, "ipam": {**_RANGES, "dataDir": str(held)}}


@contextmanager
def next_door(node: Node) -> Iterator[Namespace]:
    """Let another node be next door, and in flannel's state on this one."""
    other = Namespace("peer")
    try:
        node.ip("link", "add", "wlan0", "type", "veth", "peer", "name", "eth0", "netns", other.name)
        node.ip("address", "add", "192.168.1.10/24", "dev", "wlan0")
        node.ip("link", "set", "wlan0", "up")
        other.ip("address", "add", f"{PEER}/24", "dev", "eth0")
        other.ip("link", "set", "eth0", "up")
        vxlan = ("type", "vxlan", "id", "1", "dev", "wlan0", "dstport", "8472", "nolearning")
        node.ip("link", "add", "flannel.1", *vxlan)
        node.ip("address", "add", "10.42.0.0/32", "dev", "flannel.1")
        node.ip("link", "set", "flannel.1", "up")
        via = ("10.42.1.0", "dev", "flannel.1")
        node.ip("neighbour", "add", *via, "lladdr", MAC, "nud", "permanent")
        run("bridge", "-n", node.name, "fdb", "append", MAC, "dev", "flannel.1", "dst", PEER)
        node.ip("route", "add", PODS, "via", *via, "onlink")
        yield other
    finally:
        other.delete()


def direct(node: Node) -> dict[str, str]:
    """Return which pod networks go straight, and to which node."""
    shown = node.show("route", "show", "table", "all")
    return {route["dst"]: route["gateway"] for route in shown if str(route.get("table")) == "142"}


def main(node: Node) -> list[dict[str, Any]]:
    """Return what flannel has in the main table."""
    return node.show("route", "show", "table", "main", "dev", "flannel.1")


def let_prove(runtime: Runtime, conflists: Path) -> None:
    """Have the agent of a node prove direct paths."""
    folder = Path(runtime.environ["RAILCNI_CONFIG_DIR"])
    folder.mkdir(exist_ok=True)
    key = folder / "hostgw.key"
    key.touch(0o600)
    key.write_text(KEY)
    (folder / "agent.toml").write_text(proving(conflists, key))


def proving(conflists: Path, key: Path) -> str:
    """Return the configuration of an agent that proves direct paths with a key in a file."""
    return (
        f'cniPath = ["{DEBIANS}"]\n[hostgw]\nkeyFile = "{key}"\nconflists = "{conflists}"\n'
        "uplink = { wireless = true }\n"
    )


def without_what_differs(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what is another's for each pod: names, MACs, its address."""
    interfaces = [
        {**i, "name": i["name"][:4], "mac": "", "sandbox": ""} for i in result["interfaces"]
    ]
    ips = [{**ip, "address": ""} for ip in result["ips"]]
    return {**result, "interfaces": interfaces, "ips": ips}
