"""The units of a host that is looked after by hand."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from install.installer import units
from install.installer.errors import InstallError
from install.installer.units import Systemd

DEPLOY = Path(__file__).parents[3] / "deploy"
BIN = PurePosixPath("/opt/cni/bin")


def test_those_in_deploy_are_those_that_are_written() -> None:
    for item in units.items(BIN, ()):
        assert (DEPLOY / item.path.name).read_bytes() == item.content


def test_what_was_said_is_said_again() -> None:
    _, installer = units.items(BIN, ("--chain-hostgw", "--config", "/root/railcni"))
    line = "ExecStart=/opt/cni/bin/rail-install run --host --chain-hostgw --config /root/railcni\n"
    assert line in installer.content.decode()


@pytest.mark.parametrize(
    "word", ["/a b", "/%h", "/a;b", "/$x", '/"', "/a\nExecStart=/bin/sh", "/a\rb"]
)
def test_what_would_mean_something_else_in_a_unit_is_refused(word: str) -> None:
    with pytest.raises(InstallError, match="cannot stand in a systemd unit"):
        units.items(BIN, ("--config", word))


def test_systemd_is_told_what_to_do_and_what_it_refuses_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "systemctl"
    program.write_text(
        f"#!/bin/sh\necho $@ >>{told}\n[ $1 != disable ] && exit 0\necho no >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    systemd = Systemd(booted=tmp_path)
    assert systemd.is_there
    systemd.reload()
    systemd.enable(["a.service", "b.service"])
    with pytest.raises(InstallError, match=r"systemctl disable --now a\.service: no"):
        systemd.disable(["a.service"])
    assert told.read_text().splitlines() == [
        "daemon-reload", "enable --now a.service b.service", "disable --now a.service",
    ]  # fmt: skip


def test_where_systemd_is_not_the_init_it_is_not_there(tmp_path: Path) -> None:
    assert not Systemd(booted=tmp_path / "system").is_there
