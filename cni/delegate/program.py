"""A plugin that is a program of its own, executed from CNI_PATH.

Source: CNI SPEC 1.1.0, section 2 "Execution Protocol".
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cni.host import locks
from cni.protocol.errors import CniError, Code
from cni.protocol.request import IDENTIFIER
from cni.protocol.versions import Command

PATIENCE = 120.0
"""Seconds that a plugin may take; kubelet gives a whole pod 4 minutes."""
_UMASK = 0o022
"""As runtimes have it: ours keeps what we write to root."""
_LOOK = 0.2
"""Seconds from one look at whether it is still wanted to the next."""


@dataclass(frozen=True, slots=True)
class Target:
    """The attachment that a plugin is executed for, and what it finds around it."""

    container_id: str
    ifname: str
    netns: str
    """Path of the network namespace; may be empty on DEL."""
    path: tuple[str, ...]
    """Folders of CNI_PATH."""
    environ: Mapping[str, str]
    """What it inherits, without anything of our own bundle (`programs.original_environment`)."""
    args: str = ""
    """CNI_ARGS, encoded."""

    def environment(self, command: Command) -> dict[str, str]:
        """Return all that a program sees."""
        given = {
            "CNI_COMMAND": command.value,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": self.args,
            "CNI_PATH": ":".join(self.path),
        }
        return {**self.environ, **given}


def find(name: object, path: tuple[str, ...], *, key: str, cure: str) -> Path:
    """Return the program of a plugin.

    Args:
        name: what a configuration says; it is no path.
        path: the folders of CNI_PATH, the first that has it wins.
        key: where the configuration says it, for the error.
        cure: what to do when no folder has it.

    Raises:
        CniError: code 7, when it is no plugin's name or none of the folders has it.
    """
    checked = checked_name(name, key=key)
    for folder in path:
        program = Path(folder) / checked
        if program.is_file() and os.access(program, os.X_OK):
            return program
    raise CniError(
        Code.INVALID_CONFIG,
        f"{key} is {checked!r}: no such plugin in CNI_PATH ({':'.join(path)})",
        cure,
    )


def checked_name(name: object, *, key: str) -> str:
    """Return the name of a plugin, which is none of a path (CniError: code 7; `key` as above)."""
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        raise CniError(Code.INVALID_CONFIG, f"{key} is {name!r}, expected the name of a CNI plugin")
    return name


@dataclass(frozen=True, slots=True)
class Program:
    """A plugin's program, and how long it is waited for."""

    file: Path
    patience: float = PATIENCE
    """Seconds after which it is ended, with what it has started itself."""
    is_wanted: Callable[[], bool] = lambda: True
    """Tells whether somebody still waits for an ADD; it is ended else."""

    @property
    def name(self) -> str:
        """The plugin's, as a configuration names it."""
        return self.file.name

    def execute(self, command: Command, config: Mapping[str, Any], target: Target) -> Any:
        """Execute one verb; return what the plugin answered: for ADD an object, else perhaps None.

        Args:
            command: the verb.
            config: what it reads on its stdin.
            target: what it is executed for.

        Raises:
            CniError: the plugin's own, code 11 when it was ended, 5 when the kernel cannot execute
                it, 103 when it failed without a CNI answer.
        """
        stdin = json.dumps(dict(config)).encode()
        with _start(self.file, target.environment(command), stdin) as process:
            try:
                stdout, stderr = self._await(command, process)
            except BaseException:
                _end(process)
                raise
        return self._read(command, process.returncode, stdout, stderr)

    def _await(self, command: Command, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Return what it writes until it ends."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return process.communicate(timeout=_LOOK)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    problem = f"has not answered within {self.patience:g} s"
                elif command is Command.ADD and not self.is_wanted():
                    problem = "was ended: the runtime waits for it no longer"
                else:
                    continue
                raise CniError(Code.TRY_AGAIN, f"{self.file} {command.value} {problem}") from None

    def _read(self, command: Command, returncode: int, stdout: bytes, stderr: bytes) -> Any:
        try:
            answer = json.loads(stdout) if stdout.strip() else None
        except (ValueError, RecursionError):
            answer = None
        if returncode == 0 and (command is not Command.ADD or isinstance(answer, dict)):
            return answer
        if returncode and isinstance(answer, dict) and isinstance(answer.get("code"), int):
            raise CniError(
                answer["code"],
                f"{self.name} {command.value}: {answer.get('msg', '')}",
                str(answer.get("details", "")),
            )
        raise CniError(
            Code.DELEGATE_FAILED,
            f"{self.file} {command.value} exited with {returncode} and no CNI answer",
            (stderr or stdout).decode(errors="replace").strip()[-500:],
        )


def _start(program: Path, environ: Mapping[str, str], stdin: bytes) -> subprocess.Popen[bytes]:
    try:
        # Not by a pipe: once communicate() has timed out, it writes nothing any more.
        with _file(stdin) as config:
            return subprocess.Popen(  # noqa: S603 - found in CNI_PATH by a checked name, no shell
                [program],
                env=environ,
                stdin=config,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=locks.held(),  # if we are killed, the DEL waits for the end of this ADD
                umask=_UMASK,
                process_group=0,  # what it delegates to is ended with it
            )
    except OSError as error:
        raise CniError(
            Code.IO_FAILURE, f"{program} cannot be executed: {error.strerror}"
        ) from error


def _file(content: bytes) -> BinaryIO:
    """Return a file without a name that is read from its beginning (memfd_create(2))."""
    file = os.fdopen(os.memfd_create("stdin"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started; not once it is reaped: its number may be another's."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
