"""Calling CNI plugins as a runtime does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = ROOT / "dist/bin"
THEIRS = Path("/usr/lib/cni")
POD = "railcni-bench-pod"


class Caller:
    """Calls CNI plugins as a runtime does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, program: Path, command: str, config: dict[str, Any], **where: Any) -> None:
        """Run one command; raise when it fails.

        Args:
            program: the plugin.
            command: CNI_COMMAND.
            config: the network configuration.
            where: `container`, `state` (our folder), `namespace` (the node's) and `environ` (more
                variables), if not the usual.
        """
        namespace = where.get("namespace")
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": where.get("container", "c1"),
            "CNI_NETNS": f"/run/netns/{POD}",
            "CNI_IFNAME": "net1",
            "CNI_PATH": f"{OURS}:{THEIRS}",
            "RAILCNI_STATE_DIR": str(where.get("state", self._folder / "state")),
            **where.get("environ", {}),
        }
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        done = subprocess.run(
            [*inside, str(program)], input=json.dumps(config, separators=(",", ":")), env=environ,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program.name} {command}: {done.stdout}{done.stderr}")
