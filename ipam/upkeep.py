"""rail-upkeep: the node's dealings with the registry for which no pod waits.

Where no agent runs, a plugin that has left something to tell starts this program and exits: its
runtime waits for the plugin, and must not wait for etcd.  One at a time runs on a node; what others
leave meanwhile, it does in the same go.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing

from cni.host import logs
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.errors import CniError
from ipam.wiring import Wiring

log = logging.getLogger(__name__)

PROGRAM = "rail-upkeep"
RETURN_AFTER = 300.0
"""Seconds that a block is kept after its last slot was freed."""


def begin(paths: Paths) -> None:
    """Start the program, unless it runs; wait for nothing and keep no descriptor open.

    What cannot be started now is started by the next request: none fails for it.
    """
    try:
        if not Locks(paths.locks).is_upkeep_running():
            _start(paths)
    except OSError as error:
        log.warning("%s cannot be started: %s", PROGRAM, error)


def _start(paths: Paths) -> None:
    itself = [sys.executable] if hasattr(sys, "frozen") else [sys.executable, "-m", "cni"]
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    os.posix_spawn(
        sys.executable,
        [*itself, PROGRAM],
        os.environ | paths.environment(),
        file_actions=nowhere,
        setsid=True,
    )


def main(arguments: Sequence[str]) -> int:
    """Run until the registry is up to date, or cannot be brought there; return the exit code."""
    del arguments
    from ipam.holding import upkeep

    paths = Paths.of(os.environ)
    logs.configure_program(PROGRAM, paths.logs)
    with Locks(paths.locks).upkeep() as alone:
        if not alone or not paths.journal.exists():
            return 0
        try:
            with closing(Wiring(paths, keep_open=True)) as wiring:
                done = upkeep.run(wiring.shared_desk, RETURN_AFTER)
        except CniError as error:
            log.error("the registry is not up to date: %s %s", error.msg, error.details)  # noqa: TRY400
            return 1
    return 0 if done else 1
