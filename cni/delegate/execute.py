"""Any IPAM plugin, executed from CNI_PATH as the specification says (section 4, "Delegation")."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cni.delegate.interface import Allocation
from cni.host import locks
from cni.protocol import results
from cni.protocol.errors import CniError, Code
from cni.protocol.request import IDENTIFIER, Request
from cni.protocol.versions import RULES, Command

log = logging.getLogger(__name__)

_PATIENCE = 120.0
"""Seconds that a delegate may take; kubelet gives a whole pod 4 minutes."""
_UMASK = 0o022
"""As runtimes have it: ours keeps what we write to root."""
_LOOK = 0.2
"""Seconds from one look at whether it is still wanted to the next."""


class ExecutedIpam:
    """An IPAM plugin that is a program of its own.

    It gets the runtime's environment and the main plugin's configuration, both as they came.

    Args:
        name: the program's.
        path: the folders of CNI_PATH.
        is_wanted: tells whether the runtime still waits for its ADD.
    """

    def __init__(
        self, name: str, path: tuple[str, ...], is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        self._program = _find(name, path)
        self._is_wanted = is_wanted

    def allocate(self, request: Request) -> Allocation:
        """Execute ADD; what the fabric's prefixes are, an executed plugin cannot tell."""
        answer = self._run(Command.ADD, request)
        return Allocation(results.parse(answer, below=f"the result of {self._program.name}"))

    def release(self, request: Request) -> None:
        """Execute DEL; a plugin that does not speak the version cannot have held anything in it."""
        try:
            self._run(Command.DEL, request)
        except CniError as error:
            if error.code != Code.INCOMPATIBLE_VERSION:
                raise
            log.warning("%s", error)

    def check(self, request: Request) -> None:
        """Execute CHECK."""
        self._run(Command.CHECK, request)

    def collect(self, request: Request) -> None:
        """Execute GC."""
        self._run(Command.GC, request)

    def status(self, request: Request) -> None:
        """Execute STATUS."""
        self._run(Command.STATUS, request)

    def _run(self, command: Command, request: Request) -> Any:
        if command not in RULES[request.version].commands:
            return None  # the configuration's version does not know it
        with subprocess.Popen(  # noqa: S603 - found in CNI_PATH by a checked name, no shell
            [self._program],
            env=_environment(command, request),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=locks.held(),  # if we are killed, the DEL waits for the end of this ADD
            umask=_UMASK,
        ) as process:
            try:
                config = json.dumps(dict(request.config)).encode()
                stdout, stderr = self._await(command, process, config)
            except BaseException:
                process.kill()
                raise
        done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
        return self._read(command, done)

    def _await(
        self, command: Command, process: subprocess.Popen[bytes], stdin: bytes
    ) -> tuple[bytes, bytes]:
        """Return what it writes until it ends."""
        deadline, unsent = time.monotonic() + _PATIENCE, [stdin]
        while True:
            try:
                return process.communicate(unsent.pop() if unsent else None, timeout=_LOOK)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    problem = f"has not answered within {_PATIENCE:g} s"
                elif command is Command.ADD and not self._is_wanted():
                    problem = "was ended: the runtime waits for it no longer"
                else:
                    continue
                raise CniError(
                    Code.TRY_AGAIN, f"{self._program} {command.value} {problem}"
                ) from None

    def _read(self, command: Command, done: subprocess.CompletedProcess[bytes]) -> Any:
        try:
            answer = json.loads(done.stdout) if done.stdout.strip() else None
        except (ValueError, RecursionError):
            answer = None
        if done.returncode == 0 and (command is not Command.ADD or isinstance(answer, dict)):
            return answer
        if done.returncode and isinstance(answer, dict) and isinstance(answer.get("code"), int):
            raise CniError(
                answer["code"],
                f"{self._program.name} {command.value}: {answer.get('msg', '')}",
                str(answer.get("details", "")),
            )
        raise CniError(
            Code.DELEGATE_FAILED,
            f"{self._program} {command.value} exited with {done.returncode} and no CNI answer",
            (done.stderr or done.stdout).decode(errors="replace").strip()[-500:],
        )


def _find(name: str, path: tuple[str, ...]) -> Path:
    if not IDENTIFIER.fullmatch(name):
        raise CniError(
            Code.INVALID_CONFIG, f"ipam.type is {name!r}, expected the name of a CNI plugin"
        )
    for folder in path:
        program = Path(folder) / name
        if program.is_file() and os.access(program, os.X_OK):
            return program
    raise CniError(
        Code.INVALID_CONFIG,
        f"ipam.type is {name!r}: no such plugin in CNI_PATH ({':'.join(path)})",
        "install it there, or use rail-ipam",
    )


def _environment(command: Command, request: Request) -> dict[str, str]:
    arguments = ";".join(f"{key}={value}" for key, value in request.args.items())
    given = {
        "CNI_COMMAND": command.value,
        "CNI_CONTAINERID": request.container_id,
        "CNI_NETNS": request.netns,
        "CNI_IFNAME": request.ifname,
        "CNI_ARGS": arguments,
        "CNI_PATH": ":".join(request.path),
    }
    return {**request.environ, **given}
