"""Ten minutes in the life of a small cluster, with troubles, as Prometheus has seen them."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.monitoring.dashboard import FILE, panels
from tests.monitoring.fleet import Fleet, at_home, finished, on_rail, request
from tests.monitoring.server import Prometheus
from tests.netns.agent import Agent
from tests.netns.namespace import Namespace, run
from tests.netns.scene import Site
from tests.netns.troubles import direct_path_is_blocked

STEP = 4
"""Seconds between two points of a picture."""
_RATE_INTERVAL = "16s"
_LASTS = 600.0
_ALERTS = 'max by (alertname, node) (ALERTS{alertname=~"Rail.+", alertstate="firing"})'
_LABEL = re.compile(r"\{\{(\w+)\}\}")
TIMES = {"interval": 0.5, "limit": 2, "up": 5, "hold": 5, "longestHold": 20}
_POOL, _LEAKED = 57, 12
"""Addresses that fill nine tenths of a node's own pool, and of them those that leak."""
_TOGETHER = 4
"""Requests at once."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a panel."""

    legend: str
    points: tuple[tuple[float, float], ...]
    """Seconds since the beginning, and the value."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was seen."""

    seconds: float
    panels: dict[int, tuple[Line, ...]]
    """By the panel's number."""
    alerts: tuple[Line, ...]


def record(program: str, folder: Path) -> Recording:
    """Let it happen; return what was seen.

    Args:
        program: Prometheus's executable.
        folder: for everybody's files.
    """
    with ExitStack() as ending:
        fleet = Fleet(folder / "fleet", 3, TIMES)
        ending.callback(fleet.delete)
        fleet.start()
        server = Prometheus(program, folder / "server", fleet.cluster.lan, fleet.targets, 2)
        ending.callback(server.close)
        leaky = Namespace(f"{fleet.cluster.name}-leaky")
        run("ip", "netns", "add", leaky.name)
        ending.callback(_leak, leaky)
        began = time.time()
        _live(fleet, leaky)
        return _read(server, began, time.time())


def _live(fleet: Fleet, leaky: Namespace) -> None:
    """Let pods come and go, and one trouble follow another."""
    ended = threading.Event()
    threads = [
        threading.Thread(target=_churn, args=(agent, ended)) for agent in fleet.agents
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    began = time.monotonic()
    try:
        for at, happen in sorted(_troubles(fleet, leaky), key=lambda one: one[0]):
            ended.wait(max(began + at - time.monotonic(), 0))
            happen()
        ended.wait(max(began + _LASTS - time.monotonic(), 0))
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _troubles(fleet: Fleet, leaky: Namespace) -> Iterable[tuple[float, Callable[[], None]]]:
    """Yield what happens after how many seconds."""
    one, two, three = fleet.agents
    blocked = ExitStack()

    def block() -> None:
        blocked.enter_context(direct_path_is_blocked(Site(fleet.cluster, fleet.agents)))

    yield 60, lambda: fleet.pull(one.node, "roce0")
    yield 165, lambda: fleet.plug(one.node, "roce0")
    yield 20, lambda: _fill(two, leaky)
    yield 380, lambda: _leak(leaky)
    yield 100, three.kill
    yield 460, three.begin
    yield 140, fleet.etcd.stop
    yield 500, fleet.start_etcd
    yield 200, lambda: fleet.set_mtu(one.node, "roce1", 1500)
    yield 540, lambda: fleet.set_mtu(one.node, "roce1", 9000)
    for begin in (200, 250, 300, 350):
        yield begin, block
        yield begin + 15, blocked.close


def _churn(agent: Agent, ended: threading.Event) -> None:
    """Let a pod with two rails come and go, again and again."""
    rails = ("roce-a", "roce-b")
    number = 0
    while not ended.is_set():
        number += 1
        for command in ("ADD", "DEL"):
            named = [(f"p{number}{rail[-1]}", on_rail(rail, number % 4)) for rail in rails]
            finished(*(request(agent, command, pod, config) for pod, config in named))
            ended.wait(4 if command == "ADD" else 8)


def _fill(agent: Agent, leaky: Namespace) -> None:
    """Take most of the node's own pool, some of it for pods in a namespace that will go."""
    for first in range(0, _POOL, _TOGETHER):
        finished(
            *(
                request(agent, "ADD", f"home{number}", at_home(), **_netns(leaky, number))
                for number in range(first, min(first + _TOGETHER, _POOL))
            )
        )


def _netns(leaky: Namespace, number: int) -> dict[str, str]:
    return {"CNI_NETNS": f"/run/netns/{leaky.name}"} if number < _LEAKED else {}


def _leak(leaky: Namespace) -> None:
    """Let pods go without their DEL; once is enough."""
    command = ["ip", "netns", "delete", leaky.name]
    subprocess.run(command, capture_output=True, check=False)


def _read(server: Prometheus, began: float, ended: float) -> Recording:
    def lines(expression: str, legend: str) -> list[Line]:
        found = server.ask(
            "query_range", query=expression, start=f"{began}", end=f"{ended}", step=f"{STEP}"
        )  # fmt: skip
        return [
            Line(
                _named(legend, series["metric"]),
                tuple((float(t) - began, float(value)) for t, value in series["values"]),
            )
            for series in found["result"]
        ]

    seen = {
        panel.number: tuple(
            line
            for query in panel.queries
            for line in lines(query.substituted(_RATE_INTERVAL), query.legend)
        )
        for panel in panels(FILE.read_text())
    }
    return Recording(ended - began, seen, tuple(lines(_ALERTS, "{{alertname}} {{node}}")))


def _named(legend: str, labels: Mapping[str, str]) -> str:
    """Return a legend with a series' labels in it."""
    return _LABEL.sub(lambda label: labels.get(label[1], ""), legend)
