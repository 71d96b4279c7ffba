"""Only who is in the namespaces of the host's first process sees what the host sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cni.agent.sight import blindness


def proc(folder: Path, own: str = "4711", **namespaces: str) -> Path:
    """Make a /proc with process 1 and this one, in namespaces of these names."""
    here = {"pid": "host", "mnt": "host"} | namespaces
    for process, names in (("1", {"pid": "host", "mnt": "host"}), ("4711", here)):
        for kind, name in names.items():
            target = folder / f"{kind}-{name}"
            target.touch()
            link = folder / process / "ns" / kind
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    (folder / "self").symlink_to(own)
    return folder


def test_in_the_namespaces_of_process_1(tmp_path: Path) -> None:
    assert blindness(proc(tmp_path)) == ""


@pytest.mark.parametrize(("kind", "named"), [("mnt", "another mount"), ("pid", "another pid")])
def test_in_a_namespace_of_its_own(tmp_path: Path, kind: str, named: str) -> None:
    assert named in blindness(proc(tmp_path, **{kind: "own"}))


def test_as_process_1_of_a_container(tmp_path: Path) -> None:
    assert "hostPID" in blindness(proc(tmp_path, own="1"))


def test_where_it_is_not_told(tmp_path: Path) -> None:
    proc(tmp_path)
    (tmp_path / "1/ns/mnt").unlink()
    assert "does not see in which namespaces" in blindness(tmp_path)
    assert "does not see in which namespaces" in blindness(tmp_path / "nowhere")


@pytest.mark.netns
@pytest.mark.parametrize("arguments", [["--mount"], ["--pid", "--fork", "--mount-proc"]])
def test_in_a_real_namespace_of_its_own(arguments: list[str]) -> None:
    """Process 1 may hide from a test, as in a sandbox: then that is what is said."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    code = "from cni.agent.sight import blindness; print(blindness())"
    ran = subprocess.run(
        ["unshare", *arguments, sys.executable, "-c", code],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ran.stdout.strip()
