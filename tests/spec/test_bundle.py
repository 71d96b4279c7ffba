"""The frozen bundle itself: what starts, what it needs, what it brings along and what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cni import __version__, programs
from cni.protocol.supported import CURRENT, SUPPORTED
from install.freeze import entry

VERSION = {"CNI_COMMAND": "VERSION"}
STATUS = {"CNI_COMMAND": "STATUS"}


def start(
    program: Path, *arguments: str, env: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program in this environment and no other."""
    return subprocess.run(
        [program, *arguments], input=stdin, env=dict(env), capture_output=True, check=False
    )


@pytest.mark.parametrize("name", programs.PLUGINS)
@pytest.mark.parametrize(
    ("stdin", "version"),
    [
        (b"", CURRENT),
        (b'{"cniVersion":"0.3.1"}', "0.3.1"),
        (b'{"type": "rail-sriov", "name": "backend", "cniVersion": "1.0.0"}', "1.0.0"),
    ],
)
def test_version(bundle: Path, name: str, stdin: bytes, version: str) -> None:
    done = start(bundle / name, env=VERSION, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {
        "cniVersion": version,
        "supportedVersions": list(SUPPORTED),
    }


def test_version_needs_nothing_that_it_could_wait_for(bundle: Path, tmp_path: Path) -> None:
    """The answer comes from a bundle without any module but the entry: so it imports no other."""
    whole = (bundle / "rail-sriov").resolve().parent
    ours = ("__init__", "programs", "protocol/__init__", "protocol/supported")
    needed = ("encodings", *(f"cni/{module}" for module in ours))
    for file in (whole / "_internal").rglob("*"):
        part = file.relative_to(whole)
        is_library = len(part.parts) == 2 and ".so" in file.name
        is_needed = str(part.relative_to("_internal").with_suffix("")).startswith(needed)
        if is_library or (is_needed and file.is_file()):
            (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, tmp_path / part)
    shutil.copy2(whole / "railcni", tmp_path / "rail-sriov")
    assert start(tmp_path / "rail-sriov", env=VERSION).returncode == 0
    assert start(tmp_path / "rail-sriov", env=STATUS).returncode != 0


def test_every_program_is_a_relative_link_to_one_executable(bundle: Path) -> None:
    links = {file.name: str(file.readlink()) for file in bundle.iterdir() if file.is_symlink()}
    scripts = {file.name for file in bundle.iterdir()} - links.keys()
    assert scripts <= {entry.NAME}
    assert links.keys() | scripts == programs.PLUGINS.keys() | programs.COMMANDS.keys()
    assert set(links.values()) == {"../railcni/railcni"}


def test_a_link_from_elsewhere_works(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "rail-ipam").symlink_to((bundle / "rail-ipam").resolve())
    assert start(tmp_path / "rail-ipam", env=VERSION).returncode == 0


def test_the_executable_itself_takes_the_name_as_its_first_argument(bundle: Path) -> None:
    done = start((bundle / "railctl").resolve(), "railctl", "version", "--output", "json", env={})
    assert json.loads(done.stdout)["railcni"] == __version__


def test_every_plugin_can_be_loaded_whole(bundle: Path, tmp_path: Path) -> None:
    """No module is missing: a plugin gets as far as to refuse its configuration."""
    for name in programs.PLUGINS:
        config = {"cniVersion": "1.1.0", "name": "n", "type": name, "mtu": "large", "subnet": 1}
        config["ipam"] = config.copy()
        config["mode"] = "large"
        environ = STATUS | {"CNI_PATH": str(bundle), "RAILCNI_STATE_DIR": str(tmp_path)}
        done = start(bundle / name, env=environ, stdin=json.dumps(config).encode())
        assert json.loads(done.stdout)["code"] == 7


@pytest.mark.parametrize(
    "runtime", [{"PATH": os.defpath}, {"PATH": os.defpath, "LD_LIBRARY_PATH": "/usr/lib/gpu"}]
)
def test_a_delegate_gets_the_environment_of_the_runtime(
    bundle: Path, tmp_path: Path, runtime: Mapping[str, str]
) -> None:
    seen = tmp_path / "environment"
    delegate = tmp_path / "spy"
    delegate.write_text(f"#!/bin/sh\nexec /usr/bin/env >{seen}\n", encoding="ascii")
    delegate.chmod(0o755)
    config = {"cniVersion": "1.1.0", "name": "n", "type": "rail-sriov", "ipam": {"type": "spy"}}
    environ = {**runtime, **STATUS, "CNI_PATH": str(tmp_path), "RAILCNI_STATE_DIR": str(tmp_path)}
    done = start(bundle / "rail-sriov", env=environ, stdin=json.dumps(config).encode())
    assert (done.returncode, done.stdout) == (0, b"")
    got = dict(line.split("=", 1) for line in seen.read_text(encoding="utf-8").splitlines())
    assert {name: got.get(name) for name in environ} == environ
    assert {name for name in got.keys() - environ if not name.startswith("CNI_")} <= {"PWD"}


def test_licences_are_included(bundle: Path) -> None:
    folder = (bundle / "rail-sriov").resolve().parent / "licenses"
    index = (folder / "INDEX.md").read_text(encoding="utf-8")
    for component in ("libc6", "pydantic", "pyroute2", "pyinstaller", "python", "railcni"):
        assert f"| {component} |" in index
        assert list(folder.glob(f"{component}-*"))
    for file in folder.iterdir():
        assert file.stat().st_size > 0
        assert file.name == "INDEX.md" or f"({file.name})" in index
