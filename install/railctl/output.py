"""How the commands write what they found."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum

import typer

_FOLDED = 500
"""Rows that a terminal gets folded: a table of many takes minutes to lay out."""


class Output(StrEnum):
    """The form of what a command writes."""

    TEXT = "text"
    JSON = "json"


def write(title: str, rows: Sequence[dict[str, str]], output: Output, *, empty: str) -> None:
    """Write rows that share their keys, as a table or as a JSON list.

    Args:
        title: over the table.
        rows: what was found.
        output: the form.
        empty: what to say instead of a table without rows.
    """
    if output is Output.JSON:
        typer.echo(json.dumps(list(rows)))
        return
    if not rows:
        typer.echo(empty)
        return
    if sys.stdout.isatty() and len(rows) <= _FOLDED:
        _fold(title, rows)
        return
    # A pipe gets every row on a line of its own; so does who wants more than anybody reads.
    lines = [[*rows[0]], *([*row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    typer.echo(title)
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def age(seconds: float) -> str:
    """Return a time that has passed, for a person."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def _fold(title: str, rows: Sequence[dict[str, str]]) -> None:
    """Write a table that is as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for key in rows[0]:
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    Console(highlight=False).print(table)
