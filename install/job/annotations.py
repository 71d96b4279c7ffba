"""The annotations of a pod, as the downward API puts them into a file.

Source: Kubernetes, "Downward API"; `FormatMap` writes `key="value"` lines, quoted as Go does (%q).
"""

from __future__ import annotations

import ast

from install.job.errors import JobError, NotYetError

STATUS = "k8s.v1.cni.cncf.io/network-status"
_FORMER_STATUS = "k8s.v1.cni.cncf.io/networks-status"
"""What Multus called it before 3.7."""


def status_in(content: str) -> str:
    """Return the network-status annotation in a file.

    Args:
        content: the annotation alone (a `fieldRef` to it), or all annotations, a line each.

    Raises:
        NotYetError: it is not there.
        JobError: the file is something else.
    """
    text = content.strip()
    if text.startswith("["):
        return text
    found = dict(_line(line) for line in text.split("\n") if line.strip())
    for key in (STATUS, _FORMER_STATUS):
        if found.get(key):
            return found[key]
    raise NotYetError(f"the annotation {STATUS} is not there: is the pod attached by Multus?")


def _line(line: str) -> tuple[str, str]:
    key, equals, quoted = line.partition("=")
    try:
        # Of what Go writes between double quotes, Python means the same.
        value = ast.literal_eval(quoted) if equals else None
    except (ValueError, SyntaxError):
        value = None
    if not isinstance(value, str):
        raise JobError(
            f'{line[:60]!r} is no annotation, expected KEY="VALUE" as the downward API writes'
        )
    return key.strip(), value
