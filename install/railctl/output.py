"""How the commands write what they found."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum

import typer

_UNFOLDED = 1000


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
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for key in rows[0]:
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    # A narrow terminal folds; a pipe gets every row on a line of its own.
    width = None if sys.stdout.isatty() else _UNFOLDED
    Console(highlight=False, width=width).print(table)
