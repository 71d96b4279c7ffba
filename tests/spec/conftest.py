"""Everything here drives the frozen programs on the running kernel, as a container runtime does."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.image.identity import identify
from deploy.image.recipe import Built, build
from tests.spec.agent import running
from tests.spec.containerd import BUSYBOX
from tests.spec.multus import daemon_set
from tests.spec.node import Node, delete_abandoned
from tests.spec.runtime import DEBIANS, PROGRAMS, ROOT, Runtime


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The folder of the frozen programs."""
    if not (PROGRAMS / "rail-sriov").exists():
        pytest.fail(f"{PROGRAMS} has no programs: make build")
    return PROGRAMS


@pytest.fixture(scope="session", autouse=True)
def _signals() -> None:
    """Programs inherit which signals are ignored, and `nohup make test` ignores some."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _clean_machine() -> None:
    """What a killed test run left is removed."""
    delete_abandoned()


@pytest.fixture(scope="session")
def cnitool_program() -> str:
    """The reference runtime; in CI no test is skipped for want of it."""
    program = shutil.which("cnitool")
    if program is None:
        missing = "no cnitool on PATH: make cnitool"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return program


@pytest.fixture
def node() -> Iterator[Node]:
    """A node of our own."""
    made = Node()
    try:
        yield made
    finally:
        made.delete()


@pytest.fixture
def plain_runtime(bundle: Path, node: Node, tmp_path: Path) -> Runtime:
    """A container runtime on that node, where each plugin does its work by itself."""
    return Runtime(
        node, tmp_path / "state", path=(bundle, DEBIANS),
        environ={"RAILCNI_CONFIG_DIR": str(tmp_path / "config"),
                 "RAILCNI_LOG_DIR": str(tmp_path / "log")},
    )  # fmt: skip


@pytest.fixture(params=["alone", "with agent"])
def runtime(
    request: pytest.FixtureRequest, plain_runtime: Runtime, tmp_path: Path
) -> Iterator[Runtime]:
    """The same, once alone and once with an agent: there must be no difference (invariant 9)."""
    if request.param == "alone":
        yield plain_runtime
        return
    with running(plain_runtime, tmp_path):
        yield plain_runtime


@pytest.fixture(scope="session")
def containerd() -> None:
    """A container runtime, and what its pods sleep with."""
    if shutil.which("containerd") and shutil.which("ctr") and BUSYBOX.exists():
        return
    _want("no containerd, or no busybox-static: make test-packages")


@pytest.fixture(scope="session")
def multus_programs(containerd: None, bundle: Path) -> Path:  # noqa: ARG001 - they must be there
    """What Multus installs, for nodes with a container runtime."""
    if not (daemon_set.PROGRAMS / "multus").exists():
        _want(f"no Multus in {daemon_set.PROGRAMS}: make multus")
    return daemon_set.PROGRAMS


@pytest.fixture(scope="session")
def image(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The image of the frozen programs."""
    if not shutil.which("buildah"):
        _want("no buildah: make test-packages")
    identity = identify(ROOT, {"SOURCE_DATE_EPOCH": "0"})
    return build(bundle.parent / "railcni", identity, tmp_path_factory.mktemp("image"))


def _want(missing: str) -> NoReturn:
    """In CI no test is skipped for want of a program."""
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
