"""A kernel that boots fast under emulation: nothing in it, or in its modules, is compressed."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from tests.vm.unpacked import Root

_ZSTD = b"\x28\xb5\x2f\xfd"
_ELF = b"\x7fELF"
_LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


def decompress(packed: Path, image: Path, tools: Root) -> None:
    """Write the ELF image that is inside a bzImage."""
    content = packed.read_bytes()
    start = content.find(_ZSTD)
    if start < 0:
        raise RuntimeError(f"{packed.name} has no part that zstd has compressed")
    # It says that something follows what it has decompressed, which is so.
    done = subprocess.run(
        tools.command("bin/zstd", "-dc"), input=content[start:], capture_output=True, check=False
    )
    if not done.stdout.startswith(_ELF):
        raise RuntimeError(f"{packed.name} has no ELF image in it: {done.stderr.decode()}")
    image.write_bytes(done.stdout)


class Modules:
    """The modules of an unpacked kernel package.

    Args:
        kernel: where it was unpacked.
        tools: has depmod.
    """

    def __init__(self, kernel: Path, tools: Root) -> None:
        (self._folder,) = (kernel / "lib/modules").iterdir()
        self._tools = tools
        self.version = self._folder.name
        self._depmod(kernel)
        self._needs = dependencies(self._lines("modules.builtin"), self._lines("modules.dep"))

    def _lines(self, name: str) -> list[str]:
        return (self._folder / name).read_text(encoding="utf-8").splitlines()

    def _depmod(self, root: Path) -> None:
        self._tools.run("sbin/depmod", "-b", root, self.version)

    def install(self, names: Iterable[str], root: Path) -> None:
        """Put modules, and what they need, into a root."""
        target = root / "lib/modules" / self.version
        for file in in_order(names, self._needs):
            place = (target / file).with_suffix("")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self._read(file))
        for name in _LISTS:
            shutil.copy(self._folder / name, target)
        self._depmod(root)

    def put_in_order(self, names: Iterable[str], folder: Path) -> None:
        """Put modules, and what they need, into a folder; they load in the order of their names."""
        folder.mkdir()
        for number, file in enumerate(in_order(names, self._needs)):
            (folder / f"{number:02}-{_name(file)}").write_bytes(self._read(file))

    def _read(self, file: str) -> bytes:
        return lzma.decompress((self._folder / file).read_bytes())


def dependencies(builtin: Iterable[str], dep: Iterable[str]) -> dict[str, list[str]]:
    """Return, per module, its file after those that it needs; none if the kernel has it built in.

    Args:
        builtin: the lines of modules.builtin.
        dep: the lines of modules.dep.
    """
    needs: dict[str, list[str]] = {_name(line): [] for line in builtin}
    for line in dep:
        file, _, needed = line.partition(":")
        needs[_name(file)] = [*reversed(needed.split()), file]
    return needs


def in_order(names: Iterable[str], needs: Mapping[str, list[str]]) -> list[str]:
    """Return the files of some modules, each after those that it needs, and once."""
    return list(dict.fromkeys(file for name in names for file in needs[name.replace("-", "_")]))


def _name(file: str) -> str:
    return PurePosixPath(file).name.partition(".")[0].replace("-", "_")
