"""What the verbs make of answers that no test can make a kernel give."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import pytest

from cni.kernel import netns, settling
from cni.kernel.rtnetlink import RtnetlinkNamespace
from cni.kernel.types import KernelError

T = TypeVar("T")


class Scripted(RtnetlinkNamespace):
    """A namespace whose list of links is interrupted some times."""

    def __init__(self, interruptions: int) -> None:
        super().__init__("/run/netns/scripted")
        self._interruptions = interruptions

    def descriptor(self) -> AbstractContextManager[int]:
        return nullcontext(-1)

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        del apart
        return work()

    def _ask(self, request: bytes, *, strictly: bool) -> list[bytes]:
        del request, strictly
        if self._interruptions:
            self._interruptions -= 1
            raise InterruptedError(errno.EINTR, "the table changed while it was read")
        return []


def test_an_interrupted_dump_is_read_again() -> None:
    assert Scripted(2).links() == []


def test_a_table_that_never_comes_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "_PATIENCE", 0.05)
    with pytest.raises(KernelError, match="kept changing") as refusal:
        Scripted(10_000).links()
    assert refusal.value.errno == errno.EAGAIN


class BeforeAltnames(Scripted):
    """A namespace of a kernel that takes a question by an altname for one without a name."""

    def _ask(self, request: bytes, *, strictly: bool) -> list[bytes]:
        del request, strictly
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_kernel_without_altnames_has_no_link_of_a_longer_name() -> None:
    assert BeforeAltnames(0).find("enp131s0f1npf0vf22") is None
    with pytest.raises(KernelError):
        BeforeAltnames(0).find("ens1")


def test_mount_points_are_unescaped(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tmp_path / "mountinfo"
    lines.write_text(
        r"""
25 1 0:22 / /run rw,nosuid shared:5 - tmpfs tmpfs rw
301 25 0:4 net:[4026532177] /run/netns/a\040pod rw shared:9 - nsfs nsfs rw
302 25 0:4 mnt:[4026532178] /run/snapd/ns/x.mnt rw - nsfs nsfs rw
""".lstrip(),
        encoding="ascii",
    )
    monkeypatch.setattr(netns, "MOUNTS", lines)
    monkeypatch.setattr(netns, "PROC", tmp_path)
    monkeypatch.setattr(netns, "_is_at", lambda *_: True)

    found: Iterator[str] = netns.reachable()
    assert list(found) == ["/run/netns/a pod"]
