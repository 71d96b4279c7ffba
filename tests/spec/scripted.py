"""An IPAM plugin that is a shell script: it writes down its calls and answers as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = """\
#!/bin/sh
call=$(ls {folder} | grep -c environ)-$CNI_COMMAND
cat /proc/$$/environ >{folder}/$call.environ
{behaviour}
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of the script."""

    command: str
    environ: dict[str, str]
    """The whole environment that it was executed with."""
    config: dict[str, Any]
    """Its stdin."""


class ScriptedIpam:
    """The plugin `scripted` in a folder of CNI_PATH.

    It gives out 10.60.0.2/16 until `on` says else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._behaviour: dict[str, str] = {}
        self._calls = folder / "calls"
        self._calls.mkdir(parents=True)
        self.on("ADD", answer(ips=[{"address": "10.60.0.2/16"}]))

    def on(self, command: str, shell: str) -> None:
        """Have it run a piece of shell for a verb."""
        self._behaviour[command] = shell
        cases = "\n".join(f"{name})\n{shell};;" for name, shell in self._behaviour.items())
        behaviour = f"cat >{self._calls}/$call.config\ncase $CNI_COMMAND in\n{cases}\nesac"
        self.write(behaviour)

    def write(self, behaviour: str) -> None:
        """Have it run a piece of shell for every verb, which finds the request on stdin."""
        draft = self.folder / "draft"
        draft.write_text(_SCRIPT.format(folder=self._calls, behaviour=behaviour))
        draft.chmod(0o755)
        draft.rename(self.folder / "scripted")

    @property
    def calls(self) -> list[Call]:
        """Its calls so far."""
        return [_call(file) for file in self._files()]

    @property
    def commands(self) -> list[str]:
        """The verbs that it was called with so far, also while it is at one."""
        return [_command(file) for file in self._files()]

    def _files(self) -> list[Path]:
        return sorted(self._calls.glob("*.environ"), key=lambda file: int(file.stem.split("-")[0]))


def answer(**document: Any) -> str:
    """Return the shell that writes a CNI document."""
    return f"echo '{json.dumps({'cniVersion': '1.1.0', **document})}'"


def refuse(code: int, message: str) -> str:
    """Return the shell that fails as the specification wants it."""
    return f"{answer(code=code, msg=message)}; exit 1"


def _call(file: Path) -> Call:
    pairs = (entry.partition("=") for entry in file.read_text().split("\0") if entry)
    config = file.with_suffix(".config")
    return Call(
        command=_command(file),
        environ={key: value for key, _, value in pairs},
        config=json.loads(config.read_text()) if config.exists() else {},
    )


def _command(file: Path) -> str:
    return file.stem.partition("-")[2]
