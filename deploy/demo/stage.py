"""The stage: a node with a switch per rail, and pods, all of them network namespaces."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PREFIX = "railcni-demo-"
NODE = f"{PREFIX}node"
PODS = (f"{PREFIX}job-0", f"{PREFIX}job-1")
RAILS = ("roce-a", "roce-b", "sto-a", "sto-b")
_FABRIC_MTU = 9000
_FRONTEND = "10.42.0"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one device: the pod that gets it, its rail, its name on the node."""

    pod: str
    rail: str
    device: str
    ifname: str


SLOTS = tuple(
    Slot(pod, rail, f"{rail}-{number}", f"net{position}")
    for number, pod in enumerate(PODS)
    for position, rail in enumerate(RAILS, start=1)
)


def run(*command: str, namespace: str = NODE) -> str:
    """Run a command in a namespace; return what it printed."""
    whole = ["ip", "netns", "exec", namespace, *command]
    done = subprocess.run(whole, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def build() -> None:
    """Make the node, a bridge per rail with one free device per pod, and the pods with eth0."""
    for name in (NODE, *PODS):
        with _uninterrupted():
            _netns("add", name)
    for rail in RAILS:
        _bridge(f"sw-{rail}", _FABRIC_MTU)
    for slot in SLOTS:
        port = f"{slot.device}-sw"
        run("ip", "link", "add", slot.device, "type", "veth", "peer", "name", port)
        run("ip", "link", "set", port, "mtu", str(_FABRIC_MTU), "master", f"sw-{slot.rail}", "up")
    _bridge("fe", 1500)
    run("ip", "address", "add", f"{_FRONTEND}.1/24", "dev", "fe")
    for number, pod in enumerate(PODS, start=2):
        _frontend(pod, number)


def tear_down() -> None:
    """Remove the namespaces, and with them everything in them; no error for what is not there."""
    with _uninterrupted():
        present = _netns("list").split()
        for name in (*PODS, NODE):
            if name in present:
                _netns("delete", name)


def device_state(device: str) -> dict[str, Any]:
    """Return all that `ip` tells of a device on the node, but for what any move changes."""
    shown: dict[str, Any] = json.loads(run("ip", "-json", "-details", "link", "show", device))[0]
    return {key: value for key, value in shown.items() if key not in {"ifindex", "operstate"}}


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off the signals that end the demo: an `ip` still at work would outlive the clearing."""
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _netns(*words: str) -> str:
    command = ["ip", "netns", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


def _bridge(name: str, mtu: int) -> None:
    run("ip", "link", "add", name, "type", "bridge")
    run("ip", "link", "set", name, "mtu", str(mtu), "up")


def _frontend(pod: str, number: int) -> None:
    """Stand in for the primary plugin: eth0 and the only default route."""
    port = f"fe-{number}"
    run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", pod)
    run("ip", "link", "set", port, "master", "fe", "up")
    for link in ("lo", "eth0"):
        run("ip", "link", "set", link, "up", namespace=pod)
    run("ip", "address", "add", f"{_FRONTEND}.{number}/24", "dev", "eth0", namespace=pod)
    run("ip", "route", "add", "default", "via", f"{_FRONTEND}.1", namespace=pod)
