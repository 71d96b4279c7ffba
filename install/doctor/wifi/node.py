"""What the doctor looks at a node by; tests put fakes here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cni.kernel.interface import Kernel, Sysfs
from install.doctor.wifi.facts import Series
from install.doctor.wifi.measuring import Target


@dataclass(frozen=True, slots=True)
class Node:
    """The ports of one node."""

    kernel: Kernel
    sysfs: Sysfs
    measure: Callable[[Sequence[Target]], Sequence[Series]]
    """Sends echoes to all of these at once."""
    release: str
    """Of the kernel (`uname -r`)."""
    agent_file: Path
    modules: Path = Path("/lib/modules")
    loaded: Path = Path("/sys/module")

    def has_module(self, name: str) -> bool:
        """Return whether the kernel has something, loaded, built in, or to be loaded."""
        if (self.loaded / name).exists():
            return True
        listed = (self.modules / self.release / kind for kind in ("modules.dep", "modules.builtin"))
        wanted = f"/{name}.ko"
        return any(wanted in file.read_text(errors="replace") for file in listed if file.is_file())
