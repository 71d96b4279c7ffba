"""A bundle is made at home in a folder: it runs there, and nothing of the host is asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from install.bundle import EXECUTABLE, LIBRARIES, manifest
from install.bundle.elf import ElfError
from install.bundle.home import settle


def mapped(program: Path) -> set[str]:
    """Return the libraries of a process, as its loader tells."""
    done = subprocess.run(
        [program], env={"LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True, text=True, check=True
    )
    return {word for word in done.stdout.split() if word.startswith("/")}


def test_a_settled_bundle_loads_nothing_of_the_host(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "versions/1"
    settle(bundle, PurePosixPath(home))
    home.parent.mkdir()
    bundle.rename(home)
    files = mapped(home / EXECUTABLE)
    assert files
    assert all(file.startswith(f"{home / LIBRARIES}/") for file in files)
    assert manifest.differences(home) == []


def test_it_is_settled_again_elsewhere(bundle: Path, tmp_path: Path) -> None:
    settle(bundle, PurePosixPath("/nowhere"))
    assert manifest.differences(bundle) == []
    settle(bundle, PurePosixPath(tmp_path / "moved"))
    bundle.rename(tmp_path / "moved")
    done = subprocess.run([tmp_path / "moved/railcni"], env={}, check=False)
    assert done.returncode == os.EX_OK


def test_a_bundle_without_a_loader_is_refused(bundle: Path) -> None:
    for file in (bundle / LIBRARIES).glob("ld-*"):
        file.unlink()
    with pytest.raises(ElfError, match="frozen without a C library"):
        settle(bundle, PurePosixPath("/opt"))
