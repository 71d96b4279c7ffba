"""A node's process, as the test talks to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import cni

_ROOT = Path(cni.__file__).parents[1]
_ENDS_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request."""

    code: int | None
    """None when the process died before it answered."""
    at: float
    """When the answer came, in monotonic seconds."""
    address: str = ""
    seconds: float = 0.0
    message: str = ""


class Process:
    """A process that serves until it is killed or ended.

    Args:
        folder: the node's files.
        boot: the boot in which it runs.
        kind: `plugin` or `agent`.
    """

    def __init__(self, folder: Path, boot: str, kind: str) -> None:
        # What measures this process's coverage would slow the nodes down.
        environ = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
        with (folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.node", folder, boot, kind],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=environ | {"PYTHONPATH": str(_ROOT)},
            )  # fmt: skip
        if not (self._process.stdin and self._process.stdout):
            raise OSError("the node was started without pipes")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.boot = boot
        self.died_by_itself = False
        self._lock = threading.Lock()
        self._count = 0
        self._waiting: dict[int, SimpleQueue[Reply]] = {}
        self._ending = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ask(self, verb: str, container: str = "", rail: str = "") -> Reply:
        """Make a request and wait for its answer."""
        queue: SimpleQueue[Reply] = SimpleQueue()
        with self._lock:
            if self._ending:
                return Reply(None, time.monotonic())
            self._count += 1
            self._waiting[self._count] = queue
            line = json.dumps([self._count, verb, container, rail]) + "\n"
            with suppress(BrokenPipeError):
                self._stdin.write(line.encode())
                self._stdin.flush()
        return queue.get()

    def kill(self) -> None:
        """Kill it; then no request is waiting any more."""
        self._finish(kill=True)

    def end(self) -> None:
        """Let it finish what it is asked to do, and end."""
        self._finish(kill=False)

    def _finish(self, *, kill: bool) -> None:
        with self._lock:
            self._ending = True
            if kill:
                self._process.kill()
            with suppress(BrokenPipeError):
                self._stdin.close()
        self._process.wait(_ENDS_WITHIN)
        self._reader.join()

    def _read(self) -> None:
        with self._stdout as stdout:
            for line in stdout:
                number, code, address, seconds, message = json.loads(line)
                reply = Reply(code, time.monotonic(), address, seconds, message)
                self._waiting.pop(number).put(reply)
        with self._lock:
            self.died_by_itself = not self._ending
            self._ending = True
            for queue in self._waiting.values():
                queue.put(Reply(None, time.monotonic()))
