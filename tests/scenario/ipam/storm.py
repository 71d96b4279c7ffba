"""Processes at work on one journal, run by test_processes.py as a program of its own.

It imports everything once and forks, so that its processes start in the same instant.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipam.allocator
import ipam.answer
import ipam.requested
import ipam.topology  # noqa: F401
from cni.protocol.skel import serve
from ipam.journal import file as journals
from ipam.plugin import make_plugin

CONFIG = {
    "cniVersion": "1.1.0",
    "name": "lan",
    "ipam": {"type": "rail-ipam", "subnet": "10.0.0.0/24", "quarantine": 0},
}


def call(command: str, container: str, state: str) -> Any:
    """Serve one request; return its address on ADD."""
    environ = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_IFNAME": "net1",
        "CNI_NETNS": "/run/netns/any",
        "CNI_PATH": "/opt/cni/bin",
        "RAILCNI_STATE_DIR": state,
    }
    reply = serve(make_plugin, environ, json.dumps(CONFIG).encode())
    if reply.exit_code:
        raise RuntimeError(reply.document)
    return reply.document and reply.document["ips"][0]["address"]


def fork(work: Callable[[], None]) -> int:
    """Run a function in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as error:  # noqa: BLE001
        say("error", str(error))
    os._exit(0)


def say(*words: str) -> None:
    """Write one line in one piece, so that lines of several processes do not mix."""
    os.write(1, (" ".join(words) + "\n").encode())


def parallel(state: str, count: int) -> None:
    """ADD in many processes at once."""
    start, go = os.pipe()

    def add(container: str) -> None:
        os.close(go)
        os.read(start, 1)
        say("hold", call("ADD", container, state), container)

    children = [fork(lambda name=f"c{i}": add(name)) for i in range(count)]  # type: ignore[misc]
    os.close(go)
    for child in children:
        os.waitpid(child, 0)


def killed(state: str, rounds: int, seed: int) -> None:
    """ADD and DEL in four processes, each killed after some milliseconds, again and again."""
    chance = random.Random(seed)  # noqa: S311

    def work(name: str) -> None:
        for i in range(10**6):
            container = f"{name}-{i}"
            say("hold", call("ADD", container, state), container)
            say("release", container)
            call("DEL", container, state)

    # Making the journal takes longer than these processes live: `stepwise` kills those that do.
    call("ADD", "first", state)
    call("DEL", "first", state)
    for number in range(rounds):
        children = [fork(lambda name=f"r{number}p{i}": work(name)) for i in range(4)]  # type: ignore[misc]
        for child in children:
            time.sleep(chance.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def stepwise(state: str, command: str, stride: int) -> None:
    """ADD or DEL, killed at one step of SQLite after the other until it lives to the end.

    NEW is an ADD on a node that has no journal yet.
    """
    step, status, folder = 0, -1, state
    while status:
        container = f"s{step}"
        if command == "NEW":
            folder = f"{state}/{step}"
        if command == "DEL":
            call("ADD", container, folder)
        verb = "DEL" if command == "DEL" else "ADD"
        child = fork(lambda: dying(step, lambda: call(verb, container, folder)))  # noqa: B023
        _, status = os.waitpid(child, 0)
        call("ADD", f"other{step}", folder)
        say("survived" if status == 0 else "killed", container)
        step += stride


def dying(step: int, work: Callable[[], object]) -> None:
    """Kill this process at a step of SQLite's virtual machine."""
    left = step
    connect = journals._connect

    def count() -> int:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def counted(file: Path) -> sqlite3.Connection:
        connection = connect(file)
        connection.set_progress_handler(count, 1)
        return connection

    journals._connect = counted
    work()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["parallel", state, count]:
            parallel(state, int(count))
        case ["killed", state, rounds, seed]:
            killed(state, int(rounds), int(seed))
        case ["stepwise", state, command, stride]:
            stepwise(state, command, int(stride))
