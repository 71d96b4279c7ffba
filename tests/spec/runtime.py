"""A container runtime: it calls the frozen programs by environment and stdin, and reads stdout."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.spec.node import PATIENCE, Namespace, Node

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "dist/bin"
DEBIANS = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins are."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a program answered."""

    exit_code: int
    document: dict[str, Any]
    """The JSON of stdout; empty where it wrote nothing."""
    stderr: str

    @property
    def error(self) -> tuple[int, str]:
        """The code and the message of a failure."""
        assert self.exit_code, self.document
        return self.document["code"], self.document["msg"]

    @property
    def details(self) -> str:
        """What a failure says is to be done."""
        return str(self.document.get("details", ""))

    @property
    def addresses(self) -> list[str]:
        """The addresses of a result."""
        assert not self.exit_code, self.document
        return [ip["address"] for ip in self.document["ips"]]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one attachment: what a runtime knows of it."""

    netns: str
    container: str = "c1"
    ifname: str = "net1"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Runs programs on one node, with a state folder of its own.

    Args:
        node: where.
        state: the programs' state folder.
        path: CNI_PATH.
        wrapper: commands that end in executing their arguments; the program is started by them.
        environ: further variables that the programs inherit.
    """

    node: Node
    state: Path
    path: tuple[Path, ...]
    wrapper: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def add(self, config: Mapping[str, Any], slot: Slot) -> Reply:
        """Attach."""
        return self.call("ADD", config, slot)

    def delete(self, config: Mapping[str, Any], slot: Slot) -> Reply:
        """Detach."""
        return self.call("DEL", config, slot)

    def check(self, config: Mapping[str, Any], slot: Slot, added: Reply) -> Reply:
        """Compare with what ADD answered."""
        return self.call("CHECK", {**config, "prevResult": added.document}, slot)

    def call(
        self, command: str, config: Mapping[str, Any], slot: Slot | None = None, **more: str
    ) -> Reply:
        """Make one request and check that the answer is one that the specification knows."""
        process = self.start(command, config, slot, **more)
        return read_reply(process, command)

    def start(
        self, command: str, config: Mapping[str, Any], slot: Slot | None = None, **more: str
    ) -> subprocess.Popen[str]:
        """Start a request: `read_reply` waits for its end.

        Args:
            command: the verb.
            config: the network configuration; `type` is the program that is executed.
            slot: for the verbs that are about one attachment.
            more: further variables of the environment.
        """
        process = self.execute(str(config["type"]), self.environment(command, slot) | more)
        assert process.stdin is not None
        process.stdin.write(json.dumps(config))
        process.stdin.close()
        process.stdin = None  # else `communicate` would want to flush it
        return process

    def execute(self, program: str, environ: Mapping[str, str]) -> subprocess.Popen[str]:
        """Execute a program of CNI_PATH on the node; its streams are pipes."""
        return subprocess.Popen(
            self.command(program), env=environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def command(self, program: str) -> list[str]:
        """Return what executes a program of CNI_PATH on the node."""
        found = next(folder / program for folder in self.path if (folder / program).exists())
        return ["ip", "netns", "exec", self.node.name, *self.wrapper, str(found)]

    def environment(self, command: str, slot: Slot | None = None) -> dict[str, str]:
        """Return the environment of a request."""
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_PATH": ":".join(map(str, self.path)),
            "RAILCNI_STATE_DIR": str(self.state),
            **self.environ,
        }
        if slot:
            environ |= {
                "CNI_CONTAINERID": slot.container,
                "CNI_NETNS": slot.netns,
                "CNI_IFNAME": slot.ifname,
            }
        return environ

    def records(self) -> list[str]:
        """Return the files that say that something is attached, or was about to be."""
        folder = self.state / "attachments"
        return sorted(file.name for file in folder.iterdir()) if folder.exists() else []

    def held(self) -> list[str]:
        """Return who holds addresses of rail-ipam, as its journal has them."""
        journal = self.state / "ipam/journal.db"
        if not journal.exists():
            return []
        with closing(sqlite3.connect(journal)) as connection:
            connection.execute("BEGIN")  # both reads see one instant; others may be at work
            rows = connection.execute("SELECT container, ifname, slot FROM attachments").fetchall()
            slots = connection.execute("SELECT container, slot FROM claims").fetchall()
        assert {(row[0], row[2]) for row in rows} == set(slots)
        return sorted(f"{container} {ifname}" for container, ifname, _ in rows)

    def leftovers(self, pod: Namespace) -> dict[str, Any]:
        """Return what should not be there after DEL, for a comparison with `NOTHING`."""
        return {
            "links": [name for name in pod.links() if name != "lo"],
            "rules": pod.rules(),
            "records": self.records(),
            "held": self.held(),
        }


NOTHING: dict[str, Any] = {"links": [], "rules": [], "records": [], "held": []}


def read_reply(process: subprocess.Popen[str], command: str) -> Reply:
    """Wait for a program's end; stdout must carry the JSON of the specification, and only that."""
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    document: dict[str, Any] = json.loads(stdout) if stdout else {}
    context = f"{command} exited with {process.returncode}: {stdout!r} {stderr!r}"
    if process.returncode:
        assert process.returncode == 1, context
        assert {"cniVersion", "code", "msg"} <= document.keys() <= _ERROR_KEYS, context
    elif command in {"ADD", "VERSION"}:
        assert "cniVersion" in document, context
        assert "code" not in document, context
    else:
        assert stdout == "", context
    return Reply(process.returncode, document, stderr)


_ERROR_KEYS = {"cniVersion", "code", "msg", "details"}


def rail(device: str, **keys: Any) -> dict[str, Any]:
    """Return a network configuration of rail-sriov, served by rail-ipam unless `keys` say else."""
    return {
        "cniVersion": "1.1.0",
        "name": "roce-a",
        "type": "rail-sriov",
        "device": device,
        "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"},
        **keys,
    }
