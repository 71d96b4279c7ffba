"""A bundle on a host with another C library than this machine's, or with none.

It is installed there by `dist/bin/rail-install`, as a person does who has unpacked dist/.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cni import programs
from tests.spec.agent import running
from tests.spec.node import Node
from tests.spec.other_host import busybox_root, inside, older_root
from tests.spec.runtime import NOTHING, Runtime, Slot, rail

pytestmark = pytest.mark.netns

LIBRARIES = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libssl.so.3", "libz.so.1")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that both hosts see by the same path."""
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def dist(bundle: Path, work: Path) -> Path:
    """What is unpacked on a host."""
    return Path(shutil.copytree(bundle.parent, work / "dist", symlinks=True))


@pytest.fixture(scope="module", params=["no C library", "an older one"])
def host(request: pytest.FixtureRequest, work: Path) -> Path:
    """The root of a host on which what was built here does not run by itself."""
    return busybox_root(work) if request.param == "no C library" else older_root()


@pytest.fixture(scope="module")
def installed(host: Path, dist: Path, work: Path) -> Path:
    """The CNI folder of that host, where rail-install has put the bundle from there."""
    of = work / f"{host.name}-node"
    folder = of / "bin"
    folder.mkdir(parents=True)
    done = start(
        host, work, dist / "bin/rail-install", "once", "--host",
        "--cni-bin", str(folder), "--cni-conf", str(of / "net.d"),
        env=folders(of) | {"LD_LIBRARY_PATH": "/usr/lib/gpu"},
        mounts=("the kernel",),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def folders(of: Path) -> dict[str, str]:
    """Return what moves everything that is kept into a folder."""
    return {
        "RAILCNI_STATE_DIR": str(of / "state"),
        "RAILCNI_CONFIG_DIR": str(of / "config"),
        "RAILCNI_LOG_DIR": str(of / "log"),
    }


@pytest.fixture
def elsewhere(host: Path, installed: Path, work: Path, node: Node) -> Iterator[Runtime]:
    """A container runtime of that host."""
    folder = work / node.name
    folder.mkdir()
    yield Runtime(
        node, folder / "state", path=(installed,), wrapper=inside(host, work, "the kernel"),
        environ=folders(folder),
    )  # fmt: skip
    shutil.rmtree(folder)


def comes_and_goes(node: Node, runtime: Runtime) -> None:
    """Attach a pod, see that it has its rail, and detach it."""
    pod, config = node.pod(), rail(node.device())
    before = node.links()
    added = runtime.add(config, Slot(pod.path))
    assert pod.addresses("net1") == added.addresses
    assert pod.link("net1")["mtu"] == 9000
    assert runtime.check(config, Slot(pod.path), added).exit_code == 0
    assert runtime.delete(config, Slot(pod.path)).exit_code == 0
    assert runtime.leftovers(pod) == NOTHING
    assert node.links() == before


def test_version_needs_nothing_of_the_host_not_even_proc(
    host: Path, installed: Path, work: Path
) -> None:
    for name in programs.PLUGINS:
        done = start(host, work, installed / name, env={"CNI_COMMAND": "VERSION"})
        assert (done.returncode, done.stderr) == (0, "")
        assert '"supportedVersions"' in done.stdout


def test_a_pod_comes_and_goes(elsewhere: Runtime, node: Node) -> None:
    comes_and_goes(node, elsewhere)


def test_a_pod_comes_and_goes_with_an_agent_of_that_host(elsewhere: Runtime, node: Node) -> None:
    with running(elsewhere, elsewhere.state.parent, wrapper=elsewhere.wrapper) as agent:
        comes_and_goes(node, elsewhere)
        assert len(agent.served()) == 3
        assert "railcni_" in agent.page()


def test_libraries_that_the_runtime_has_in_its_environment_are_not_taken(
    elsewhere: Runtime, node: Node
) -> None:
    """MicroK8s' containerd, for one, has an `LD_LIBRARY_PATH`."""
    folder = elsewhere.state.parent / "snap"
    folder.mkdir()
    for name in LIBRARIES:
        (folder / name).write_text("no library")
    spoilt = ("env", f"LD_LIBRARY_PATH={folder}", "LC_ALL=de_DE.ISO-8859-1")
    comes_and_goes(node, replace(elsewhere, wrapper=(*elsewhere.wrapper, *spoilt)))


def test_a_delegate_is_loaded_by_the_hosts_own_loader(elsewhere: Runtime, node: Node) -> None:
    """It would not even start with the bundle's C library."""
    folder = elsewhere.state.parent / "delegates"
    folder.mkdir()
    answer = '{"cniVersion": "1.0.0", "ips": [{"address": "10.60.7.7/16"}]}'
    delegate = folder / "answers"
    delegate.write_text(f"#!/bin/sh\n[ $CNI_COMMAND != ADD ] || echo '{answer}' | env cat\n")
    delegate.chmod(0o755)
    runtime = replace(elsewhere, path=(*elsewhere.path, folder))
    config: dict[str, Any] = rail(node.device(), cniVersion="1.0.0", ipam={"type": "answers"})
    pod = node.pod()
    assert runtime.add(config, Slot(pod.path)).addresses == ["10.60.7.7/16"]
    assert runtime.delete(config, Slot(pod.path)).exit_code == 0


def test_what_is_not_installed_says_what_the_host_lacks(dist: Path, work: Path) -> None:
    done = start(older_root(), work, dist / "bin/railctl", "version", env={})
    assert done.returncode != 0
    assert "version `GLIBC_" in done.stderr


def start(
    host: Path,
    work: Path,
    program: Path,
    *arguments: str,
    env: Mapping[str, str],
    mounts: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a program on a host with this environment and no other."""
    variables = [f"{name}={value}" for name, value in env.items()]
    return subprocess.run(
        [*inside(host, work, *mounts), "env", "-i", *variables, str(program), *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
