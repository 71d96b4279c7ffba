"""What we ask for RDMA is what the `rdma` tool asks, byte by byte.

It is strace that looks: the kernel's netlink monitor shows nothing of RDMA's protocol.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterator

import pytest

from cni.kernel import rdma
from cni.kernel.linux import LinuxKernel

_DUMPED = re.compile(r" \| [0-9a-f]{5}  ([0-9a-f ]{48})")
_SEQUENCE = slice(8, 12)


def asked_by_tool(*words: str) -> list[bytes]:
    """Return the messages that `rdma` sends, with our sequence number."""
    strace = ["strace", "-qq", "-e", "trace=sendto", "-e", "write=all", "-e", "signal=none"]
    done = subprocess.run([*strace, "rdma", *words], check=False, capture_output=True, text=True)
    messages: list[bytearray] = []
    for line in done.stderr.splitlines():
        if line.startswith("sendto("):
            messages.append(bytearray())
        elif dumped := _DUMPED.match(line):
            messages[-1] += bytes.fromhex(dumped[1])
    for message in messages:
        message[_SEQUENCE] = rdma.MODE_REQUEST[_SEQUENCE]
    return [bytes(message) for message in messages]


@pytest.fixture
def index() -> Iterator[int]:
    """The index of a soft RoCE device, `rxe7`."""
    subprocess.run(["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"], check=True)
    subprocess.run(["rdma", "link", "add", "rxe7", "type", "rxe", "netdev", "va"], check=True)
    yield next(device.index for device in rdma.devices() if device.name == "rxe7")
    subprocess.run(["rdma", "link", "delete", "rxe7"], check=True)
    subprocess.run(["ip", "link", "delete", "va"], check=True)


def test_what_there_is() -> None:
    assert asked_by_tool("dev", "show")[0] == rdma.DEVICES_REQUEST
    assert asked_by_tool("system", "show")[-1] == rdma.MODE_REQUEST


def test_a_renaming(index: int) -> None:
    (_, asked) = asked_by_tool("dev", "set", "rxe7", "name", "rxe8")
    assert asked == rdma.rename_request(index, "rxe8")
    assert "rxe8" in {device.name for device in rdma.devices()}

    LinuxKernel().host.rename_rdma(index, "rxe7")
    assert "rxe7" in {device.name for device in rdma.devices()}


def test_a_move(index: int) -> None:
    subprocess.run(["ip", "netns", "add", "rdma7"], check=True)
    (_, asked) = asked_by_tool("dev", "set", "rxe7", "netns", "rdma7")
    subprocess.run(["ip", "netns", "delete", "rdma7"], check=True)
    (descriptor,) = struct.unpack("=I", asked[-4:])

    assert asked == rdma.move_request(index, descriptor)
