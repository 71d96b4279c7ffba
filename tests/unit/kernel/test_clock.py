"""The running kernel's clock: asked, never set."""

from __future__ import annotations

from cni.kernel.clock import clock


def test_what_the_kernel_reckons_of_its_clock() -> None:
    # NTP_PHASE_LIMIT: where nobody corrects it, the kernel stops reckoning at 16 s.
    assert 0 <= clock().error <= 16
