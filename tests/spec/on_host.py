"""What runs on a node with files of its own: plugins, agents, pods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.spec import cri
from tests.spec.host import CNI_BIN, CNI_CONF, Host
from tests.spec.node import Namespace, Node
from tests.spec.podspec import Pod
from tests.spec.runtime import PROGRAMS, Runtime, Slot

NAMESPACE = "ai-train"
"""The pods'."""


@dataclass(frozen=True, slots=True)
class HostRuntime(Runtime):
    """What is installed on a node: nothing tells it where its files are."""

    host: Host = field(kw_only=True)

    @classmethod
    def on(cls, host: Host, node: Node) -> HostRuntime:
        """Return the runtime of a node."""
        return cls(node, host.kept("/var/lib/railcni"), path=(CNI_BIN,), host=host)

    def command(self, program: str) -> list[str]:
        """Return what executes an installed program."""
        return self.host.command(*self.wrapper, CNI_BIN / program)

    def environment(self, command: str, slot: Slot | None = None) -> dict[str, str]:
        """Return the environment of a request."""
        environ = Runtime.environment(self, command, slot)
        return {key: value for key, value in environ.items() if not key.startswith("RAILCNI_")}


class Inside(Namespace):
    """A pod as it runs, and what the plugins have made of it."""

    def __init__(self, host: Host, runtime: cri.Runtime, sandbox: cri.Sandbox) -> None:
        super().__init__("sandbox", host.file(runtime.namespace(sandbox)))
        cached = host.file("/var/lib/cni/results").glob(f"*-{sandbox.id}-eth0")
        self.result: dict[str, Any] = json.loads(next(cached).read_text())["result"]


@contextmanager
def pod(
    host: Host, runtime: cri.Runtime, name: str, ports: Mapping[int, int] | None = None
) -> Iterator[Inside]:
    """Let a pod run that has no container.

    Raises:
        grpc.RpcError: it does not run.
    """
    wanted = Pod(name, NAMESPACE, host_network=False, host_pid=False, grace=1, group=None,
                 first=(), containers=(), volumes={}, ports=ports or {})  # fmt: skip
    sandbox = runtime.run_sandbox(wanted, Path("/run"), f"/{host.cgroup}/{name}")
    try:
        inside = Inside(host, runtime, sandbox)
        try:
            yield inside
        finally:
            inside.delete()
    finally:
        runtime.remove_sandbox(sandbox)


def install(host: Host, configuration: Path, secrets: Path | None = None, *words: str) -> None:
    """Install the programs on a node, as its administrator does."""
    given = ("--secrets", secrets) if secrets else ()
    program = PROGRAMS / "rail-install"
    host.run(program, "once", "--config", configuration, *given, *words)


def define(host: Host, *plugins: Mapping[str, Any], version: str = "1.0.0") -> None:
    """Define the network of a node's pods, as flannel does."""
    document = {"cniVersion": version, "name": "cbr0", "plugins": plugins}
    host.file(CNI_CONF / "10-flannel.conflist").write_text(json.dumps(document))
