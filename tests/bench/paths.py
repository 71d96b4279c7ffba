"""What direct paths cost: a node with a thousand peers, and a pod more in the primary network."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from typing import Any

from netns import NetNS

from cni.agent.hostgw import table
from cni.agent.hostgw.keeper import Keeper
from cni.agent.hostgw.settings import HostgwSettings
from cni.delegate.chain import Chain
from cni.delegate.program import Target
from cni.host.locks import Locks
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.hostgw.prospect import Prospect, look_around
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import LinuxSysfs
from tests.bench.caller import OURS, THEIRS
from tests.bench.pairs import Comparison, compare
from tests.spec.agent import Agent, running
from tests.spec.node import Node as Machine
from tests.vm.suite.machine import MachineRuntime

PEERS = 1_000
_DAY = 86_400.0
_containers = count()


def comparisons(folder: Path, rounds: int) -> list[Comparison]:
    """Measure a node's reconciling, then the chain."""
    with _large_node(folder) as node:
        found = list(_reconciling(node, rounds))
    return [*found, *_chain(folder, rounds)]


# ── A node with many peers ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Large:
    node: Node
    settings: HostgwSettings
    batch: Path
    """What `ip -batch` reads to add as many routes."""


@contextmanager
def _large_node(folder: Path) -> Iterator[_Large]:
    """Be on a node that flannel has told of a thousand others."""
    name = "railcni-bench-peers"
    folder = folder / "peers"
    folder.mkdir()
    settings = HostgwSettings.model_validate({"mode": "always"})
    with ExitStack() as stack:
        _run("ip", "netns", "add", name)
        stack.callback(_run, "ip", "netns", "delete", name)
        stack.enter_context(NetNS(nspath=f"/run/netns/{name}"))
        _make_links()
        _forward()
        told = [_Told.of(number) for number in range(1, PEERS + 1)]
        _run("ip", "-batch", "-", text="".join(each.neighbour + each.route for each in told))
        _run("bridge", "-batch", "-", text="".join(each.lead for each in told))
        batch = folder / "routes"
        batch.write_text("".join(each.direct for each in told))
        locks, notes = Locks(folder / "locks"), Notes(folder / "hostgw.json")
        yield _Large(Node(LinuxKernel(), LinuxSysfs(), locks, notes), settings, batch)


def _make_links() -> None:
    for words in (
        "link add uplink type veth peer name cable",
        "link set cable up",
        "link set uplink up",
        "address add 192.168.255.1/16 dev uplink",
        "link add flannel.1 type vxlan id 1 dev uplink dstport 8472 nolearning",
        "address add 10.42.0.0/32 dev flannel.1",
        "link set flannel.1 up",
    ):
        _run("ip", *words.split())


@dataclass(frozen=True, slots=True)
class _Told:
    """What `ip` and `bridge` are told of a peer."""

    neighbour: str
    route: str
    lead: str
    direct: str

    @classmethod
    def of(cls, number: int) -> _Told:
        pods, mac = f"10.{42 + number // 256}.{number % 256}.0", _mac(number)
        node = f"192.168.{number // 250}.{number % 250 + 2}"
        return cls(
            f"neigh add {pods} lladdr {mac} dev flannel.1 nud permanent\n",
            f"route add {pods}/24 via {pods} dev flannel.1 onlink\n",
            f"fdb append {mac} dev flannel.1 dst {node}\n",
            f"route add {pods}/24 via {node} dev uplink table 1142\n",
        )


def _forward() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")


def _mac(number: int) -> str:
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def _reconciling(large: _Large, rounds: int) -> Iterator[Comparison]:
    node, settings = large.node, large.settings
    host = node.kernel.host
    seen = look_around(host, settings)
    if len(seen.candidates) != PEERS:
        raise RuntimeError(f"{len(seen.candidates)} peers: {seen.refusal} {seen.distant}")

    def start() -> None:
        _keep(Keeper(node, settings.table), settings, look_around(host, settings))

    yield compare(
        f"cold start of {PEERS:,} peers",
        ("rail-agent in process", start),
        ("ip -batch of the routes", lambda: _run("ip", "-batch", str(large.batch))),
        rounds=rounds,
        between=lambda: _empty(node, settings),
    )  # fmt: skip
    keeper = Keeper(node, settings.table)
    _keep(keeper, settings, seen)
    yield compare(
        f"full diff of {PEERS:,} peers",
        ("rail-agent in process", lambda: _keep(keeper, settings, look_around(host, settings))),
        ("ip route, ip neigh, bridge fdb", _list),
        rounds=rounds,
    )
    fewer = Prospect(seen.candidates[1:], seen.known)
    turns = count()
    yield compare(
        f"one of {PEERS:,} peers comes or goes",
        (
            "rail-agent in process, seen already",
            lambda: _keep(keeper, settings, fewer if next(turns) % 2 == 0 else seen),
        ),
        ("ip route replace", lambda: _run("ip", *_REPLACE.split())),
        rounds=rounds,
    )
    _keep(keeper, settings, seen)
    moments = count()
    proofs = [each.peer.cidr for each in seen.candidates]
    yield compare(
        f"{PEERS:,} proofs renewed",
        (
            "rail-agent in process",
            lambda: keeper.mark(dict.fromkeys(proofs, _DAY + next(moments)), 0),
        ),
        ("ip -batch of as many routes", lambda: _run("ip", "-batch", str(large.batch))),
        rounds=rounds,
        between=_flush,
    )
    _empty(node, settings)


_OWN_PODS = frozenset({ip_network("10.42.0.0/24")})
_REPLACE = "route replace 10.99.0.0/24 via 192.168.0.3 dev uplink table 1142"


def _keep(keeper: Keeper, settings: HostgwSettings, seen: Prospect) -> None:
    plan = table.plan(seen.candidates, seen.known, {}, _OWN_PODS, settings)
    keeper.keep(plan, seen.candidates, float(next(_containers)) * _DAY)


def _empty(node: Node, settings: HostgwSettings) -> None:
    Keeper(node, settings.table).withdraw()
    _flush()


def _flush() -> None:
    """Empty the table of the other side, which may not be there yet."""
    subprocess.run(["ip", "route", "flush", "table", "1142"], check=False, capture_output=True)


def _list() -> None:
    _run("ip", "route", "show", "table", "all")
    _run("ip", "neigh", "show", "nud", "all")
    _run("bridge", "fdb", "show")


# ── A pod more in the primary network ────────────────────────────────────────────────────────────


def _chain(folder: Path, rounds: int) -> Iterator[Comparison]:
    """ADD and DEL of a pod's `eth0` with us chained, and without."""
    machine = Machine()
    folder = folder / "chain"
    folder.mkdir()
    try:
        with NetNS(nspath=machine.path):
            runtime = MachineRuntime(machine, folder, (OURS, THEIRS))
            yield _with_and_without(machine, folder, rounds, runtime, "alone")
            with running(runtime, folder) as agent:
                yield _with_and_without(machine, folder, rounds, runtime, "with its agent")
                _insist(agent)
    finally:
        machine.delete()


def _with_and_without(
    machine: Machine, folder: Path, rounds: int, runtime: MachineRuntime, how: str
) -> Comparison:
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.42.0.0/24"}]],
            "dataDir": str(folder / "ipam")}  # fmt: skip
    plugins: list[dict[str, Any]] = [
        {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipam": ipam},
        {"type": "portmap"},
    ]
    without = Chain("cbr0", "1.0.0", tuple(plugins))
    chained = Chain("cbr0", "1.0.0", (*plugins, {"type": "rail-hostgw"}))
    netns = machine.pod().path
    inherited = runtime.environment("none")
    return compare(
        f"ADD + DEL in the primary network, rail-hostgw {how}",
        ("bridge, portmap, rail-hostgw", lambda: _attach(chained, netns, inherited)),
        ("bridge, portmap", lambda: _attach(without, netns, inherited)),
        rounds=rounds,
    )


def _attach(chain: Chain, netns: str, environ: dict[str, str]) -> None:
    container = f"bench-{next(_containers)}"
    target = Target(container, "eth0", netns, (str(OURS), str(THEIRS)), environ)
    chain.delete(target, chain.add(target))


def _insist(agent: Agent) -> None:
    if not agent.served():
        raise RuntimeError("the agent was not asked")


def _run(*command: str, text: str = "") -> None:
    subprocess.run(command, input=text.encode(), check=True, capture_output=True)
