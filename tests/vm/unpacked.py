"""Debian packages unpacked into a folder, and their programs, run where they are not installed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = "usr/lib/x86_64-linux-gnu"
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders of the root that are links to those below /usr, as on every Debian since 12."""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that packages are unpacked into.

    Args:
        folder: absolute, for programs get it as an argument.
    """

    folder: Path

    def unpack(self, packages: Iterable[Path]) -> None:
        """Unpack packages; what their scripts would do is left out."""
        for name in _MERGED:
            (self.folder / "usr" / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name).symlink_to(f"usr/{name}")
        unpack = ["tar", "-xC", str(self.folder), "--keep-directory-symlink", "--no-same-owner"]
        for package in packages:
            pack = ["dpkg-deb", "--fsys-tarfile", str(package)]
            with subprocess.Popen(pack, stdout=subprocess.PIPE) as files:
                subprocess.run(unpack, stdin=files.stdout, check=True)
            if files.returncode:
                raise RuntimeError(f"dpkg-deb could not read {package.name}")

    def command(self, program: str, *words: str | Path) -> list[str]:
        """Return the command that runs a program of this root, with its own libraries.

        Args:
            program: its path below /usr.
            words: its arguments.
        """
        called = self.folder / "usr" / program
        link = called.readlink() if called.is_symlink() else Path()
        # An absolute link means this root, not the machine's.
        file = self.folder / link.relative_to("/") if link.is_absolute() else called
        return [
            f"{self.folder}/lib64/ld-linux-x86-64.so.2",
            "--library-path", f"{self.folder / LIBRARIES}",
            "--argv0", str(called), str(file),
            *map(str, words),
        ]  # fmt: skip

    def run(self, program: str, *words: str | Path) -> None:
        """Run a program of this root; what it prints is shown only if it fails."""
        command = self.command(program, *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} {words}: {done.stderr or done.stdout}")

    def squash(self, folder: Path, image: Path, *excluded: str) -> None:
        """Make an image of a folder, uncompressed: who reads it has an emulated processor."""
        image.unlink(missing_ok=True)
        self.run(
            "bin/mksquashfs", folder, image, "-all-root", "-no-progress", "-no-duplicates",
            "-noI", "-noD", "-noF", "-noX", "-wildcards", "-e", *excluded,
        )  # fmt: skip
