"""What railcni costs, beside Debian's own CNI plugins on the same machine at the same time."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from rich.console import Console

from cni.host.paths import Paths
from cni.protocol.request import Request
from cni.protocol.versions import Command
from ipam.plugin import RailIpam
from ipam.wiring import Wiring
from tests.bench import agent, paths, shared, tables
from tests.bench.caller import OURS, POD, ROOT, THEIRS, Caller
from tests.bench.pairs import Comparison, compare
from tests.bench.pools import fill_host_local, fill_rail_ipam

LEFT_BY_THE_GUEST = ROOT / ".cache/lab/bench.json"
_TABLE_WIDTH = 110
HELD = (10, 1_000, 10_000, 50_000)
_NODE = "railcni-bench-node"


def main() -> int:
    """Measure, print a table, write JSON; return 0, also where a target is missed: it is shown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="pairs per comparison")
    parser.add_argument(
        "--attachments", type=int, default=1_000, help="that the agent's memory is looked at after"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "dist/bench.json")
    options = parser.parse_args()
    console = Console(width=max(Console().width, _TABLE_WIDTH))
    with tempfile.TemporaryDirectory(prefix="railcni-bench-") as folder:
        found = list(_comparisons(Path(folder), options.rounds))
        found += shared.comparisons(Path(folder), options.rounds, console)
        found += paths.comparisons(Path(folder), options.rounds)
        amounts = agent.Amounts(options.rounds, options.attachments)
        with_agent = agent.measure(Path(folder), amounts, console)
    found += with_agent.comparisons
    found += _in_the_laboratory(max(options.rounds // 3, 3))
    told = {
        "comparisons": [each.as_dict() for each in found],
        "figures": [each.as_dict() for each in with_agent.figures],
    }
    options.json.write_text(json.dumps(told, indent=2) + "\n")
    console.print(tables.comparisons(found))
    console.print(tables.figures(with_agent.figures))
    console.print(f"as JSON: {options.json}")
    return 0


def _comparisons(folder: Path, rounds: int) -> Iterator[Comparison]:
    call = Caller(folder)
    yield compare(
        "VERSION",
        ("rail-sriov", lambda: call(OURS / "rail-sriov", "VERSION", {"cniVersion": "1.0.0"})),
        ("host-local", lambda: call(THEIRS / "host-local", "VERSION", {"cniVersion": "1.0.0"})),
        rounds=rounds,
        target=5.5,
    )
    with _namespaces():
        yield compare(
            "ADD + DEL of one device",
            ("rail-sriov + rail-ipam", lambda: _attach(call, OURS / "rail-sriov", "rail-ipam")),
            (
                "host-device + host-local",
                lambda: _attach(call, THEIRS / "host-device", "host-local"),
            ),
            rounds=rounds,
        )
    yield from _held(call, folder, rounds)


def _in_the_laboratory(rounds: int) -> list[Comparison]:
    """Measure with a real VF; nothing where there can be no laboratory.

    The kernel's part is what `ip` takes for the same changes, the rest is ours.
    """
    LEFT_BY_THE_GUEST.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "tests.vm", "--bench", str(rounds)], cwd=ROOT, check=True)
    if not LEFT_BY_THE_GUEST.exists():
        return []
    return [Comparison.of_dict(each) for each in json.loads(LEFT_BY_THE_GUEST.read_text())]


def _held(call: Caller, folder: Path, rounds: int) -> Iterator[Comparison]:
    """ADD + DEL with a small pool against the same with a large one: both of rail-ipam."""
    for held in HELD:
        fill_rail_ipam(folder / f"state-{held}", held)
        fill_host_local(folder / f"networks-{held}", held)
    few = HELD[0]
    sides: dict[str, Callable[[int], object]] = {
        "rail-ipam": lambda held: _lease(call, folder, "rail-ipam", held),
        "rail-ipam in process": lambda held: _lease_in_process(folder / f"state-{held}"),
        "host-local": lambda held: _lease(call, folder, "host-local", held),
    }
    for held in HELD[1:]:
        for name, lease in sides.items():
            ours = name != "host-local"
            yield compare(
                f"ADD + DEL, {held:,} held",
                (f"{name}, {held:,} held", partial(lease, held)),
                (f"{name}, {few} held", partial(lease, few)),
                rounds=rounds,
                target=1.3 if ours and held == HELD[-1] else None,
            )


def _attach(call: Caller, program: Path, ipam: str) -> None:
    config = {
        "cniVersion": "1.0.0", "name": "bench", "type": program.name, "device": "rail0",
        "ipam": {"type": ipam, "subnet": "10.60.0.0/16"},
    }  # fmt: skip
    for command in ("ADD", "DEL"):
        call(program, command, config, namespace=_NODE)


_numbers = count()


def _lease(call: Caller, folder: Path, plugin: str, held: int) -> None:
    """One ADD, and the DEL that keeps the pool's size; the same process start on both sides."""
    ipam = {"type": plugin, "subnet": "10.60.0.0/16", "dataDir": str(folder / f"networks-{held}")}
    if plugin == "rail-ipam":
        del ipam["dataDir"]
    config = {"cniVersion": "1.0.0", "name": "bench", "type": "bridge", "ipam": ipam}
    program = (OURS if plugin == "rail-ipam" else THEIRS) / plugin
    container = f"bench-{next(_numbers)}"
    for command in ("ADD", "DEL"):
        call(program, command, config, container=container, state=folder / f"state-{held}")


def _lease_in_process(state: Path) -> None:
    """The same without a process's start, which hides what the allocation itself costs."""
    config = {"name": "bench", "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"}}
    request = Request(
        Command.ADD, "1.0.0", config, container_id=f"bench-{next(_numbers)}", ifname="net1"
    )
    ipam = RailIpam(Wiring(Paths(state=state)), lambda: None)
    ipam.allocate(request)
    ipam.release(request)


@contextmanager
def _namespaces() -> Iterator[None]:
    """A node with one device on a veth pair, and a pod."""
    with ExitStack() as stack:
        for name in (_NODE, POD):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
        _ip("-n", _NODE, "link", "add", "rail0", "mtu", "9000", "type", "veth",
            "peer", "name", "rail0-sw", "mtu", "9000")  # fmt: skip
        _ip("-n", _NODE, "link", "set", "rail0-sw", "up")
        yield


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


if __name__ == "__main__":
    sys.exit(main())
