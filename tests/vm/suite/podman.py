"""Podman in the guest: a real container runtime that calls the plugins by libcni."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.spec.node import Namespace, run
from tests.spec.runtime import DEBIANS, PROGRAMS

_SETTINGS = {
    # Its other backend, netavark, knows no CNI.
    "containers.conf": f"""\
[network]
network_backend = "cni"
cni_plugin_dirs = ["{PROGRAMS}", "{DEBIANS}"]
""",
    # The guest's root is an overlay, on which there can be no other: it would try just that.  And
    # a file that names a driver must name the folders too.
    "storage.conf": """\
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
""",
}
"""In /etc and not by options: what conmon starts after a container's end reads them there too."""

_NETWORKS = Path("/etc/cni/net.d")
_CLUSTER = {
    "type": "bridge",
    "bridge": "cluster0",
    "isGateway": True,
    "ipam": {
        "type": "host-local",
        "subnet": "10.42.0.0/24",
        "routes": [{"dst": "0.0.0.0/0"}],
    },
}
"""The primary network: no masquerading, for nobody leaves the guest."""
_WORK = "trap exit TERM; sleep 3600 & wait"
"""A shell that ends when it is asked to, as process 1 does only if it says so."""


class Container(Namespace):
    """A running container; its network namespace has a name, for podman makes one."""

    def __init__(self, name: str) -> None:
        (told,) = json.loads(run("podman", "inspect", name))
        self.container = name
        self.id: str = told["Id"]
        self.path = told["NetworkSettings"]["SandboxKey"]
        self.name = Path(self.path).name
        self.process: int = told["State"]["Pid"]
        self.monitor: int = told["State"]["ConmonPid"]

    def inside(self, *command: str) -> str:
        """Run a command of busybox in the container; return what it printed."""
        return run("podman", "exec", self.container, *command)


class Podman:
    """Podman, set up for CNI.

    Args:
        folder: for the containers' root file systems.
    """

    def __init__(self, folder: Path) -> None:
        for name, text in _SETTINGS.items():
            Path("/etc/containers", name).write_text(text, encoding="utf-8")
        self._folder = folder
        self.define("cluster", _CLUSTER)

    def define(self, network: str, plugin: Mapping[str, Any]) -> None:
        """Define a network of one plugin, as an administrator does."""
        _NETWORKS.mkdir(parents=True, exist_ok=True)
        conflist = {"cniVersion": "1.0.0", "name": network, "plugins": [plugin]}
        file = _NETWORKS / f"{network}.conflist"
        file.write_text(json.dumps(conflist), encoding="utf-8")

    def start(self, name: str, networks: Mapping[str, str]) -> subprocess.Popen[str]:
        """Begin to start a container on the primary network and others.

        Args:
            name: the container's.
            networks: by the names that their interfaces get.
        """
        attached = [
            f"--network={network}:interface_name={ifname}"
            for ifname, network in ({"eth0": "cluster"} | dict(networks)).items()
        ]
        return subprocess.Popen(
            ["podman", "run", "--detach", "--name", name, *attached,
             "--rootfs", str(self._root(name)), "/bin/sh", "-c", _WORK],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _root(self, container: str) -> Path:
        """Make a container's root; of one that two share, crun makes the mount points twice."""
        programs = self._folder / container / "bin"
        programs.mkdir(parents=True)
        shutil.copy("/bin/busybox", programs)
        for name in ("ip", "sh", "sleep"):
            (programs / name).symlink_to("busybox")
        return programs.parent

    def remove_all(self) -> None:
        """Remove every container, whatever it does."""
        run("podman", "rm", "--all", "--force", "--time=0")
