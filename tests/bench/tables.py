"""How the findings are shown."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from tests.bench.figures import Figure
from tests.bench.pairs import Comparison

_LEFT = frozenset({"what", "side", "figure"})


def comparisons(found: Iterable[Comparison]) -> Table:
    """Return a table of pairs, two lines each."""
    table = _table(
        "wall time in milliseconds, of whole processes unless it says otherwise",
        ("what", "side", "median", "p95", "ratio", "target"),
    )
    for each in found:
        wanted = f"≤ {each.target:g}" if each.target else ""
        missed = each.target is not None and each.ratio > each.target
        for series, subject, ratio, target in (
            (each.ours, each.subject, f"{each.ratio:.2f}", wanted),
            (each.theirs, "", "", ""),
        ):
            style = "red" if missed and ratio else ""
            table.add_row(
                subject, series.name, f"{series.median:.1f}", f"{series.p95:.1f}", ratio, target,
                style=style, end_section=not ratio,
            )  # fmt: skip
    return table


def figures(found: Iterable[Figure]) -> Table:
    """Return a table of single numbers."""
    table = _table("the agent in figures", ("what", "figure", "value", "target"))
    subject = ""
    for each in found:
        if each.subject != subject:
            table.add_section()
        table.add_row(
            each.subject if each.subject != subject else "", each.name,
            f"{each.value:.4g} {each.unit}".rstrip(),
            "" if each.target is None else f"≤ {each.target:g}",
            style="red" if each.is_missed else "",
        )  # fmt: skip
        subject = each.subject
    return table


def _table(title: str, headings: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _LEFT else "right")
    return table
