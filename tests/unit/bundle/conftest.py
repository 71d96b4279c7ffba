"""A small bundle whose executable is a program of this machine, treated as the freeze does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from install.bundle import EXECUTABLE, LIBRARIES, elf, manifest
from install.freeze import room

PROGRAM = "/usr/bin/env"
"""It is dynamic, and says something about its process."""


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    """An executable with room for a loader."""
    made = tmp_path / "env"
    shutil.copy(PROGRAM, made)
    room.make(made)
    return made


@pytest.fixture
def bundle(executable: Path, tmp_path: Path) -> Path:
    """A bundle: an executable, a loader with the libraries that are needed, and their list."""
    made = tmp_path / "bundle"
    (made / LIBRARIES).mkdir(parents=True)
    listed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    paths = {word for word in listed.split() if word.startswith("/")}
    for path in {*paths, elf.interpreter(executable)}:
        shutil.copy(path, made / LIBRARIES)
    executable.rename(made / EXECUTABLE)
    manifest.write(made)
    return made
