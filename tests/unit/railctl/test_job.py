"""`railctl nccl-env` and `railctl hostfile`: what they write, and how they end."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from install.railctl import app
from tests.unit.job.cluster import Cluster, serving
from tests.unit.job.jobs import STATUS, pod, status

EXPORTS = """\
export NCCL_CROSS_NIC=1
export NCCL_IB_HCA==mlx5_0:1,mlx5_1:1
export NCCL_SOCKET_IFNAME==net1,net2
export UCX_NET_DEVICES=mlx5_0:1,mlx5_1:1
"""


def run(*arguments: str, expect: int = 0, stdin: str = "") -> Result:
    result = CliRunner().invoke(app, [*arguments], input=stdin)
    assert result.exit_code == expect, result.output
    return result


def told(text: str) -> str:
    return f'other="x"\n{STATUS}={json.dumps(text)}\n'


@pytest.fixture
def podinfo(tmp_path: Path) -> Path:
    """The pod's annotations, before Multus has been there."""
    file = tmp_path / "annotations"
    file.write_text('other="x"\n', "utf-8")
    return file


def env(podinfo: Path, *options: str, expect: int = 0) -> Result:
    places = ["--annotations", str(podinfo), "--sysfs", "/nowhere", "--device-info", "/nowhere"]
    return run("nccl-env", *places, *options, expect=expect)


def test_the_variables(podinfo: Path, tmp_path: Path) -> None:
    podinfo.write_text(told(status()), "utf-8")
    options = ["--network", "roce-a", "--network", "net2"]
    shown = env(podinfo, *options).stdout
    assert shown.replace("'", "") == EXPORTS
    file = tmp_path / "nccl.env"
    file.write_text("old", "utf-8")
    assert env(podinfo, *options, "--form", "env", "--file", str(file)).stdout == ""
    assert file.read_text("utf-8") == EXPORTS.replace("export ", "")
    assert file.stat().st_mode & 0o777 == 0o644
    assert not list(tmp_path.glob(".*"))


def test_it_waits_for_multus(podinfo: Path) -> None:
    def attach() -> None:
        time.sleep(0.7)
        podinfo.write_text(told(status()), "utf-8")

    thread = threading.Thread(target=attach)
    thread.start()
    assert "net3" in env(podinfo, "--timeout", "20").stdout
    thread.join()


def test_it_does_not_wait_for_ever(podinfo: Path, tmp_path: Path) -> None:
    text = env(podinfo, "--timeout", "0.2", expect=1).stderr
    assert text.startswith(f"railctl: the annotation {STATUS} is not there")
    assert "(waited 0.2 s)" in text
    text = env(tmp_path / "absent", "--timeout", "0", expect=1).stderr
    assert "downwardAPI" in text


def test_what_it_cannot_do(podinfo: Path) -> None:
    podinfo.write_text(told(status(rdma=False)), "utf-8")
    assert "has no RDMA device" in env(podinfo, expect=1).stderr
    assert "NCCL_IB_DISABLE=1" in env(podinfo, "--sockets").stdout
    text = env(podinfo, "--sockets", "--file", "/nowhere/nccl.env", expect=1).stderr
    assert "/nowhere/nccl.env cannot be written" in text


def pods(*numbers: int) -> str:
    labels = {"job-name": "train"}
    listed = [pod(f"train-{number}-x8k2p", labels=labels) for number in numbers]
    return json.dumps({"kind": "List", "items": listed})


def test_a_hostfile_from_a_file(tmp_path: Path) -> None:
    expected = "10.60.0.98 slots=8\n"
    single = json.dumps(pod("train-0-x8k2p", json.dumps(json.loads(status(88)))))
    assert run("hostfile", "--pods", "-", stdin=single).stdout == expected
    file = tmp_path / "hosts"
    for form in ("mpi", "deepspeed"):
        source = tmp_path / "pods.json"
        source.write_text(pods(1, 0), "utf-8")
        options = ["--network", "roce-b", "--slots", "4", "--form", form, "--file", str(file)]
        run("hostfile", "--pods", str(source), *options)
        first, second = file.read_text("utf-8").splitlines()
        assert first.startswith("10.61.0.")
        assert second.endswith("slots=4")


def test_torchruns_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "train-1-x8k2p")
    options = ["hostfile", "--pods", "-", "--form", "torchrun", "--job", "train"]
    assert "--nnodes=2 --nproc-per-node=8 --node-rank=1 " in run(*options, stdin=pods(0, 1)).stdout
    shown = run(*options, "--pod", "train-0-x8k2p", "--port", "7", stdin=pods(0, 1)).stdout
    assert "--node-rank=0 " in shown
    assert ":7 --rdzv-id=train " in shown
    assert "no pod of the job" in run(*options, "--pod", "x", stdin=pods(0), expect=1).stderr


def test_a_file_without_all_ranks() -> None:
    text = run("hostfile", "--pods", "-", "--nodes", "3", stdin=pods(0, 1), expect=1).stderr
    assert text == "railctl: 2 of 3 ranks are there\n"
    assert "/nowhere" in run("hostfile", "--pods", "/nowhere", expect=1).stderr
    assert run("hostfile", "--pods", "-", stdin="[]", expect=1).stderr.startswith(
        "railctl: -: it is"
    )
    run("hostfile", expect=2)
    run("hostfile", "--job", "train", expect=2)
    assert "this is no pod" in run("hostfile", "--job", "train", "--nodes", "1", expect=1).stderr


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that this process is a pod of."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes certificates")
    made = Cluster()
    with serving(made, tmp_path) as port:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        yield made


def test_a_hostfile_from_the_api_server(cluster: Cluster, tmp_path: Path) -> None:
    labels = {"job-name": "train"}
    cluster.pods = [pod("train-1-x8k2p", None, labels=labels)]
    cluster.failures = [(503, b"")]

    def start() -> None:
        while not cluster.asked:
            time.sleep(0.05)
        cluster.pods = [pod("train-1-x8k2p", status(1), labels=labels), *cluster.pods[1:]]
        cluster.pods.append(pod("train-0-x8k2p", status(0), labels=labels))

    thread = threading.Thread(target=start)
    thread.start()
    options = ["--job", "train", "--nodes", "2", "--secrets", str(tmp_path / "secrets")]
    shown = run("hostfile", *options, "--timeout", "20").stdout
    thread.join()
    assert shown == "10.60.0.10 slots=8\n10.60.0.11 slots=8\n"
    assert len(cluster.asked) > 1

    cluster.may_list = False
    began = time.monotonic()
    assert "create rolebinding" in run("hostfile", *options, expect=1).stderr
    assert time.monotonic() - began < 5
