"""`railctl ipam map`."""

from __future__ import annotations

import json
import string
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from install.railctl.ipam.cluster import cluster, explained, progress, wiring
from install.railctl.ipam.rows import chosen
from install.railctl.output import Output, plain, say

if TYPE_CHECKING:
    from rich.text import Text

    from ipam.definition import Definition
    from ipam.ranges import Span
    from ipam.registry.overview import Census, Overview

_CELLS = 64
"""Blocks in a line: with the address in front of them, a line has at most 80 columns."""
_LABEL = 15
_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_REST = "+"
"""Stands for all nodes for which there is no letter left."""
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red")
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Cell:
    """A block that a node owns."""

    span: Span
    node: str
    held: int
    usable: int
    """Slots that it can give out."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A fabric's blocks."""

    definition: Definition
    cells: tuple[Cell, ...]
    resting: frozenset[int]
    """First slots of blocks that were reclaimed a moment ago."""
    census: Census

    @property
    def nodes(self) -> list[str]:
        """The owners, those with the most blocks first."""
        count = Counter(cell.node for cell in self.cells)
        return sorted(count, key=lambda node: (-count[node], node))


def draw(
    fabric: Annotated[str, typer.Option(help="Draw only this fabric.")] = "",
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Draw which node owns which block of a fabric, and how full the blocks are."""
    with explained(), cluster(wiring()) as joined, progress("reading the registry") as noted:
        overview = joined.overview(noted)
        census, fabrics = overview.census(), chosen(overview.fabrics(), fabric)
        pictures = [_picture(overview, each.definition, census) for each in fabrics.values()]
    if output is Output.JSON:
        found = {"revision": overview.revision, "at": overview.read_at}
        say(json.dumps(found | {"fabrics": [_document(each) for each in pictures]}))
        return
    for picture in pictures:
        _print(picture)
    if not pictures:
        say("the registry knows no fabric: the first node that needs a block writes it")
    say(f"as of revision {overview.revision}, {overview.read_at}")


def _picture(overview: Overview, definition: Definition, census: Census) -> Picture:
    from ipam.registry.overview import span_of

    slots = sorted(overview.claimed(definition.name))
    cells = [
        Cell(
            span := span_of(block),
            block.record.node,
            bisect_right(slots, span.last) - bisect_right(slots, span.first - 1),
            _usable(definition, span),
        )
        for block in overview.blocks(definition.name)
    ]
    return Picture(definition, tuple(cells), frozenset(overview.resting(definition.name)), census)


def _usable(definition: Definition, span: Span) -> int:
    from ipam.ranges import intersect

    return sum(run.last - run.first + 1 for run in intersect(definition.usable, (span,)))


def lines(picture: Picture) -> Iterator[tuple[str, list[Cell | str]]]:
    """Yield each line's label and its places: an owned block's cell, or a sign.

    Lines in which nobody owns anything are told of in one line with their number.
    """
    definition, size = picture.definition, picture.definition.block_size
    cells = {cell.span.first // size: cell for cell in picture.cells}
    marked = {slot // size for slot in picture.resting} | cells.keys()
    before = 0
    for line in sorted({place // _CELLS for place in marked}):
        if line > before:
            yield _skipped(line - before), []
        first = line * _CELLS
        places = range(first, min(first + _CELLS, definition.block_count))
        yield (
            _label(definition, first),
            [cells.get(place) or _sign(picture, place) for place in places],
        )
        before = line + 1
    rest = -(-definition.block_count // _CELLS) - before
    if rest:
        yield _skipped(rest), []


def _skipped(number: int) -> str:
    return f"… {number * _CELLS} blocks that nobody owns"


def _sign(picture: Picture, place: int) -> str:
    span = picture.definition.block_at(place)
    if span.first in picture.resting:
        return "~"
    return "·" if picture.definition.has_room(span) else " "


def _label(definition: Definition, place: int) -> str:
    """Return the address that a line begins with, or its slot where that is too long."""
    slot = definition.block_at(place).first
    address = str(definition.rails[0].subnets[0].network_address + slot)
    return address if len(address) <= _LABEL else str(slot)


def _signs(nodes: Sequence[str]) -> dict[str, str]:
    return {node: _LETTERS[at] if at < len(_LETTERS) else _REST for at, node in enumerate(nodes)}


def _print(picture: Picture) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True, no_color=not sys.stdout.isatty())
    signs = _signs(picture.nodes)
    styles = {node: _COLOURS[at % len(_COLOURS)] for at, node in enumerate(picture.nodes)}
    for label, places in lines(picture):
        line = Text(label.ljust(_LABEL + 1) if places else label)
        for place in places:
            if isinstance(place, str):
                line.append(place, style="dim")
            else:
                line.append(signs[place.node], style=f"{styles[place.node]} {_shade(place)}")
        line.rstrip()
        console.print(line)
    for text in _legend(picture, signs, styles):
        console.print(text)


def _shade(cell: Cell) -> str:
    """Return how a block is drawn: dim while empty, bold from half full on, reversed when full."""
    if cell.held >= cell.usable:
        return "reverse"
    if not cell.held:
        return "dim"
    return "bold" if cell.held >= cell.usable * _HALF else ""


def _legend(picture: Picture, signs: dict[str, str], styles: dict[str, str]) -> Iterator[Text]:
    from rich.text import Text

    for row in _nodes(picture)[: len(_LETTERS)]:
        node = row["node"]
        line = Text("  ").append(signs[node], style=styles[node])
        silent = ", no heartbeat" if picture.census.is_silent(node) else ""
        blocks = f"{row['blocks']} block{'' if row['blocks'] == 1 else 's'}"
        yield line.append(
            f" {plain(node)}: {blocks}, {row['held']} of {row['usable']} held{silent}"
        )
    rest = len(picture.nodes) - len(_LETTERS)
    if rest > 0:
        yield Text(f"  {_REST} {rest} more nodes")
    definition = picture.definition
    roomy = sum(run.last - run.first + 1 for run in definition.roomy_blocks)
    taken, held = len(picture.cells), sum(cell.held for cell in picture.cells)
    share = 100 * taken / roomy if roomy else 0.0
    yield Text(
        f"fabric {definition.name}: {taken} of {roomy} blocks of {definition.block_size} taken "
        f"({share:.1f} %), {held} slots held in them; · free, ~ rests"
    )


def _nodes(picture: Picture) -> list[dict[str, Any]]:
    cells: dict[str, list[Cell]] = {node: [] for node in picture.nodes}
    for cell in picture.cells:
        cells[cell.node].append(cell)
    return [
        {
            "node": node,
            "heartbeat": picture.census.beats(node),
            "blocks": len(own),
            "held": sum(cell.held for cell in own),
            "usable": sum(cell.usable for cell in own),
        }
        for node, own in cells.items()
    ]


def _document(picture: Picture) -> dict[str, Any]:
    return {
        "fabric": picture.definition.name,
        "blockSize": picture.definition.block_size,
        "blocks": [
            {
                "first": cell.span.first,
                "last": cell.span.last,
                "node": cell.node,
                "held": cell.held,
                "usable": cell.usable,
            }
            for cell in picture.cells
        ],
        "resting": sorted(picture.resting),
        "nodes": _nodes(picture),
    }
