"""The frozen rail-install, and bundles of other versions for it to bring."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.spec.node import PATIENCE

BUILD = "_internal/cni/build.py"
"""The file that tells one bundle from another."""


def bundle_of(whole: Path, folder: Path, build: str) -> Path:
    """Make another version of a bundle; return its folder of programs.

    Args:
        whole: the folder that has `railcni/` and `bin/`.
        folder: where to; its files are the same ones as far as the file system allows.
        build: 16 hexadecimal digits.
    """
    shutil.copytree(whole / "railcni", folder / "railcni", copy_function=_link)
    shutil.copytree(whole / "bin", folder / "bin", symlinks=True)
    made = folder / "railcni"
    content = f'BUILD = b"{build}"\n'.encode()
    (made / BUILD).unlink()
    (made / BUILD).write_bytes(content)
    listed = (made / "MANIFEST").read_text()
    (made / "MANIFEST").unlink()
    digest = sha256(content).hexdigest()
    changed = re.sub(rf"(?m)^\w{{64}}(?=  {BUILD}$)", digest, listed)
    assert changed != listed
    (made / "MANIFEST").write_text(changed)
    return folder / "bin"


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copy2(source, destination)


@dataclass(frozen=True, slots=True)
class Installation:
    """A place for rail-install to install to: folders of a test instead of the host's.

    Args:
        folder: of the test; the CNI bin folder, networks, configuration and state are in it.
        options: what every command is told, besides.
    """

    folder: Path
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in (self.bin, self.conf):
            each.mkdir(parents=True, exist_ok=True)

    @property
    def bin(self) -> Path:
        """The CNI bin folder."""
        return self.folder / "bin"

    @property
    def conf(self) -> Path:
        """The folder of networks."""
        return self.folder / "net.d"

    @property
    def versions(self) -> Path:
        """Where the versions are."""
        return self.bin / "railcni.d/versions"

    @property
    def current(self) -> str:
        """The version that new processes run from."""
        return (self.bin / "railcni.d/current").readlink().name

    def environment(self) -> dict[str, str]:
        """Return what programs find their folders by."""
        return {
            "PATH": os.environ["PATH"],
            "RAILCNI_STATE_DIR": str(self.folder / "state"),
            "RAILCNI_CONFIG_DIR": str(self.folder / "etc"),
            "RAILCNI_LOG_DIR": str(self.folder / "log"),
            **self.environ,
        }

    def command(self, programs: Path, *words: str) -> list[str]:
        """Return what starts the rail-install of a bundle."""
        places = ("--cni-bin", str(self.bin), "--cni-conf", str(self.conf))
        return [str(programs / "rail-install"), *words, *places, *self.options]

    def start(self, programs: Path, *words: str) -> subprocess.Popen[str]:
        """Start a bundle's rail-install."""
        return subprocess.Popen(
            self.command(programs, *words), env=self.environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, programs: Path, *words: str) -> tuple[int, str, str]:
        """Run a bundle's rail-install; return exit code, stdout and stderr."""
        process = self.start(programs, *words)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        return process.returncode, stdout, stderr

    def install(self, programs: Path, *words: str) -> str:
        """Install; it must succeed.  Return what was done."""
        code, stdout, stderr = self.run(programs, "once", *words)
        assert code == 0, (stdout, stderr)
        return stdout

    def status(self, programs: Path) -> dict[str, Any]:
        """Return what a bundle's rail-install tells of what is installed."""
        _, stdout, stderr = self.run(programs, "status", "--output", "json")
        document: dict[str, Any] = json.loads(stdout) if stdout else {"stderr": stderr}
        return document

    def answers(self, program: str = "rail-sriov") -> bool:
        """Tell whether an installed plugin answers VERSION."""
        environ = {"CNI_COMMAND": "VERSION", **self.environment()}
        done = subprocess.run(
            [self.bin / program], env=environ, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        return done.returncode == 0 and "supportedVersions" in json.loads(done.stdout)
