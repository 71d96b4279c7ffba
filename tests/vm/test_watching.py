"""What several guests say at once can be told apart."""

from __future__ import annotations

from tests.vm.watching import Voice


def test_each_line_is_shown_when_it_is_whole() -> None:
    voice = Voice("guest1")
    assert voice.hear(b"test_a.py ..") == b""
    assert voice.hear(b". [ 50%]\r\ntest_b.py ") == b"guest1: test_a.py ... [ 50%]\r\n"
    assert voice.hear(b"\n\n") == b"guest1: test_b.py \nguest1: \n"
