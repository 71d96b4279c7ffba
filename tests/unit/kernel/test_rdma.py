"""RDMA's messages, and what is made of a kernel without RDMA.

The requests are those of iproute2's `rdma` 6.1, as they left it: it was given a socket whose other
end answered in the kernel's place, with one device of index 5.  `ANSWER` is what it then showed as
`5: mlx5_3: … node_guid 5054:00ff:feaa:0001`, and `EXCLUSIVE` as `netns exclusive`.
"""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from cni.kernel import netlink, rdma
from cni.kernel.functions import RdmaDevice
from cni.kernel.linux import LinuxKernel
from cni.kernel.types import KernelError

SEQUENCE = slice(8, 12)

ANSWER = bytes.fromhex(
    "0800010005000000 0b0002006d6c78355f330000 0800030001000000 0c0006000100aafeff005450"
)
EXCLUSIVE, SHARED = bytes.fromhex("0500420000000000"), bytes.fromhex("0500420001000000")


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose RDMA core is loaded."""
    monkeypatch.setattr(rdma, "_CLASS", tmp_path)


def answers(monkeypatch: pytest.MonkeyPatch, *bodies: bytes, refusal: int = 0) -> list[bytes]:
    """Let netlink answer this; return where the requests go."""
    requests: list[bytes] = []

    def ask(protocol: int, request: bytes) -> list[bytes]:
        assert protocol == 20  # NETLINK_RDMA
        requests.append(request)
        if refusal:
            raise OSError(refusal, os.strerror(refusal))
        return list(bodies)

    monkeypatch.setattr(netlink, "ask", ask)
    return requests


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (rdma.DEVICES_REQUEST, "10000000 0114 0503 e966036b 00000000"),
        (rdma.MODE_REQUEST, "10000000 0614 0500 e966036b 00000000"),
        (
            rdma.rename_request(5, "rdma0"),
            "24000000 0214 0500 e966036b 00000000 08000100 05000000 0a000200 72646d6130000000",
        ),
        (
            rdma.move_request(5, 3),
            "20000000 0214 0500 e966036b 00000000 08000100 05000000 08004400 03000000",
        ),
    ],
)
def test_a_request_is_what_rdma_sends(asked: bytes, sent: str) -> None:
    expected = bytearray.fromhex(sent)
    expected[SEQUENCE] = struct.pack("=I", 1)  # its sequence is the time

    assert asked == expected


@pytest.mark.usefixtures("loaded")
def test_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = answers(monkeypatch, ANSWER, ANSWER.replace(b"mlx5_3", b"mlx5_4"))

    assert rdma.devices() == [
        RdmaDevice(5, "mlx5_3", "5054:00ff:feaa:0001"),
        RdmaDevice(5, "mlx5_4", "5054:00ff:feaa:0001"),
    ]
    assert requests == [rdma.DEVICES_REQUEST]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("bodies", "exclusive"), [([EXCLUSIVE], True), ([SHARED], False), ([b""], False), ([], False)]
)
def test_the_mode(
    monkeypatch: pytest.MonkeyPatch,
    bodies: list[bytes],
    exclusive: bool,  # noqa: FBT001 - a table's column
) -> None:
    answers(monkeypatch, *bodies)

    assert rdma.is_exclusive() is exclusive


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("refusal", [errno.EPROTONOSUPPORT, errno.ECONNREFUSED])
def test_a_namespace_without_rdma(monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    answers(monkeypatch, refusal=refusal)

    assert rdma.devices() == []
    assert not rdma.is_exclusive()


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_kernel_that_does_not_know_the_mode_shares(
    monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    answers(monkeypatch, refusal=refusal)

    assert not rdma.is_exclusive()
    with pytest.raises(OSError, match=r"\[Errno"):
        rdma.devices()


def test_asking_does_not_load_the_rdma_core(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rdma, "_CLASS", tmp_path / "infiniband")
    requests = answers(monkeypatch, ANSWER)

    assert rdma.devices() == []
    assert not rdma.is_exclusive()
    assert requests == []


@pytest.mark.usefixtures("loaded")
def test_a_refused_renaming_says_which_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: int, request: bytes) -> list[bytes]:
        if request == rdma.DEVICES_REQUEST:
            return [ANSWER]
        raise OSError(errno.EEXIST, "File exists")

    monkeypatch.setattr(netlink, "ask", ask)
    with pytest.raises(KernelError, match="rdma dev set mlx5_3 name rdma0: File exists"):
        LinuxKernel().host.rename_rdma(5, "rdma0")
    with pytest.raises(KernelError, match="rdma dev set index6 netns /proc/self/ns/net: File"):
        LinuxKernel().host.move_rdma(6, LinuxKernel().host)
