"""A kubelet of the tests: it runs one pod of a manifest through CRI, as the real one does."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self

from netns import NetNS

from tests.spec import cri
from tests.spec.host import Host
from tests.spec.node import PATIENCE, Node, wait_until
from tests.spec.podspec import Container, Pod, Probe, Volume

_SUCCESS = range(200, 400)
"""The HTTP statuses of a probe that has succeeded."""
_TESTS = {"Directory": "-d", "File": "-f", "Socket": "-S", "CharDevice": "-c", "BlockDevice": "-b"}
"""test(1)'s words for what must be at a path of the node."""


class ContainerFailedError(Exception):
    """A container has ended as it should not; the message has its log."""


class RunningPod:
    """A pod that runs, and ends with this context.

    Args:
        runtime: the container runtime.
        host: on which node.
        node: that node's network.
        pod: what it is.
        folder: for its files.
    """

    def __init__(
        self, runtime: cri.Runtime, host: Host, node: Node, pod: Pod, folder: Path
    ) -> None:
        self._runtime = runtime
        self._host = host
        self._node = node
        self._pod = pod
        self._folder = folder
        self._ids: dict[str, str] = {}
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        """Run its init containers one by one, then start the others."""
        (self._folder / "logs").mkdir(parents=True)
        volumes = {name: self._provide(name, volume) for name, volume in self._pod.volumes.items()}
        with ExitStack() as started:
            cgroup = f"/{self._host.cgroup}/{self._pod.name}"
            sandbox = self._runtime.run_sandbox(self._pod, self._folder / "logs", cgroup)
            started.callback(self._runtime.remove_sandbox, sandbox)
            for container in self._pod.first:
                self._start(sandbox, container, volumes)
                self._await_end(container.name)
            for container in self._pod.containers:
                self._start(sandbox, container, volumes)
            self._ending = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        with self._ending:
            for container in self._pod.containers:
                self._runtime.stop(self._ids[container.name], self._pod.grace)

    def await_probes(self) -> list[str]:
        """Wait until every probe succeeds; return which there were."""
        probed = [(one, probe) for one in self._pod.containers for probe in one.probes]
        for container, probe in probed:
            asked = partial(self._succeeds, container, probe)
            wait_until(asked, f"{container.name}'s {probe.kind}", PATIENCE)
        return [f"{container.name} {probe.kind}" for container, probe in probed]

    def exit_code(self, container: str) -> int | None:
        """Return what a container has ended with, unless it runs."""
        state = self._runtime.state(self._ids[container])
        return state.exit_code if state.exited else None

    def stop(self, container: str) -> int:
        """End a container as the kubelet does; return its exit code."""
        self._runtime.stop(self._ids[container], self._pod.grace)
        return self._runtime.state(self._ids[container]).exit_code

    def execute(self, container: str, *command: str) -> tuple[int, str]:
        """Execute a command in a container, as `kubectl exec` does."""
        return self._runtime.execute(self._ids[container], command)

    def volume(self, name: str) -> Path:
        """Return where a volume is that the kubelet has made."""
        return self._folder / "volumes" / name

    def change(self, volume: str, **files: str) -> None:
        """Change files of a volume, as the kubelet does when a ConfigMap has changed."""
        before = self._pod.volumes[volume]
        write_files(self.volume(volume), replace(before, files={**before.files, **files}))

    def log(self, container: str) -> str:
        """Return what a container has printed, without what CRI puts before each line."""
        lines = (self._folder / f"logs/{container}.log").read_text().splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    def _start(self, sandbox: cri.Sandbox, container: Container, volumes: dict[str, Path]) -> None:
        self._ids[container.name] = self._runtime.start(sandbox, self._pod, container, volumes)

    def _await_end(self, container: str) -> None:
        wait_until(lambda: self.exit_code(container) is not None, container, PATIENCE)
        if code := self.exit_code(container):
            raise ContainerFailedError(f"{container} ended with {code}:\n{self.log(container)}")

    def _succeeds(self, container: Container, probe: Probe) -> bool:
        code = self.exit_code(container.name)
        if code is not None:
            log = self.log(container.name)
            raise ContainerFailedError(f"{container.name} ended with {code}:\n{log}")
        if probe.command:
            return self.execute(container.name, *probe.command)[0] == 0
        with NetNS(nspath=self._node.path):
            connection = HTTPConnection(probe.host, probe.port, timeout=PATIENCE)
            try:
                connection.request("GET", probe.path)
                return connection.getresponse().status in _SUCCESS
            except ConnectionRefusedError:
                return False
            finally:
                connection.close()

    def _provide(self, name: str, volume: Volume) -> Path:
        """Return where a volume's content is on the node, after making it."""
        if not volume.host_path:
            folder = self.volume(name)
            write_files(folder, volume)
            if volume.is_empty:
                folder.chmod(0o777)
            if self._pod.group is not None:
                shutil.chown(folder, group=self._pod.group)
            return folder
        if volume.kind == "DirectoryOrCreate":
            self._host.run("mkdir", "--parents", volume.host_path)
        elif volume.kind:
            self._host.run("test", _TESTS[volume.kind], volume.host_path)
        return Path(volume.host_path)


def write_files(folder: Path, volume: Volume) -> None:
    """Write a volume's files as the kubelet does: what a reader sees of them is flipped at once.

    Each is a link through `..data`, which leads to a folder that is never changed
    (pkg/volume/util/atomic_writer.go).
    """
    folder.mkdir(parents=True, exist_ok=True)
    if volume.is_empty:
        return
    content = folder / f"..{len(list(folder.glob('..[0-9]*')))}"
    content.mkdir()
    for name, told in volume.files.items():
        (content / name).write_text(told)
        (content / name).chmod(volume.mode)
    (draft := folder / "..data_tmp").symlink_to(content.name)
    draft.rename(folder / "..data")
    for name in volume.files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
