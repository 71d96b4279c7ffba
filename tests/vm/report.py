"""What pytest found in the guest, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

_VERDICTS = {"failure": "failed", "error": "failed", "skipped": "skipped"}
_MESSAGE_LENGTH = 300


def summary(junits: Iterable[Path]) -> Iterator[str]:
    """Yield a line per test that failed or was skipped, and one with the numbers.

    Args:
        junits: pytest's reports of different tests.
    """
    roots = [ET.parse(junit).getroot() for junit in junits]  # noqa: S314 - our own pytest's
    cases = [case for root in roots for case in root.iter("testcase")]
    numbers = dict.fromkeys(("failed", "skipped", "passed"), 0)
    for case in cases:
        told = [child for child in case if child.tag in _VERDICTS]
        for child in told:
            message = " ".join((child.get("message") or "").split())
            name = f"{case.get('classname')}::{case.get('name')}"
            yield f"{_VERDICTS[child.tag]}: {name}: {message[:_MESSAGE_LENGTH]}"
        # A test that has failed may fail again as it is cleaned up after.
        numbers[min((_VERDICTS[child.tag] for child in told), default="passed")] += 1
    seconds = sum(float(case.get("time") or 0) for case in cases)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in numbers.items() if count)
    yield f"{counted or 'no test ended'}, {seconds:.0f} s in tests"
