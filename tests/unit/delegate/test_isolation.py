"""An executed IPAM plugin sees the runtime's environment only, and what it says counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cni.delegate.execute import ExecutedIpam
from cni.protocol.errors import CniError
from cni.protocol.request import Request
from cni.protocol.versions import Command

Plugin = Callable[..., Path]


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """Write a plugin into a folder."""

    def write(folder: str, script: str, mode: int = 0o755) -> Path:
        program = tmp_path / folder / "stub-ipam"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
        program.chmod(mode)
        return program.parent

    return write


def request(**environ: str) -> Request:
    return Request(
        Command.DEL, "1.1.0", {"cniVersion": "1.1.0", "name": "roce-a"},
        container_id="c1", ifname="net1", environ={"PATH": "/usr/bin:/bin", **environ},
    )  # fmt: skip


def test_our_own_environment_does_not_reach_it(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/bundle")
    folder = plugin("bin", f"env > {tmp_path}/env")
    asked = replace(request(OF_THE_RUNTIME="yes"), path=(str(folder),))
    ExecutedIpam("stub-ipam", asked.path).release(asked)
    seen = (tmp_path / "env").read_text()
    assert "OF_THE_RUNTIME=yes" in seen
    assert "LD_LIBRARY_PATH" not in seen


def test_a_del_that_it_refused_has_failed(plugin: Plugin) -> None:
    folder = plugin("bin", 'echo \'{"code": 11, "msg": "busy"}\'; exit 1')
    with pytest.raises(CniError, match="stub-ipam DEL: busy") as caught:
        ExecutedIpam("stub-ipam", (str(folder),)).release(request())
    assert caught.value.code == 11


def test_a_file_that_cannot_be_executed_is_passed_over(plugin: Plugin) -> None:
    unusable, usable = plugin("first", "exit 1", 0o644), plugin("second", "exit 0")
    ExecutedIpam("stub-ipam", (str(unusable), str(usable))).release(request())
    with pytest.raises(CniError, match="no such plugin"):
        ExecutedIpam("stub-ipam", (str(unusable),))
