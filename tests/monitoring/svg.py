"""Pieces of a picture in SVG, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

Point = tuple[float, float]
COLOURS = (
    "#3274d9", "#e0752d", "#56a64b", "#c4162a", "#8f3bb8", "#0f8a8a", "#b8860b", "#705da0",
    "#5a6b7b", "#d44a8f",
)  # fmt: skip
_LETTER = 6.1
"""The width of one, in pixels, at 10 pixels."""


def text(x: float, y: float, words: str, anchor: str = "start", style: str = "") -> str:
    """Return words at a place."""
    more = f' style="{style}"' if style else ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}"{where}{more}>{escape(words)}</text>'


def width(words: str) -> float:
    """Return how wide words are, about."""
    return _LETTER * len(words)


def box(x: float, y: float, w: float, h: float, fill: str) -> str:
    """Return a rectangle."""
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.1f}" height="{h:.0f}" fill="{fill}"/>'


def line(points: Sequence[Point], gap: float) -> str:
    """Return the data of a path through points, by whole pixels.

    Args:
        points: in their order.
        gap: the distance from one to the next from which on they are not joined.
    """
    return "".join(
        "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in _without_needless(run))
        for run in _runs(points, gap)
    )


def stroke(points: Sequence[Point], gap: float, colour: str) -> str:
    """Return a line."""
    return f'<path d="{line(points, gap)}" fill="none" stroke="{colour}"/>'


def area(above: Sequence[Point], below: Sequence[Point], colour: str) -> str:
    """Return what is between two lines."""
    outline = line([*above, *reversed(below)], math.inf)
    return f'<path d="{outline}Z" fill="{colour}" fill-opacity=".6"/>'


def _runs(points: Sequence[Point], gap: float) -> Iterator[list[Point]]:
    run = list(points[:1])
    for before, now in pairwise(points):
        if now[0] - before[0] > gap:
            yield run
            run = []
        run.append(now)
    if run:
        yield run


def _without_needless(points: Sequence[Point]) -> list[Point]:
    """Return points without those between two that are as high."""
    heights = [round(y) for _, y in points]
    return [
        point for i, point in enumerate(points)
        if i in {0, len(points) - 1} or not heights[i - 1] == heights[i] == heights[i + 1]
    ]  # fmt: skip
