"""SIGKILL at any instant of ADD or DEL, then DEL: the VF is as it was and nothing is held.

A few rounds each time; `RAILCNI_LAB_KILLS=50 make lab ARGS='-k kill'` makes more of them.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.spec.node import Namespace, wait_until
from tests.spec.runtime import Slot, read_reply
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF, VF
from tests.vm.suite.machine import Machine, MachineRuntime, rail
from tests.vm.suite.test_settings import EVERYTHING

ROUNDS = int(os.environ.get("RAILCNI_LAB_KILLS", "8"))
"""Over both rails."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A VF and a pod that are used again and again."""

    runtime: MachineRuntime
    vf: VF
    pod: Namespace
    config: dict[str, Any]
    slot: Slot
    chance: random.Random

    def run(self, rounds: int) -> Counter[str]:
        """Kill so many requests, ADD and DEL in turn; return how far each had come."""
        before, seen = self.vf.state(), Counter[str]()
        takes = self._measure()
        for number in range(rounds):
            verb = ("ADD", "DEL")[number % 2]
            if verb == "DEL":
                assert self.runtime.add(self.config, self.slot).exit_code == 0
            seen[f"{verb}: {self._kill(verb, takes)}"] += 1
            reply = self.runtime.delete(self.config, self.slot)
            assert reply.exit_code == 0, reply
            wait_until(lambda: bool(self.vf.netdevs), "the VF on the host")
            assert self.vf.state() == before
            assert self.pod.links() == ["lo"]
            assert self._held() == []
        return seen

    def _measure(self) -> dict[str, float]:
        """Return how long ADD takes from its first record on, and DEL as a whole, in seconds."""
        process = self.runtime.start("ADD", self.config, self.slot)
        wait_until(lambda: bool(self._held()), "a record", 30)
        recorded = time.monotonic()
        assert read_reply(process, "ADD").exit_code == 0
        added = time.monotonic()
        assert self.runtime.delete(self.config, self.slot).exit_code == 0
        return {"ADD": added - recorded, "DEL": time.monotonic() - added}

    def _kill(self, verb: str, takes: dict[str, float]) -> str:
        """Start a request and kill it while it changes things; return where the VF is then."""
        process = self.runtime.start(verb, self.config, self.slot)
        if verb == "ADD":
            wait_until(lambda: bool(self._held()), "a record", 30)
            time.sleep(self.chance.uniform(0, takes[verb]))
        else:  # its first half is Python's start
            time.sleep(self.chance.uniform(takes[verb] / 2, takes[verb]))
        finished = process.poll() is not None
        process.kill()
        process.communicate()
        if finished:
            return "finished"
        if "net1" in self.pod.links():
            return "in the pod"
        return f"on the host, {'recorded' if self._held() else 'not recorded'}"

    def _held(self) -> list[str]:
        return [name for name in self.runtime.records() if self.vf.address in name]


@pytest.mark.long
def test_the_vf_survives(
    rails: tuple[PF, PF], vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    seed = int.from_bytes(os.urandom(4))
    lanes = []
    for number, pf in enumerate(rails):
        (vf,), pod = vfs(pf, 1), machine.pod()
        config = rail(vf, f"roce-{number}", f"10.{60 + number}.0.0/16", **EVERYTHING)
        slot = Slot(pod.path, f"c{number}")
        chance = random.Random(seed + number)  # noqa: S311 - instants, not secrets
        lanes.append(Lane(runtime, vf, pod, config, slot, chance))
    with ThreadPoolExecutor(len(lanes)) as pool:
        seen = sum(pool.map(lambda lane: lane.run(ROUNDS // len(lanes)), lanes), Counter[str]())
    print(f"seed {seed}: {dict(seen)}")  # noqa: T201 - what a failure needs to be repeated
    assert seen.total() == ROUNDS
    assert runtime.held() == []
