"""A node of our own to try the programs on: a network namespace, with pods that are further ones.

Nothing in the machine's own network is touched, and deleting the namespaces removes everything.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netns import NetNS

PREFIX = "railspec"
"""Of every namespace of ours; the id of the process that made it is the next part of its name."""
FABRIC_MTU = 9000
SWITCH = "switch"
"""The bridge that a node's devices are plugged into, if no other is named."""
PATIENCE = 60
"""Seconds after which a command of a test hangs."""

_numbers = itertools.count()


class Namespace:
    """A network namespace, made with this object.

    Args:
        role: part of its name.
        existing: another's, which only gets a name; None to make a new one.
    """

    def __init__(self, role: str, existing: Path | None = None) -> None:
        self.name = f"{PREFIX}-{os.getpid()}-{role}-{next(_numbers)}"
        self.path = f"/run/netns/{self.name}"
        if existing is None:
            run("ip", "netns", "add", self.name)
        else:
            Path(self.path).touch()
            run("mount", "--bind", str(existing), self.path)

    def delete(self) -> None:
        """Remove its name, and with it the namespace if no process is in it; once is enough."""
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)

    def run(self, *command: str) -> str:
        """Run a command in it; return what it printed."""
        return run("ip", "netns", "exec", self.name, *command)

    def ip(self, *words: str) -> None:
        """Change something with iproute2."""
        run("ip", "-netns", self.name, *words)

    def show(self, *words: str) -> list[dict[str, Any]]:
        """Return what iproute2 tells."""
        told = run("ip", "-netns", self.name, "-json", "-details", *words).strip()
        listed: list[dict[str, Any]] = json.loads(told) if told else []
        return [entry for entry in listed if entry]  # it adds an {} for what it filtered out

    def links(self) -> list[str]:
        """Return the names of its links."""
        return sorted(link["ifname"] for link in self.show("link", "show"))

    def link(self, name: str) -> dict[str, Any]:
        """Return all that is told of one link, but for what any move changes."""
        (shown,) = self.show("link", "show", "dev", name)
        altnames = sorted(shown.get("altnames", []))  # their order means nothing
        kept = {key: value for key, value in shown.items() if key not in {"ifindex", "operstate"}}
        return kept | {"altnames": altnames}

    def addresses(self, device: str) -> list[str]:
        """Return a link's addresses with their prefix lengths, the link-local ones apart."""
        (shown,) = self.show("address", "show", "dev", device)
        told = [info for info in shown["addr_info"] if info["scope"] != "link"]
        return [f"{info['local']}/{info['prefixlen']}" for info in told]

    def routes(self, device: str) -> list[dict[str, Any]]:
        """Return a link's unicast routes in every table and family, link-local ones apart."""
        shown = [
            route
            for family in ("-4", "-6")
            for route in self.show(family, "route", "show", "table", "all", "dev", device)
        ]
        return [r for r in shown if r["type"] == "unicast" and not r["dst"].startswith("fe80:")]

    def destinations(self, device: str) -> set[str]:
        """Return where a link's routes lead."""
        return {route["dst"] for route in self.routes(device)}

    def rules(self) -> list[dict[str, Any]]:
        """Return the policy rules of both families that no namespace has from the start."""
        shown = [rule for family in ("-4", "-6") for rule in self.show(family, "rule", "show")]
        return [rule for rule in shown if rule["priority"] not in {0, 32766, 32767}]

    def sysctl(self, key: str) -> str:
        """Return a value below /proc/sys/net."""
        return self.run("cat", f"/proc/sys/net/{key}").strip()

    def set_sysctl(self, key: str, value: str) -> None:
        """Write a value below /proc/sys/net."""
        self.run("sh", "-c", f"echo {value} >/proc/sys/net/{key}")

    @contextmanager
    def packets(self, device: str) -> Iterator[socket.socket]:
        """Open a socket on everything that a link sends and receives (packet(7))."""
        with NetNS(nspath=self.path):
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with opened:
            opened.bind((device, _ETH_P_ALL))
            yield opened


class Node(Namespace):
    """A node with a switch, devices that are plugged into it, and pods."""

    def __init__(self) -> None:
        super().__init__("node")
        self._pods: list[Namespace] = []
        self.ip("link", "set", "lo", "up")
        self.switch(SWITCH)

    def delete(self) -> None:
        """Remove the node and its pods."""
        for pod in self._pods:
            pod.delete()
        super().delete()

    def pod(self) -> Namespace:
        """Make a pod."""
        pod = Namespace("pod")
        self._pods.append(pod)
        pod.ip("link", "set", "lo", "up")
        return pod

    def switch(self, name: str) -> None:
        """Make a bridge that devices can be plugged into."""
        self.ip("link", "add", name, "type", "bridge")
        self.ip("link", "set", name, "mtu", str(FABRIC_MTU), "up")

    def device(self, *, altnames: tuple[str, ...] = (), switch: str = SWITCH) -> str:
        """Make a device that a rail may take; return its name."""
        device = f"rail{next(_numbers)}"
        port = port_of(device)
        self.ip("link", "add", device, "type", "veth", "peer", "name", port)
        self.ip("link", "set", port, "mtu", str(FABRIC_MTU), "master", switch, "up")
        for altname in altnames:
            self.ip("link", "property", "add", "dev", device, "altname", altname)
        return device


_ETH_P_ALL = 0x0003


def port_of(device: str) -> str:
    """Return the switch's end of a device, which stays on the node."""
    return f"{device}-sw"


def run(*command: str) -> str:
    """Run a command; return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def executed_by(process: subprocess.Popen[Any]) -> int:
    """Return whom signals are for: nsenter(1) executes what enters a pid namespace as a child."""
    folder = Path(f"/proc/{process.pid}")
    if folder.joinpath("comm").read_text() != "nsenter\n":
        return process.pid
    return int(folder.joinpath(f"task/{process.pid}/children").read_text())


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait for what is bound to come, however busy the machine is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)


def delete_abandoned() -> None:
    """Delete the namespaces of test processes that were killed."""
    for name in run("ip", "netns", "list").split():
        prefix, _, rest = name.partition("-")
        process = rest.partition("-")[0]
        if prefix == PREFIX and not os.path.exists(f"/proc/{process}"):  # noqa: PTH110
            run("ip", "netns", "delete", name)
