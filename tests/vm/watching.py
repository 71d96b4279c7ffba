"""Running virtual machines, and showing what they say."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from tests.vm.machine import Machine


@dataclass(slots=True)
class Voice:
    """What one of several says, line by line, with its name before each.

    Args:
        name: whose it is.
    """

    name: str
    _rest: bytes = field(default=b"", init=False)

    def hear(self, said: bytes) -> bytes:
        """Return the lines that `said` completes; the rest is kept."""
        *lines, self._rest = (self._rest + said).split(b"\n")
        return b"".join(f"{self.name}: ".encode() + line + b"\n" for line in lines)


def watch(machines: Sequence[Machine], seconds: float, shown: BinaryIO) -> None:
    """Run machines at once until all have ended; kill those that have not in time.

    Args:
        machines: which; what their first serial ports say is kept as pytest.log.
        seconds: how long.
        shown: where it is shown too, as it comes or, of several, line by line.
    """
    deadline = time.monotonic() + seconds
    with ExitStack() as running, selectors.DefaultSelector() as selector:
        for machine in machines:
            process = running.enter_context(machine.running())
            assert process.stdout is not None
            log = running.enter_context((machine.folder / "pytest.log").open("wb"))
            selector.register(process.stdout, selectors.EVENT_READ, (Voice(machine.name), log))
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                said = os.read(key.fd, 65536)
                if not said:
                    selector.unregister(key.fileobj)
                    continue
                voice, log = key.data
                log.write(said)
                shown.write(said if len(machines) == 1 else voice.hear(said))
                shown.flush()
