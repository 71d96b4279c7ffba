"""Any IPAM plugin, executed as the specification says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cni.delegate import execute
from cni.delegate.choose import ipam_for
from cni.delegate.execute import ExecutedIpam
from cni.host.locks import Locks
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import Command

RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.60.0.9/16"}]}


class Bench:
    """A folder of plugins, and requests that use them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, script: str, name: str = "stub-ipam") -> ExecutedIpam:
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return ExecutedIpam(name, (str(self.folder / "empty"), str(self.folder)))

    def request(self, version: str = "1.1.0", **config: Any) -> Request:
        return Request(
            Command.ADD, version, {"cniVersion": version, "name": "roce-a", **config},
            container_id="c1", ifname="net1", netns="/run/netns/c1",
            args={"IgnoreUnknown": "1", "K8S_POD_NAME": "job-0"}, path=(str(self.folder),),
            environ={"PATH": os.environ["PATH"], "HOME": "/root", "CNI_COMMAND": "CHECK"},
        )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_gets_the_environment_and_the_configuration(bench: Bench) -> None:
    ipam = bench.write(
        f"env > {bench.folder}/env; cat > {bench.folder}/stdin; echo '{json.dumps(RESULT)}'"
    )
    allocation = ipam.allocate(bench.request(ipam={"type": "stub-ipam", "pool": 7}))
    assert str(allocation.result.ips[0].address) == "10.60.0.9/16"
    assert allocation.prefixes == ()
    seen = dict(line.split("=", 1) for line in (bench.folder / "env").read_text().splitlines())
    assert seen["CNI_COMMAND"] == "ADD"
    assert seen["CNI_CONTAINERID"] == "c1"
    assert seen["CNI_NETNS"] == "/run/netns/c1"
    assert seen["CNI_IFNAME"] == "net1"
    assert seen["CNI_ARGS"] == "IgnoreUnknown=1;K8S_POD_NAME=job-0"
    assert seen["CNI_PATH"] == str(bench.folder)
    assert seen["HOME"] == "/root"
    assert json.loads((bench.folder / "stdin").read_text())["ipam"]["pool"] == 7


def test_every_verb_is_passed_on_where_the_version_has_it(bench: Bench) -> None:
    ipam = bench.write(f"cat > /dev/null; echo $CNI_COMMAND >> {bench.folder}/calls")
    for version in ("0.3.1", "1.0.0", "1.1.0"):
        asked = bench.request(version)
        for verb in (ipam.release, ipam.check, ipam.collect, ipam.status):
            verb(asked)
    calls = (bench.folder / "calls").read_text().split()
    assert calls == ["DEL", "DEL", "CHECK", "DEL", "CHECK", "GC", "STATUS"]


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ('echo \'{"code": 11, "msg": "no free address", "details": "grow it"}\'; exit 1', 11,
         "stub-ipam ADD: no free address (grow it)"),
        ("echo on fire >&2; exit 3", Code.DELEGATE_FAILED, "on fire"),
        ("echo not json", Code.DELEGATE_FAILED, "not json"),
        ("echo '[]'", Code.DELEGATE_FAILED, "no CNI answer"),
        ("true", Code.DELEGATE_FAILED, "no CNI answer"),
        ("kill -9 $$", Code.DELEGATE_FAILED, "exited with -9"),
        ('echo \'{"ips": [{"address": "nonsense"}]}\'', Code.INVALID_CONFIG, "ips.0.address"),
    ],
)  # fmt: skip
def test_its_failures_are_ours_in_its_words(
    bench: Bench, script: str, code: int, words: str
) -> None:
    with pytest.raises(CniError) as caught:
        bench.write(f"cat >/dev/null; {script}").allocate(bench.request())
    assert caught.value.code == code
    assert words in str(caught.value)


def test_it_does_not_hang(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "PATIENCE", 0.2)
    with pytest.raises(CniError, match=r"not answered within 0\.2 s") as caught:
        bench.write("exec sleep 60").allocate(bench.request())
    assert caught.value.code == Code.TRY_AGAIN


def test_a_version_that_it_does_not_speak_holds_nothing_to_release(bench: Bench) -> None:
    ipam = bench.write('cat >/dev/null; echo \'{"code": 1, "msg": "incompatible"}\'; exit 1')
    ipam.release(bench.request())
    with pytest.raises(CniError, match="incompatible"):
        ipam.allocate(bench.request())


def test_a_main_plugin_is_no_ipam_plugin(bench: Bench) -> None:
    with pytest.raises(CniError, match="expected an IPAM plugin"):
        ipam_for(bench.request(ipam={"type": "rail-sriov"}))


@pytest.mark.parametrize("name", ["../sh", "a/b", "", "-x"])
def test_a_name_is_no_path(bench: Bench, name: str) -> None:
    with pytest.raises(CniError, match="expected the name"):
        ExecutedIpam(name, (str(bench.folder),))


def test_where_it_was_looked_for(bench: Bench) -> None:
    with pytest.raises(CniError, match=str(bench.folder)) as caught:
        ipam_for(bench.request(ipam={"type": "absent-ipam"}))
    assert caught.value.code == Code.INVALID_CONFIG


@pytest.mark.parametrize("ipam", [{}, None])
def test_no_ipam_is_none(bench: Bench, ipam: object) -> None:
    assert ipam_for(bench.request(ipam=ipam)) is None


@pytest.mark.parametrize(
    "ipam", ["host-local", {"subnet": "10.60.0.0/16"}, {"type": 7}, [1], [], "", 0, False]
)
def test_an_ipam_that_names_no_plugin(bench: Bench, ipam: object) -> None:
    with pytest.raises(CniError, match="ipam is"):
        ipam_for(bench.request(ipam=ipam))


def test_one_that_takes_its_time_gets_its_stdin_once(bench: Bench) -> None:
    ipam = bench.write(f"cat > {bench.folder}/stdin; sleep 0.5; echo '{json.dumps(RESULT)}'")
    assert len(ipam.allocate(bench.request()).result.ips) == 1
    assert json.loads((bench.folder / "stdin").read_text())["name"] == "roce-a"


def test_one_that_begins_late_gets_all_of_its_stdin(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "PATIENCE", 20)
    much = "x" * 200_000  # more than a pipe holds
    ipam = bench.write(f"sleep 0.5; cat > {bench.folder}/stdin; echo '{json.dumps(RESULT)}'")
    ipam.allocate(bench.request(much=much))
    assert json.loads((bench.folder / "stdin").read_text())["much"] == much


def test_an_add_that_is_not_wanted_any_more_is_ended(bench: Bench) -> None:
    bench.write("exec sleep 30")
    unwanted = ExecutedIpam("stub-ipam", (str(bench.folder),), lambda: False)
    with pytest.raises(CniError, match="the runtime waits for it no longer") as refusal:
        unwanted.allocate(bench.request())
    assert refusal.value.code == Code.TRY_AGAIN


def test_it_has_the_umask_of_a_runtime(bench: Bench) -> None:
    ipam = bench.write(f"umask > {bench.folder}/umask")
    before = os.umask(0o077)
    try:
        ipam.release(bench.request())
    finally:
        os.umask(before)
    assert (bench.folder / "umask").read_text().strip() == "0022"


def test_who_outlives_us_keeps_our_locks(bench: Bench) -> None:
    locks = Locks(bench.folder / "locks")
    ipam = bench.write(f"sleep 0.7 >/dev/null 2>&1 & echo '{json.dumps(RESULT)}'")
    with locks.container("c1"):
        ipam.allocate(bench.request())
    with locks.container("c1", 0.1):
        pass  # what outlives it in peace does not
