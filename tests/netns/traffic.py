"""What goes from pod to pod and between namespaces, and which way."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.netns.cluster import Node
from tests.netns.flannel import OVERLAYS
from tests.netns.namespace import PATIENCE, Namespace

COUNT = 20
"""Packets."""
PORT = 7777
_SERVE = """
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)
with socketserver.ThreadingTCPServer(("0.0.0.0", int(sys.argv[1])), Echo) as server:
    print("listening", flush=True)
    server.serve_forever()
"""
_TALK = """
import signal, socket, sys, time
ended = False
def end(*_):
    global ended
    ended = True
signal.signal(signal.SIGINT, end)
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
longest, count = 0.0, 0
while not ended:
    began = time.monotonic()
    peer.sendall(b"%08d" % count)
    assert peer.recv(8, socket.MSG_WAITALL) == b"%08d" % count
    longest, count = max(longest, time.monotonic() - began), count + 1
    if count == 1:
        print("talking", flush=True)
    time.sleep(0.005)
print(count, longest)
"""


def ping(source: Node, target: Node, family: int, count: int = COUNT) -> int:
    """Ping from pod to pod; return how many came back."""
    address = target.pod_address(family)
    command = ("ping", "-n", "-i", "0.01", "-W", "1", "-c", str(count), address)
    with source.pod.running(*command) as pinging:
        text, _ = pinging.communicate(timeout=30)
    return int(text.partition(" received")[0].rpartition(" ")[2])


@contextmanager
def counted(node: Node) -> Iterator[dict[str, int]]:
    """Count what a node encapsulates meanwhile."""
    before, difference = node.encapsulated(), dict[str, int]()
    yield difference
    now = node.encapsulated()
    difference |= {key: now[key] - before[key] for key in before}


def direct_to(*nodes: Node) -> dict[str, str]:
    """Return the direct routes that lead to these nodes' pods."""
    return {node.pod_network(f): node.address(f) for node in nodes for f in OVERLAYS}


@contextmanager
def listening(namespace: Namespace) -> Iterator[None]:
    """Let a server answer every connection with what it says."""
    with namespace.running(sys.executable, "-c", _SERVE, str(PORT)) as server:
        assert server.stdout
        assert server.stdout.readline() == "listening\n"
        yield


@dataclass(frozen=True, slots=True)
class Talked:
    """What became of a connection."""

    count: int
    """Exchanges."""
    longest: float
    """Seconds that one has taken at most."""


class Talk:
    """A connection to such a server, on which something is exchanged all the time.

    Args:
        namespace: where its client is.
        address: of its server.
        port: of its server.
    """

    def __init__(self, namespace: Namespace, address: str, port: int = PORT) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", namespace.name,
             sys.executable, "-c", _TALK, address, str(port)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._process.stdout
        first = self._process.stdout.readline()
        assert first == "talking\n", first + self._process.communicate(timeout=PATIENCE)[0]

    def end(self) -> Talked:
        """End it; it has lived until now."""
        self._process.send_signal(signal.SIGINT)
        text, _ = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, text
        count, longest = text.split()
        return Talked(int(count), float(longest))

    def failure(self) -> str:
        """Wait until it fails; return why."""
        text, _ = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode != 0, text
        return text.rstrip().rpartition("\n")[2]

    def close(self) -> None:
        """End it anyhow."""
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)


@contextmanager
def encapsulated(one: Node, other: Node, family: int) -> Iterator[dict[str, int]]:
    """Count the pings that leave and come by one node's overlay between its pod and another's.

    Yields:
        Filled in the end: `sent` and `received`.
    """
    program = {4: "iptables", 6: "ip6tables"}[family]
    pod, peer = one.pod_address(family), other.pod_address(family)
    kind = ("-p", {4: "icmp", 6: "ipv6-icmp"}[family])
    rules = (
        ("-o", OVERLAYS[family], "-s", pod, "-d", peer, *kind),
        ("-i", OVERLAYS[family], "-s", peer, "-d", pod, *kind),
    )
    for rule in rules:
        one.host.run(program, "-t", "mangle", "-A", "FORWARD", *rule)
    found: dict[str, int] = {}
    yield found
    shown = one.host.run(program, "-t", "mangle", "-nvxL", "FORWARD").splitlines()[2:]
    found |= zip(("sent", "received"), (int(line.split()[0]) for line in shown), strict=True)
    for rule in rules:
        one.host.run(program, "-t", "mangle", "-D", "FORWARD", *rule)
