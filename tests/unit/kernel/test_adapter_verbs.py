"""To ask whether a link is a radio loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cni.kernel import adapter_verbs, netlink
from cni.kernel.linux import LinuxKernel

if TYPE_CHECKING:
    import pytest


def test_a_kernel_without_cfg80211_is_not_even_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(protocol: int) -> None:
        raise AssertionError(f"a socket of {protocol}, which would load the module")

    monkeypatch.setattr(adapter_verbs, "_CLASS", tmp_path / "ieee80211")
    monkeypatch.setattr(netlink, "open_asker", refuse)
    assert LinuxKernel().host.radio(1) is None
