"""One run: machines, servers, pods and disasters, until everything has healed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tests.chaos import check, standing
from tests.chaos.disasters import Disasters
from tests.chaos.figures import figures
from tests.chaos.fleet import MACHINES, WORKERS
from tests.chaos.history import Deed, Log
from tests.chaos.machine import Machine
from tests.chaos.plan import plan
from tests.chaos.restore import wait_until
from tests.chaos.workload import Worker
from tests.etcd.cluster import Cluster

_DISASTERS = 10_000
"""More than there is time for."""
_WARM = 3.0
"""Seconds before anything goes wrong."""
_HEALED_WITHIN = 60.0
_LATE = "the registry is not up to date"
"""What a node logs when it cannot tell the registry what there is to tell."""


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    problems: list[str] = field(default_factory=list)
    report: str = ""


def run(cluster: Cluster, folder: Path, *, seed: int, seconds: float) -> Outcome:
    """Let everything happen, and judge it.

    Args:
        cluster: the servers, which run.
        folder: for the machines and the log.
        seed: all chance comes from it.
        seconds: how long things go wrong.
    """
    with (folder / "history.jsonl").open("w", encoding="utf-8") as stream:
        log = Log(stream)
        machines = _machines(cluster, folder, log, seed)
        try:
            return _judged(cluster, machines, log, seed, seconds)
        finally:
            for machine in machines:
                machine.kill()


def _machines(cluster: Cluster, folder: Path, log: Log, seed: int) -> list[Machine]:
    chance = random.Random(f"{seed} hardware")  # noqa: S311
    return [
        Machine(
            number,
            folder / f"machine{number}",
            UUID(int=chance.getrandbits(128), version=4),
            cluster.endpoints(),
            log,
        )
        for number in range(MACHINES)
    ]


def _judged(
    cluster: Cluster, machines: Sequence[Machine], log: Log, seed: int, seconds: float
) -> Outcome:
    outcome = Outcome()
    for machine in machines:
        machine.start()
    outcome.problems += _go_wrong(cluster, machines, log, seed, seconds)
    begun = time.monotonic()
    healed = wait_until(lambda: all(map(_is_told, machines)), _HEALED_WITHIN)
    took = f"{time.monotonic() - begun:.1f} s"
    if not healed:
        outcome.problems.append(f"after {took} without any disaster there is still much to tell")
    log.add(Deed("healed", "", time.monotonic(), took))
    for machine in machines:
        machine.end()
    books = [standing.books_of(machine) for machine in machines]
    living = check.alive(log.entries)
    outcome.problems += check.problems(log.entries)
    outcome.problems += standing.problems(books, standing.registered(cluster), living)
    late = sum((machine.folder / "log").read_text().count(_LATE) for machine in machines)
    outcome.report = (
        f"{figures(log.entries)}\nupkeep failed {late} times; "
        f"all was told {took} after the last disaster; "
        f"{len({life.container for life in living})} pods live on"
    )
    return outcome


def _go_wrong(
    cluster: Cluster, machines: Sequence[Machine], log: Log, seed: int, seconds: float
) -> list[str]:
    """Let pods come and go, and disasters happen; return what could not be healed."""
    enough, calm = threading.Event(), threading.Event()
    disasters = Disasters(cluster, machines, log, calm)
    planned = plan(seed, _DISASTERS, MACHINES)
    with ThreadPoolExecutor(MACHINES * WORKERS + 2) as pool:
        runtimes = [
            pool.submit(Worker(machine, number, log, enough, seed).run)
            for machine in machines
            for number in range(WORKERS)
        ]
        enough.wait(_WARM)
        happening = [
            pool.submit(disasters.run, planned.etcd, etcd=True),
            pool.submit(disasters.run, planned.nodes, etcd=False),
        ]
        enough.wait(seconds)
        calm.set()
        _wait(happening, enough)
        enough.set()
        _wait(runtimes, enough)
    return disasters.problems


def _wait(futures: Sequence[Future[None]], enough: threading.Event) -> None:
    """Wait for all of them; when one fails, let the others end."""
    try:
        for future in futures:
            future.result()
    finally:
        enough.set()


def _is_told(machine: Machine) -> bool:
    process = machine.process
    reply = process.ask("STATE") if process else None
    return reply is not None and reply.code == 0 and '"outbox": 0' in reply.message
