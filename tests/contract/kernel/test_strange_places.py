"""Paths and mounts that the running kernel has, and nobody expects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from cni.kernel.types import NetnsGoneError
from tests.contract.kernel.worlds import HOST, LinuxWorld

pytestmark = pytest.mark.netns


def test_a_pipe_in_the_place_of_a_namespace_holds_nobody_up(
    linux: LinuxWorld, tmp_path: Path
) -> None:
    pipe = tmp_path / "netns"
    os.mkfifo(pipe)
    rescue = Timer(2, lambda: os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK)))
    rescue.start()
    with pytest.raises(NetnsGoneError), linux.kernel.open(str(pipe)):
        pass
    assert rescue.is_alive()
    rescue.cancel()


def test_where_mounts_are_shared_ours_stay_with_us(linux: LinuxWorld) -> None:
    name, _ = linux.veth(HOST)
    script = f"""
from cni.kernel.linux import LinuxKernel
kernel = LinuxKernel()
before = open("/proc/self/mountinfo").read()
kernel.host.set_sysctl("ipv4/conf/{name}/rp_filter", "2")
assert kernel.host.sysctl("ipv4/conf/{name}/rp_filter") == "2"
assert before == open("/proc/self/mountinfo").read()
"""
    lock = (
        "mount --make-rshared / && mount --bind /proc/sys /proc/sys "
        "&& mount -o remount,bind,ro /proc/sys && exec"
    )
    subprocess.run(
        ["unshare", "--mount", "--propagation", "private",
         "sh", "-c", f'{lock} "$0" -c "$1"', sys.executable, script],
        check=True,
        timeout=20,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
    )  # fmt: skip
