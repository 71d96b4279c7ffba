"""A request and what is made of the answers, with this test in the kernel's place."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from cni.kernel import netlink

ERROR, DONE = 2, 3
MULTI, INTERRUPTED, CAPPED, ACK_TLVS = 0x2, 0x10, 0x100, 0x200
REQUEST = netlink.message(18, netlink.ACK, b"what")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The asker's end and the kernel's."""
    asker, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asker, kernel:
        asker.settimeout(0.05)
        yield asker, kernel


def message(kind: int, body: bytes, flags: int = 0, sequence: int = 1) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 77) + body


def acknowledgement(number: int = 0, flags: int = CAPPED, more: bytes = b"") -> bytes:
    return message(ERROR, struct.pack("=i", -number) + REQUEST[:16] + more, flags)


def test_a_request_and_its_answer(ends: tuple[socket.socket, socket.socket]) -> None:
    asker, kernel = ends
    kernel.send(message(16, b"here"))
    kernel.send(acknowledgement())

    assert netlink.exchange(asker, REQUEST) == [b"here"]
    # length, type, REQUEST | ACK, sequence, port; body
    assert kernel.recv(100) == struct.pack("=IHHII", 20, 18, 0x5, 1, 0) + b"what"


def test_a_dump_ends_with_done(ends: tuple[socket.socket, socket.socket]) -> None:
    asker, kernel = ends
    kernel.send(message(16, b"one", MULTI) + b"\0" + message(16, b"two", MULTI))
    kernel.send(message(16, b"six", MULTI))
    kernel.send(message(DONE, struct.pack("=i", 0), MULTI))

    assert netlink.exchange(asker, REQUEST) == [b"one", b"two", b"six"]


@pytest.mark.parametrize("where", ["entry", "end"])
def test_a_dump_that_changed_meanwhile_is_an_error(
    ends: tuple[socket.socket, socket.socket], where: str
) -> None:
    asker, kernel = ends
    flags = {"entry": (MULTI | INTERRUPTED, MULTI), "end": (MULTI, MULTI | INTERRUPTED)}[where]
    kernel.send(message(16, b"one", flags[0]))
    kernel.send(message(DONE, struct.pack("=i", 0), flags[1]))

    with pytest.raises(InterruptedError):
        netlink.exchange(asker, REQUEST)


def test_answers_to_somebody_else_are_passed_over(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    asker, kernel = ends
    kernel.send(message(16, b"not ours", sequence=2))
    kernel.send(message(ERROR, struct.pack("=i", -errno.EPERM), sequence=2))
    kernel.send(acknowledgement())

    assert netlink.exchange(asker, REQUEST) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (acknowledgement(errno.EINVAL), "Invalid argument"),
        (message(DONE, struct.pack("=i", -errno.EINVAL), MULTI), "Invalid argument"),
        (
            acknowledgement(
                errno.EINVAL, CAPPED | ACK_TLVS, netlink.attribute(1, b"Device is in shared mode\0")
            ),
            "Device is in shared mode",
        ),
        (
            acknowledgement(errno.EINVAL, CAPPED | ACK_TLVS, netlink.attribute(2, b"\1\0\0\0")),
            "Invalid argument",
        ),
    ],
)
def test_a_refusal_has_the_kernels_words(
    ends: tuple[socket.socket, socket.socket], answer: bytes, words: str
) -> None:
    asker, kernel = ends
    kernel.send(answer)

    with pytest.raises(OSError, match=words) as refusal:
        netlink.exchange(asker, REQUEST)
    assert refusal.value.errno == errno.EINVAL


def test_silence_has_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(OSError, match="timed out") as refusal:
        netlink.exchange(ends[0], REQUEST)
    assert refusal.value.errno == errno.ETIMEDOUT


def test_attributes_are_padded() -> None:
    run = netlink.attribute(2, b"rxe0\0") + netlink.attribute(1, b"\5\0\0\0")

    assert run == b"\x09\0\x02\0rxe0\0\0\0\0" + b"\x08\0\x01\0\5\0\0\0"
    assert list(netlink.attributes(run)) == [(2, b"rxe0\0"), (1, b"\5\0\0\0")]


def test_an_attributes_flags_are_not_its_type() -> None:
    nested = struct.pack("=HH", 8, 0x8000 | 22) + b"\1\2\3\4"

    assert list(netlink.attributes(nested)) == [(22, b"\1\2\3\4")]


@pytest.mark.parametrize("broken", [b"", b"\x08\0", b"\0\0\x01\0\5\0\0\0"])
def test_what_is_no_attribute_ends_the_run(broken: bytes) -> None:
    assert list(netlink.attributes(netlink.attribute(1, b"good") + broken)) == [(1, b"good")]


def test_the_running_kernel_answers() -> None:
    # RTM_GETLINK of the loopback: ifinfomsg with index 1; it always has that one.
    request = netlink.message(18, netlink.ACK, struct.pack("=BxHiII", 0, 0, 1, 0, 0))
    (body,) = netlink.ask(netlink.ROUTE, request)
    assert dict(netlink.attributes(body[16:]))[3] == b"lo\0"  # IFLA_IFNAME

    nobody = netlink.message(18, netlink.ACK, struct.pack("=BxHiII", 0, 0, 99999, 0, 0))
    with pytest.raises(OSError, match="No such device"):
        netlink.ask(netlink.ROUTE, nobody)


def test_a_batch_that_is_done(ends: tuple[socket.socket, socket.socket]) -> None:
    asker, kernel = ends
    kernel.send(acknowledgement())

    netlink.commit(asker, b"begin" + REQUEST + b"end")
    assert kernel.recv(100) == b"begin" + REQUEST + b"end"


def test_of_a_batch_the_first_refusal_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    asker, kernel = ends
    for number in (0, errno.ENOENT, errno.EEXIST, 0):
        kernel.send(acknowledgement(number))

    with pytest.raises(OSError, match="No such file") as refusal:
        netlink.commit(asker, REQUEST)
    assert refusal.value.errno == errno.ENOENT


def test_a_batch_that_nothing_is_said_about(ends: tuple[socket.socket, socket.socket]) -> None:
    asker, kernel = ends
    kernel.send(message(16, b"of something else"))
    with pytest.raises(OSError, match="timed out") as refusal:
        netlink.commit(asker, REQUEST)
    assert refusal.value.errno == errno.ETIMEDOUT
