"""Asking a PF whose VF is starting anew."""

from __future__ import annotations

import errno

import pytest

from cni.kernel import function_verbs, netlink
from cni.kernel.functions import VfSettings
from cni.kernel.linux import LinuxKernel
from cni.kernel.types import KernelError


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_verbs, "_VF_PATIENCE", 0.05)
    monkeypatch.setattr(function_verbs, "_VF_PAUSE", 0.001)


def answering(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> list[bytes]:
    """Let the kernel answer one errno after the other, and then the last one for ever."""
    asked: list[bytes] = []

    def ask(_: int, request: bytes) -> list[bytes]:
        asked.append(request)
        number = numbers[min(len(asked), len(numbers)) - 1]
        if number:
            raise OSError(number, "not now")
        return []

    monkeypatch.setattr(netlink, "ask", ask)
    monkeypatch.setattr(LinuxKernel().host.__class__, "_name", lambda *_: "ens1f0")
    return asked


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EBUSY])
def test_it_is_asked_again(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    asked = answering(monkeypatch, number, number, 0)
    LinuxKernel().host.set_vf(2, 0, VfSettings(trust=True))
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, errno.EBUSY)
    with pytest.raises(KernelError, match="ip link set dev ens1f0 vf 0 trust on: not now"):
        LinuxKernel().host.set_vf(2, 0, VfSettings(trust=True))
    assert len(asked) > 3


def test_what_is_refused_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, errno.EOPNOTSUPP)
    with pytest.raises(KernelError):
        LinuxKernel().host.set_vf(2, 0, VfSettings(trust=True))
    assert len(asked) == 1
