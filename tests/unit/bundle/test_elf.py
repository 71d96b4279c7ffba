"""The loader and the library folders of an executable, written in place and then run."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from install.bundle import elf
from install.bundle.elf import ElfError

FAR = f"/{'x' * (elf.ROOM - 2)}"
"""The longest path that fits."""


def runs(executable: Path) -> bool:
    """Whether it does: the kernel finds its loader, and the loader its libraries."""
    try:
        done = subprocess.run([executable], env={}, capture_output=True, check=False)
    except FileNotFoundError:  # what the kernel says of a loader
        return False
    return done.returncode == 0


def searched(executable: Path) -> list[str]:
    """Return the folders that are searched first, as binutils reads them."""
    told = subprocess.run(
        ["readelf", "--dynamic", executable], capture_output=True, text=True, check=True
    ).stdout
    (line,) = [line for line in told.splitlines() if "(RPATH)" in line]
    return line.partition("[")[2].rstrip("]").split(":")


def test_room_leaves_the_loader_and_the_search_as_they_were(executable: Path) -> None:
    assert elf.interpreter(executable) == elf.interpreter(Path("/usr/bin/env"))
    assert searched(executable) == [""]
    assert runs(executable)


def test_a_loader_is_set_and_set_again(executable: Path, tmp_path: Path) -> None:
    size = executable.stat().st_size
    loader = tmp_path / "loader/ld.so"
    elf.set_interpreter(executable, str(loader))
    assert not runs(executable)
    loader.parent.mkdir()
    shutil.copy(elf.interpreter(Path("/usr/bin/env")), loader)
    assert runs(executable)
    assert searched(executable) == [str(loader.parent), f"{loader.parent}/.."]
    for path in (FAR, str(loader)):
        elf.set_interpreter(executable, path)
        assert elf.interpreter(executable) == path
    assert runs(executable)
    assert executable.stat().st_size == size


def test_what_the_folders_hold_is_taken_before_the_environments(
    bundle: Path, tmp_path: Path
) -> None:
    executable, libraries = bundle / "railcni", bundle / "_internal/libc"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "libc.so.6").write_bytes(b"")
    system = elf.interpreter(executable)
    own = libraries / Path(system).name
    for loader, folders, code in ((system, (), 127), (str(own), None, 0)):
        elf.set_interpreter(executable, loader, folders)
        done = subprocess.run(
            [executable], env={"LD_LIBRARY_PATH": str(broken)}, capture_output=True, check=False
        )
        assert done.returncode == code, done.stderr


def test_a_path_without_room_is_refused_with_the_limit(executable: Path) -> None:
    before = executable.read_bytes()
    with pytest.raises(ElfError, match=r"is 1024 bytes long, and .*/env has room for 1023"):
        elf.set_interpreter(executable, f"{FAR}x")
    assert executable.read_bytes() == before


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("ld.so", "not an absolute path"),
        ("/opt/a:b/ld.so", "':', which separates folders"),
        ("/opt/$LIB/ld.so", "which begins a variable"),
        ("/opt/\0/ld.so", "has a NUL"),
    ],
)
def test_a_path_that_a_loader_would_not_take_as_it_stands_is_refused(
    executable: Path, path: str, problem: str
) -> None:
    before = executable.read_bytes()
    with pytest.raises(ElfError, match=problem.replace("$", r"\$")):
        elf.set_interpreter(executable, path)
    assert executable.read_bytes() == before


def test_what_is_no_executable_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" + "#" * 100)
    with pytest.raises(ElfError, match="script is no 64-bit little endian ELF file"):
        elf.interpreter(script)


@pytest.mark.parametrize("position", [4, 5], ids=["32-bit", "big endian"])
def test_another_kind_of_executable_is_refused(executable: Path, position: int) -> None:
    content = bytearray(executable.read_bytes())
    content[position] ^= 3  # from 1 to 2, or from 2 to 1
    executable.write_bytes(content)
    with pytest.raises(ElfError, match="no 64-bit little endian ELF file"):
        elf.interpreter(executable)


def test_a_static_program_is_refused() -> None:
    with pytest.raises(ElfError, match="names no interpreter"):
        elf.interpreter(Path("/usr/sbin/ldconfig"))


def test_an_executable_without_room_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "env"
    shutil.copy("/usr/bin/env", plain)
    before = plain.read_bytes()
    with pytest.raises(ElfError, match="no room for a library path: make build makes it"):
        elf.set_interpreter(plain, "/x")
    assert plain.read_bytes() == before


@pytest.mark.parametrize("part", [0, 0.001, 0.005, 0.02])
def test_a_truncated_file_is_refused(executable: Path, part: float) -> None:
    content = executable.read_bytes()
    executable.write_bytes(content[: int(len(content) * part)])
    before = executable.read_bytes()
    with pytest.raises(ElfError, match=r"it is not whole"):
        elf.set_interpreter(executable, "/x")
    assert executable.read_bytes() == before


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_refused_and_stays_or_keeps_its_size(executable: Path, seed: int) -> None:
    chance, whole = random.Random(seed), executable.read_bytes()  # noqa: S311 - repeatable
    refused = 0
    for end in (64, 64 + 56 * 13) * 40:
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(end)] = chance.randrange(256)
        executable.write_bytes(damaged)
        try:
            elf.set_interpreter(executable, "/opt/_internal/libc/ld.so")
        except ElfError:
            refused += 1
            assert executable.read_bytes() == damaged
        assert executable.stat().st_size == len(damaged)
    assert refused
