"""`python -m tests.scale`: a cluster of many nodes on this machine, and what it asks of etcd."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.etcd.cluster import Cluster
from tests.etcd.releases import Release, find
from tests.scale import occupancy
from tests.scale.boots import storm
from tests.scale.counting import handled
from tests.scale.life import Pods, Spread, Work, live
from tests.scale.node import TWO_FABRICS, World

_MEMORY = Path("/dev/shm")  # noqa: S108 - many small journals
_PERCENTILES = (50, 99)


def main() -> int:
    """Simulate, print what was found; return 1 when an address was double."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=16, help="of each node at a time")
    parser.add_argument(
        "--unbatched", type=int, default=100, help="nodes whose upkeep follows each verb"
    )
    parser.add_argument("--boots", type=int, default=256, help="nodes that boot at once")
    parser.add_argument("--claims", type=int, default=400, help="claims of blocks to be timed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    release = find("3.5")
    if release is None:
        Console().print("There is no etcd 3.5 on this machine: make etcd")
        return 0
    report = Report(Console(), release)
    report.lives("upkeep after each verb", options.unbatched, options, batched=False)
    report.lives("upkeep once after all pods", options.nodes, options, batched=True)
    report.occupancy(options.claims)
    report.boots(options.boots, options.processes)
    return int(report.double > 0)


class Report:
    """Measures, one cluster for each matter, and says what it found.

    Args:
        console: where it says it.
        release: of etcd.
    """

    def __init__(self, console: Console, release: Release) -> None:
        self._say = console.print
        self._release = release
        self.double = 0

    def lives(self, title: str, nodes: int, options: argparse.Namespace, *, batched: bool) -> None:
        """Let two generations of pods live: the first claims the blocks of a fresh boot."""
        self._say(f"\n[b]{nodes:,} nodes × {options.pods} pods × 2 fabrics × 2 rails; {title}[/]")
        with self._cluster() as (cluster, folder), _processes(options.processes) as spread:
            world = World(folder, cluster.endpoints(), TWO_FABRICS)
            for generation, when in enumerate(("first pods after a boot", "pods thereafter")):
                before, began = handled(cluster.members[0]), time.monotonic()
                pods = Pods(options.pods, generation, batched)
                ledger = live(world, range(nodes), pods, spread, lambda: self._size(cluster))
                served = handled(cluster.members[0]) - before
                self.double += len(ledger.double)
                self._say(
                    f"{when}: {ledger.per_share:.3f} requests per pod and fabric "
                    f"({ledger.requests:,} sent, {served:,} by etcd's own count), "
                    f"{len(ledger.addresses):,} addresses, {len(ledger.double)} double, "
                    f"{time.monotonic() - began:.0f} s"
                )

    def occupancy(self, claims: int) -> None:
        """Claim blocks of fabrics that others have few, half and nearly all of."""
        self._say(f"\n[b]claim of a block, of 16,384 in a fabric; {claims} each[/]")
        with self._cluster() as (cluster, folder):
            world = World(folder, cluster.endpoints(), occupancy.FABRICS)
            series = occupancy.measure(world, claims)
        first = {percentile: series["few"].at(percentile) for percentile in _PERCENTILES}
        for name, share in occupancy.SHARES.items():
            asked = statistics.mean(series[name].requests)
            self._say(
                f"{share:2} % taken: {asked:.2f} requests, {max(series[name].requests)} at most"
            )
            for percentile in _PERCENTILES:
                whole, registry = series[name].at(percentile)
                self._say(
                    f"{share:2} % taken, p{percentile}: {whole:6.2f} ms "
                    f"({whole / first[percentile][0]:.2f}), in the registry {registry:6.2f} ms "
                    f"({registry / first[percentile][1]:.2f})"
                )

    def boots(self, nodes: int, processes: int) -> None:
        """Boot nodes at once."""
        self._say(f"\n[b]{nodes} nodes boot at once, and claim blocks of 2 fabrics[/]")
        with self._cluster() as (cluster, folder):
            world = World(folder, cluster.endpoints(), TWO_FABRICS)
            found = storm(world, range(nodes), processes)
        self._say(
            f"{found.seconds:.1f} s in all, the slowest node {found.slowest:.1f} s, "
            f"{len(found.errors)} errors, {len(set(found.addresses))} addresses"
        )
        for error in found.errors[:3]:
            self._say(error, markup=False)
        self.double += len(found.addresses) - len(set(found.addresses))

    def _size(self, cluster: Cluster) -> None:
        [status] = json.loads(cluster.etcdctl("endpoint", "status", "--write-out=json"))
        size, used = (status["Status"][key] / 2**20 for key in ("dbSize", "dbSizeInUse"))
        self._say(f"etcd's database while all of them live: {size:.1f} MiB, {used:.1f} in use")

    @contextmanager
    def _cluster(self) -> Iterator[tuple[Cluster, Path]]:
        where = _MEMORY if _MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="railcni-scale-", dir=where) as name:
            folder = Path(name)
            with Cluster(self._release, folder / "etcd") as cluster:
                yield cluster, folder


@contextmanager
def _processes(number: int) -> Iterator[Spread]:
    """Yield what does the work of nodes in some processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(number, mp_context=context) as pool:

        def spread(work: Callable[[int], Work], nodes: Iterable[int]) -> Iterable[Work]:
            return pool.map(work, nodes, chunksize=4)

        yield spread


if __name__ == "__main__":
    sys.exit(main())
