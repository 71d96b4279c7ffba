"""What the verbs make of answers that no test can make a kernel give."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from cni.kernel import netns
from cni.kernel.rtnetlink import RtnetlinkNamespace
from cni.kernel.types import KernelError

NLM_F_DUMP_INTR = 0x10

T = TypeVar("T")


class Scripted(RtnetlinkNamespace):
    """A namespace whose list of links is interrupted some times."""

    def __init__(self, interruptions: int) -> None:
        super().__init__("/run/netns/scripted")
        self.dumps = [[message(NLM_F_DUMP_INTR)]] * interruptions + [[message(0)]]

    def descriptor(self) -> AbstractContextManager[int]:
        return nullcontext(-1)

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        del apart
        return work()

    def _call(self, request: Callable[[Any], T]) -> T:
        return request(SimpleNamespace(link=lambda *_, **__: self.dumps.pop(0)))


class _Message(dict[str, Any]):
    def get_attr(self, name: str, default: Any = None) -> Any:
        return self["attrs"].get(name, default)


def message(flags: int) -> _Message:
    attributes = {"IFLA_IFNAME": "net1", "IFLA_MTU": 9000, "IFLA_ADDRESS": "00:01:02:03"}
    header = {"flags": flags}
    return _Message(header=header, index=7, ifi_type=768, flags=1, attrs=attributes)


def test_an_interrupted_dump_is_read_again() -> None:
    (link,) = Scripted(2).links()

    assert (link.index, link.name, link.mtu, link.up) == (7, "net1", 9000, True)


def test_a_table_that_never_comes_to_rest() -> None:
    with pytest.raises(KernelError, match="kept changing") as refusal:
        Scripted(100).links()
    assert refusal.value.errno == errno.EAGAIN


def test_a_tunnels_address_is_no_mac() -> None:
    (link,) = Scripted(0).links()

    assert link.mac == ""


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

    found: Iterator[str] = netns.reachable()
    assert list(found) == ["/run/netns/a pod"]
