"""containerd's images, by its own program."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cni.programs import original_environment
from install.preload.members import GZIP
from install.preload.target import Target

_NAMESPACE = "k8s.io"
"""Kubernetes's, in containerd."""
_PROGRAMS: Mapping[str, Sequence[tuple[str, ...]]] = {
    # sudo's PATH need not have /usr/local/bin.
    "k3s": (("ctr",), ("k3s", "ctr"), ("/usr/local/bin/k3s", "ctr")),
    "rke2": (("/var/lib/rancher/rke2/bin/ctr",), ("ctr",)),
    "microk8s": (("/snap/microk8s/current/bin/ctr",), ("ctr",)),
}
_CHECKED = re.compile(r"(?P<name>\S+)\s+\S+\s+(?P<digest>[a-z0-9]+:[0-9a-f]{32,})\s+complete\b")
"""A line of `ctr images check`, of an image whose content is all there."""
_PATIENCE = {"check": 300, "import": 3600}
"""Seconds for each verb; images of GPU programs have tens of gigabytes."""


class RuntimeFailedError(Exception):
    """containerd did not do what it was told; the message has its words."""


class Containerd:
    """A node's containerd.

    Args:
        target: see there.

    Raises:
        RuntimeFailedError: its program is not on this node.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._program = _program(target.name)

    def images(self) -> dict[str, str]:
        """Return the images whose content is all there: digest by name.

        Raises:
            RuntimeFailedError: it does not answer.
        """
        done = self._run("check")
        if done.returncode and not done.stdout:  # it also fails for one image that it cannot judge
            raise _failed(done)
        found = map(_CHECKED.match, done.stdout.decode(errors="replace").splitlines())
        return {match["name"]: match["digest"] for match in found if match}

    def load(self, archive: BinaryIO) -> None:
        """Import an archive, from its beginning.

        Args:
            archive: without a buffer: containerd's program reads, and moves, the same file.

        Raises:
            RuntimeFailedError: it refuses.
        """
        snapshotter = self._target.snapshotter
        options = ["--snapshotter", snapshotter] if snapshotter else []
        with _unpacked(archive) as stream:
            done = self._run("import", *options, "-", stdin=stream)
        if done.returncode:
            raise _failed(done)

    def _run(
        self, verb: str, *words: str, stdin: BinaryIO | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        command = [*self._program, "--address", str(self._target.socket),
                   "--namespace", _NAMESPACE, "images", verb, *words]  # fmt: skip
        try:
            return subprocess.run(  # noqa: S603 - words of our own, no shell
                command,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                capture_output=True,
                check=False,
                timeout=_PATIENCE[verb],
                env=original_environment(os.environ),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeFailedError(f"{' '.join(command)}: {error}") from None


def _failed(done: subprocess.CompletedProcess[bytes]) -> RuntimeFailedError:
    said = done.stderr.decode(errors="replace").strip()
    return RuntimeFailedError(f"{' '.join(done.args)}: {said or done.returncode}")


@contextmanager
def _unpacked(archive: BinaryIO) -> Iterator[BinaryIO]:
    """Have an archive from its beginning; gzip's is unpacked, as containerd 1.6 does not do."""
    archive.seek(0)
    is_packed = archive.read(len(GZIP)) == GZIP
    archive.seek(0)
    if not is_packed:
        yield archive
        return
    reading, writing = os.pipe()
    feeder = threading.Thread(target=_feed, args=(archive, writing))
    with os.fdopen(reading, "rb") as stream:
        feeder.start()
        yield stream
    feeder.join()  # it ends with the pipe's other end


def _feed(archive: BinaryIO, writing: int) -> None:
    # What went wrong, whoever reads it says: for it the archive ends early.
    with (
        suppress(OSError, EOFError, zlib.error),
        os.fdopen(writing, "wb") as out,
        gzip.open(archive) as unpacked,
    ):
        shutil.copyfileobj(unpacked, out, 1 << 20)


def _program(name: str) -> tuple[str, ...]:
    candidates = _PROGRAMS.get(name, (("ctr",),))
    for first, *rest in candidates:
        if found := shutil.which(first):
            return (str(Path(found)), *rest)
    tried = ", ".join(" ".join(each) for each in candidates)
    raise RuntimeFailedError(f"containerd's program is not here ({tried}): add it to PATH")
