"""What a run amounted to, for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tests.chaos.history import Death, Deed, Entry, Request

_VARIABLE = re.compile(r"\d+(\.\d+)?|http\S+|\[.*?\]")
_LONGEST = 90


def figures(history: Sequence[Entry]) -> str:
    """Return the numbers, a line for each kind."""
    requests = [entry for entry in history if isinstance(entry, Request)]
    deeds = Counter(entry.what for entry in history if isinstance(entry, Deed))
    lost = [entry for entry in history if isinstance(entry, Deed) and entry.what == "node lose"]
    lines = [
        f"pods: {len({one.container for one in requests})}",
        f"deaths of machines: {sum(isinstance(entry, Death) for entry in history)}",
        *(_verb(verb, [one for one in requests if one.verb == verb]) for verb in ("ADD", "DEL")),
        "disasters: " + ", ".join(f"{what} {count}" for what, count in sorted(deeds.items())),
        "lost journals had " + (", ".join(entry.detail for entry in lost) or "nothing to tell"),
    ]
    refusals = Counter(_kind(one.message) for one in requests if one.code)
    lines += [f"refused {count}: {kind}" for kind, count in refusals.most_common(12)]
    return "\n".join(lines)


def _verb(verb: str, requests: Sequence[Request]) -> str:
    codes = Counter("no answer" if one.code is None else str(one.code) for one in requests)
    times = sorted(one.seconds for one in requests if one.code is not None) or [0.0]
    p50, p99 = (times[int(len(times) * part)] for part in (0.5, 0.99))
    came = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    return (
        f"{verb}: {len(requests)} ({came}); "
        f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, max {times[-1]:.2f} s"
    )


def _kind(message: str) -> str:
    return _VARIABLE.sub("#", message)[:_LONGEST]
