"""`make demo`: attach, show, ping, check, detach, prove."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.demo import stage
from deploy.demo.stage import PODS, SLOTS, Slot

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "dist/bin"
_PINGS = "3"
_LARGEST_PING = "8972"
"""Bytes: 9000 less the IPv4 and ICMP headers."""

_TABLE_WIDTH = 90

console = Console(highlight=False, width=max(Console().width, _TABLE_WIDTH))


class Runtime:
    """Calls rail-sriov as a container runtime does."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._results: dict[Slot, dict[str, Any]] = {}

    def call(self, command: str, slot: Slot) -> dict[str, Any]:
        """Serve one request for one rail of one pod; return the result of ADD."""
        config = json.loads((Path(__file__).parent / f"nads/{slot.rail}.json").read_text())
        config["device"] = slot.device  # as Multus adds deviceID
        if command != "ADD":
            config["prevResult"] = self._results[slot]
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": slot.pod,
            "CNI_NETNS": f"/run/netns/{slot.pod}",
            "CNI_IFNAME": slot.ifname,
            "CNI_ARGS": f"K8S_POD_NAMESPACE=ai-train;K8S_POD_NAME={slot.pod}",
            "CNI_PATH": str(PROGRAMS),
            "RAILCNI_STATE_DIR": str(self._state),
        }
        done = subprocess.run(  # noqa: S603
            ["ip", "netns", "exec", stage.NODE, str(PROGRAMS / "rail-sriov")],  # noqa: S607
            input=json.dumps(config), env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command} of {slot.device}: {done.stdout}{done.stderr}")
        if command == "ADD":
            self._results[slot] = json.loads(done.stdout)
        return self._results[slot]


def main() -> int:
    """Run the demo; return the exit code."""
    with _stage() as state:
        runtime = Runtime(state)
        before = {slot: stage.device_state(slot.device) for slot in SLOTS}
        results = {slot: runtime.call("ADD", slot) for slot in SLOTS}
        _show(results)
        _ping(results)
        _show_default_routes()
        for slot in SLOTS:
            runtime.call("CHECK", slot)
        console.print(f"CHECK: {len(SLOTS)} attachments are as ADD left them")
        for slot in SLOTS:
            runtime.call("DEL", slot)
        after = {slot: stage.device_state(slot.device) for slot in SLOTS}
    changed = [slot.device for slot in SLOTS if before[slot] != after[slot]]
    if changed:
        console.print(f"DEL: not as before: {', '.join(changed)}", style="red")
        return 1
    console.print(f"DEL: {len(SLOTS)} devices are on the node again, exactly as they were")
    return 0


@contextmanager
def _stage() -> Iterator[Path]:
    """Set the stage, and clear it however the demo ends."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    stage.tear_down()  # what a killed demo left
    with tempfile.TemporaryDirectory(prefix="railcni-demo-") as state:
        try:
            stage.build()
            yield Path(state)
        finally:
            stage.tear_down()


def _show(results: dict[Slot, Any]) -> None:
    table = Table(title="Two training pods and their rails", title_justify="left")
    for heading in ("pod", "interface", "rail", "address", "MTU", "routes"):
        table.add_column(heading, justify="right" if heading == "MTU" else "left", no_wrap=True)
    for pod in PODS:
        table.add_row(_short(pod), "eth0", "(cluster)", *_facts(pod, "eth0"), style="dim")
        for slot in (slot for slot in SLOTS if slot.pod == pod):
            (interface,), (ip,) = results[slot]["interfaces"], results[slot]["ips"]
            address, mtu, routes = _facts(pod, slot.ifname)
            if (address, mtu) != (ip["address"], str(interface["mtu"])):
                raise RuntimeError(f"{slot.ifname} of {pod} is not what the result says")
            table.add_row("", slot.ifname, slot.rail, address, mtu, routes)
        table.add_section()
    console.print(table)


def _facts(pod: str, ifname: str) -> tuple[str, str, str]:
    """Return an interface's address, MTU and routes, as the kernel has them."""
    link = json.loads(stage.run("ip", "-json", "address", "show", ifname, namespace=pod))[0]
    addresses = [a for a in link["addr_info"] if a["family"] == "inet"]
    shown = json.loads(stage.run("ip", "-json", "route", "show", "dev", ifname, namespace=pod))
    routes = [f"{r['dst']} via {r['gateway']}" if "gateway" in r else r["dst"] for r in shown]
    (address,) = [f"{a['local']}/{a['prefixlen']}" for a in addresses]
    return address, str(link["mtu"]), "\n".join(routes)


def _ping(results: dict[Slot, Any]) -> None:
    first, second = PODS
    for slot in (slot for slot in SLOTS if slot.pod == first):
        peer = next(s for s in SLOTS if (s.pod, s.rail) == (second, slot.rail))
        address = results[peer]["ips"][0]["address"].partition("/")[0]
        said = stage.run(
            "ping", "-q", "-c", _PINGS, "-i", "0.2", "-W", "1", "-M", "do", "-s", _LARGEST_PING,
            "-I", slot.ifname, address, namespace=first,
        )  # fmt: skip
        if f"{_PINGS} received" not in said:
            raise RuntimeError(f"the rail {slot.rail} loses frames: {said}")
        console.print(
            f"{slot.rail:7} {_short(first)} → {_short(second)} ({address}): "
            f"{_PINGS} of {_PINGS} pings of {_LARGEST_PING} bytes, unfragmented"
        )


def _show_default_routes() -> None:
    for pod in PODS:
        shown = [
            line.strip()
            for family in ("-4", "-6")
            for line in stage.run(
                "ip", family, "route", "show", "default", "table", "all", namespace=pod
            ).splitlines()
        ]
        if len(shown) != 1 or "dev eth0" not in shown[0]:
            raise RuntimeError(f"{pod} has the default routes {shown}")
        console.print(f"{_short(pod)} has one default route: {shown[0]}")


def _short(pod: str) -> str:
    return pod.removeprefix(stage.PREFIX)


if __name__ == "__main__":
    sys.exit(main())
