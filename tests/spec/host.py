"""A node with processes, mounts and files of its own, in which containerd is the first process.

What its programs write to the machine's folders goes into copies, and ends with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.spec.containerd import IMAGE, SETTINGS, write_image
from tests.spec.node import PATIENCE, Node, run, wait_until
from tests.spec.runtime import DEBIANS

CNI_BIN, CNI_CONF = Path("/opt/cni/bin"), Path("/etc/cni/net.d")
PAUSE = "registry.k8s.io/pause:3.10"
"""What a pod waits with that has nothing to do; here it is another image that sleeps."""
_SETTINGS = Path("/etc/containerd/config.toml")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN = ("/opt", "/run", "/var/lib", "/var/log")
"""Empty at first."""
_SCRIPT = """set -e
mount --make-rshared /
for place in /etc {own}; do mount --bind {folder}/files$place $place; done
exec containerd"""


class Host:
    """A node of a cluster, as far as a container can tell.

    Args:
        node: its network.
        folder: for its files.
        archives: of the images that it is to have.
        cni_bin: where containerd looks for plugins; Debian's are there.
        cni_conf: where it looks for networks.
    """

    def __init__(
        self, node: Node, folder: Path, archives: Iterable[Path], *,
        cni_bin: Path = CNI_BIN, cni_conf: Path = CNI_CONF,
    ) -> None:  # fmt: skip
        self._node = node
        self._folder = folder
        self._archives = archives
        self._cni_bin, self._cni_conf = cni_bin, cni_conf
        self._ending = ExitStack()
        self.cgroup = f"railcni-{node.name}"
        """The parent of its pods' control groups."""

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.callback(self._remove_cgroups)
            self._write_files()
            process = self._execute()
            started.callback(process.wait, PATIENCE)
            self._init = _child(process)
            started.callback(_kill, self._init)
            wait_until(self._answers, f"containerd ({self._folder / 'log'})", PATIENCE)
            for archive in (self._folder / "pause.tar", *self._archives):
                self.ctr("images", "import", str(archive))
            self.ctr("images", "tag", IMAGE, PAUSE)
            self._ending = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ending.close()

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self._folder / "socket"

    def file(self, path: str | Path) -> Path:
        """Return where a file of this node is for the test."""
        return Path(f"/proc/{self._init}/root") / Path(path).relative_to("/")

    def kept(self, path: str | Path) -> Path:
        """Return where one of its own files is kept: a path that holds when links are resolved."""
        return self._folder / "files" / Path(path).relative_to("/")

    def files(self, path: str | Path) -> set[str]:
        """Return what is below a folder of this node but for folders, by paths relative to it."""
        top = self.file(path)
        found = (file for file in top.rglob("*") if file.is_symlink() or not file.is_dir())
        return {str(file.relative_to(top)) for file in found}

    def write(self, path: Path, content: str) -> None:
        """Write a file of this node."""
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def command(self, *words: str | Path) -> list[str]:
        """Return what executes a command on it."""
        entering = ["nsenter", f"--target={self._init}", "--mount", "--pid", "--net"]
        return [*entering, *map(str, words)]

    def run(self, *words: str | Path) -> str:
        """Run a command on it; return what it printed."""
        return run(*self.command(*words))

    def ctr(self, *words: str) -> str:
        """Let containerd's own client do something with what a kubelet has; return what it says."""
        return run("ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words)

    def log(self) -> str:
        """Return what containerd has logged."""
        return (self._folder / "log").read_text()

    def _write_files(self) -> None:
        files = self._folder / "files"
        for place in _OWN:
            (files / place[1:]).mkdir(parents=True)
        without = shutil.ignore_patterns("cni", "containerd", "railcni")  # the machine's own
        shutil.copytree("/etc", files / "etc", symlinks=True, ignore=without)
        for own in (self._cni_bin, self._cni_conf, _SETTINGS.parent):
            self.kept(own).mkdir(parents=True)
        for plugin in DEBIANS.iterdir():
            self.kept(self._cni_bin / plugin.name).symlink_to(plugin)
        settings = SETTINGS.format(
            folder=self._folder, image=IMAGE, bin_dir=self._cni_bin, conf_dir=self._cni_conf
        )
        self.kept(_SETTINGS).write_text(settings)
        write_image(self._folder / "pause.tar")

    def _execute(self) -> subprocess.Popen[bytes]:
        """Start it in the node's network, but with the machine's /sys: there the cgroups are."""
        script = _SCRIPT.format(own=" ".join(_OWN), folder=self._folder)
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                ["nsenter", f"--net={self._node.path}", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child", "--mount-proc", "sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _answers(self) -> bool:
        words = ["ctr", "--address", str(self.socket), "version"]
        done = subprocess.run(words, capture_output=True, check=False, timeout=PATIENCE)
        return done.returncode == 0

    def _remove_cgroups(self) -> None:
        for found in sorted(_CGROUPS.rglob(f"{self.cgroup}/**/"), reverse=True):
            found.rmdir()


def _child(process: subprocess.Popen[bytes]) -> int:
    """Return the first process of a pid namespace; the kernel ends all others before it."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: bool(children.read_text()), "a process of its own", PATIENCE)
    return int(children.read_text())


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):  # its log says why
        os.kill(process, signal.SIGKILL)
