"""What an expression is about."""

from __future__ import annotations

import re

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_METRICS = re.compile(r"\b(?:railcni_\w+|process_\w+|up|ALERTS)\b(?!:)")
_RECORDED = re.compile(r"\b\w+:railcni_\w+:\w+")


def recorded(expression: str) -> set[str]:
    """Return the names of recording rules that an expression uses."""
    return set(_RECORDED.findall(_STRINGS.sub("", expression)))


def metrics(expression: str) -> set[str]:
    """Return the names of the other metrics that it uses."""
    return set(_METRICS.findall(_RECORDED.sub("", _STRINGS.sub("", expression))))
