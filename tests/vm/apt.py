"""Debian packages by an apt of our own: what the machine's apt keeps stays as it is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.vm import recipe
from tests.vm.sources import Source

_SETTINGS = """\
#clear APT::Update;
#clear DPkg;
APT::Architecture "amd64";
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::Cache "{folder}/cache";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}/sources";
Dir::Log "{folder}/log";
Dir::State "{folder}/state";
Dir::State::status "{folder}/state/status";
"""
"""What the machine has configured besides holds too, a proxy for instance, but for its hooks.  The
empty `status` says that nothing is installed, so that a package comes with all that it needs."""
_MINUTES = 10


class UnavailableError(Exception):
    """The packages cannot be had on this machine; the message says why."""


class PrivateApt:
    """An apt that knows nothing of this machine's packages.

    Args:
        folder: for everything that it keeps; made here.
        source: the mirror.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        for name in ("cache/archives/partial", "log", "sources", "state/lists/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "state/status").touch()
        (folder / "settings").write_text(_SETTINGS.format(folder=folder), encoding="utf-8")
        stanza = source.stanza(recipe.SUITE, recipe.BACKPORTS)
        (folder / "sources/lab.sources").write_text(stanza, encoding="utf-8")

    def update(self) -> None:
        """Get the lists of packages, and check their signatures."""
        self._run("apt-get", "update")

    def download(self, packages: Iterable[str], name: str, release: str) -> list[Path]:
        """Get packages and all that they need; return their files.

        Args:
            packages: their names.
            name: of the folder for them.
            release: which is preferred where both have a package.
        """
        archives = self._folder / name
        (archives / "partial").mkdir(parents=True)
        self._run(
            "apt-get", "install", "--yes", "--download-only", f"--target-release={release}",
            f"--option=Dir::Cache::Archives={archives}", *packages,
        )  # fmt: skip
        return sorted(archives.glob("*.deb"))

    def download_kernel(self) -> Path:
        """Get the newest kernel alone, without what an installed one needs."""
        release = f"--target-release={recipe.BACKPORTS}"
        package = newest_kernel(self._run("apt-cache", "depends", release, recipe.KERNEL))
        folder = self._folder / "kernel"
        folder.mkdir()
        self._run("apt-get", "download", package, folder=folder)
        (found,) = folder.glob("*.deb")
        return found

    def _run(self, program: str, *words: str, folder: Path | None = None) -> str:
        command = [program, f"--config-file={self._folder / 'settings'}", "--quiet=2", *words]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False,
                timeout=_MINUTES * 60,
            )  # fmt: skip
        except FileNotFoundError:
            raise UnavailableError(f"this machine has no {program}") from None
        except subprocess.TimeoutExpired:
            reason = f"{program} {words[0]} did not end within {_MINUTES} minutes"
            raise UnavailableError(reason) from None
        if done.returncode:
            raise UnavailableError(f"{program} {words[0]}: {done.stderr.strip()}")
        return done.stdout


def newest_kernel(depends: str) -> str:
    """Return the package of the kernel that `apt-cache depends` tells of."""
    found = re.search(r"Depends: (linux-image-\d\S*)", depends)
    if not found:
        raise UnavailableError(f"{recipe.KERNEL} depends on no kernel: {depends.strip()!r}")
    return found[1]
