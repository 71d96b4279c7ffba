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


def test_a_namespace_whose_mount_is_covered_is_found_by_its_process(tmp_path: Path) -> None:
    script = f"""
import os, subprocess
from cni.agent import sight
from cni.kernel.linux import LinuxKernel
place = "{tmp_path}"
subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
open(place + "/pod", "w").close()
with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 20"], stdout=-1) as pod:
    pod.stdout.readline()
    namespace = f"/proc/{{pod.pid}}/ns/net"
    inode = os.stat(namespace).st_ino
    subprocess.run(["mount", "--bind", namespace, place + "/pod"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    seen = {{each.inode for each in sight.present(LinuxKernel())}}
    pod.kill()
assert inode in seen
"""
    subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", script], check=True, timeout=30,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
    )  # fmt: skip


def test_only_the_kernel_answers(linux: LinuxWorld) -> None:
    """A pod with CAP_NET_ADMIN can send netlink messages to whoever asks in its namespace."""
    script = f"""
import contextlib, socket, struct
from cni.kernel import netlink
forged = netlink.message(16, 0, struct.pack("=BxHiII", 0, 1, 7, 1, 0))
end = netlink.message(3, 0, bytes(4))
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.ROUTE) as forger:
    print("ready", flush=True)
    while True:
        with contextlib.suppress(OSError):
            forger.sendto(forged + end, ({os.getpid()}, 0))
"""
    environ = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environ, stdout=subprocess.PIPE
    ) as forger:
        try:
            assert forger.stdout is not None
            assert forger.stdout.readline() == b"ready\n"
            for _ in range(3000):
                assert "lo" in {link.name for link in linux.kernel.host.links()}
        finally:
            forger.kill()
