"""YAML that nobody can read is said, whatever is wrong with it."""

from __future__ import annotations

import pytest

from install.manifest.nodes import read


@pytest.mark.parametrize(
    "text",
    [
        r'a: "\UFFFFFFFF"',
        r'a: "\U00110000"',
        f"%YAML {'9' * 5000}.1\n--- a",
        "a: [b",
        "a: *b",
        "[" * 5000,
        "a: \x00",
    ],
)
def test_what_cannot_be_read_is_an_error_with_a_line(text: str) -> None:
    found = read(f"kind: Pod\n---\n{text}\n")
    assert found.error
    assert found.error.text
    assert found.error.line >= 1


def test_anchors_that_stand_for_millions_cost_nothing() -> None:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 40)]
    assert read("\n".join(lines)).error is None
