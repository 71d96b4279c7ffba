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


def plain(text: str) -> str:
    r"""Return a text in which nothing is left that a terminal would obey.

    Names come from other nodes, files and archives: an escape is written as `\x1b`.
    """
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def say(text: str, *, err: bool = False) -> None:
    """Write a text for a person: to stdout, or to stderr."""
    typer.echo(plain(text), err=err)


def write(title: str, rows: Sequence[dict[str, str]], output: Output, *, empty: str) -> None:
    """Write rows that share their keys, as a table or as a JSON list.

    Args:
        title: over the table.
        rows: what was found.
        output: the form.
        empty: what to say instead of a table without rows.
    """
    if output is Output.JSON:
        say(json.dumps(list(rows)))
        return
    if not rows:
        say(empty)
        return
    rows = [{key: plain(cell) for key, cell in row.items()} for row in rows]
    if sys.stdout.isatty() and len(rows) <= _FOLDED:
        _fold(title, rows)
        return
    # A pipe gets every row on a line of its own; so does who wants more than anybody reads.
    lines = [[*rows[0]], *([*row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    say(title)
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())


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
    Console(highlight=False, markup=False).print(table)
