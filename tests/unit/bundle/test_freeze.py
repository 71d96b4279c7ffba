"""What a bundle takes from the system that it is frozen on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from install.bundle import elf
from install.freeze import system
from tests.unit.bundle.conftest import PROGRAM

LOADER = Path(elf.interpreter(Path(PROGRAM)))


def linked() -> set[tuple[str, str]]:
    """Return what a program is linked with, as PyInstaller tells it."""
    listed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines() if "=>" in line]
    return {(row[0], row[2]) for row in rows}


def test_the_c_library_its_loader_and_what_it_opens_by_name() -> None:
    found = dict(system.libraries(Path(PROGRAM), linked(), bundled=()))
    assert {"libc/libc.so.6", f"libc/{LOADER.name}", "libc/libresolv.so.2"} <= found.keys()
    for source in found.values():
        assert Path(source).is_file()
        assert not Path(source).is_symlink()


def test_what_is_bundled_already_is_not_taken_twice() -> None:
    more = {*linked(), ("libz.so.1", "/usr/lib/libz.so.1")}
    found = dict(system.libraries(Path(PROGRAM), more, bundled=["libz.so.1"]))
    assert "libc/libz.so.1" not in found


def test_another_c_library_is_refused() -> None:
    musl = {("libc.musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1")}
    with pytest.raises(SystemExit, match=r"not linked with libc\.so\.6: freeze them with glibc"):
        system.libraries(Path(PROGRAM), musl, bundled=())
