"""The dashboard's rows as pictures, drawn from what Prometheus has said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from deploy.monitoring.dashboard import FILE, Panel, Place, panels
from tests.monitoring import svg
from tests.monitoring.recording import STEP, Line, Recording

COLUMN, HEIGHT = 44, 26
"""Pixels of the grid."""
_HEAD = 28
_LEFT, _BOTTOM = 52, 40
"""Pixels for the figures beside a panel's lines, and for times and names below."""
_GAP = 6
_GREEN, _RED, _PALE = "#56a64b", "#c4162a", "#e4e7eb"
_STYLE = "font:10px sans-serif;fill:#333;stroke-width:1.3"
_TIMES = 120
"""Seconds from one time at the bottom to the next."""
_WIDE = 240
"""Pixels, up to which only every other one is named."""


def pictures(seen: Recording) -> Iterator[tuple[str, str]]:
    """Yield a name and the SVG of each row, and of the alerts."""
    for row, members in groupby(panels(FILE.read_text()), key=lambda panel: panel.row):
        group = list(members)
        top = min(panel.place.y for panel in group)
        drawn = "".join(_placed(panel, top, seen) for panel in group)
        height = HEIGHT * (max(panel.place.y + panel.place.h for panel in group) - top)
        yield row.lower().replace(" ", "-"), _whole(drawn, height)
    height = _HEAD + 18 * len(seen.alerts) + _BOTTOM
    frame = _Frame(Place(0, 0, 24, 0), seen.seconds, height, left=230)
    yield "alerts", _whole(frame.around("Alerts that fire", _states(frame, seen.alerts)), height)


class _Frame:
    """A panel's place, and how time and values become pixels in it."""

    def __init__(self, place: Place, seconds: float, height: float, left: int = _LEFT) -> None:
        self.width, self.height = place.w * COLUMN - _GAP, height - _GAP
        self.left, self.top, self.right = left, _HEAD, self.width - 8
        self.floor = self.height - _BOTTOM + 8
        self.seconds = seconds

    def x(self, moment: float) -> float:
        return self.left + moment / self.seconds * (self.right - self.left)

    @property
    def gap(self) -> float:
        return 1.5 * (self.x(STEP) - self.left)

    def around(self, title: str, content: str) -> str:
        return (
            f'<rect width="{self.width}" height="{self.height:.0f}" fill="#fff" stroke="#d5d9de"/>'
            + svg.text(8, 15, title, style="font-weight:bold;font-size:11px")
            + content
        )

    def times(self) -> str:
        last, is_wide = int(self.seconds), self.right - self.left > _WIDE
        step = _TIMES if is_wide else 2 * _TIMES
        return "".join(
            svg.text(
                self.x(at), self.floor + 13, f"{at // 60} min",
                "middle" if at + step <= last or at + _TIMES <= last else "end",
            )
            for at in range(0, last + 1, step)
        )  # fmt: skip


def _whole(content: str, height: float) -> str:
    wide = 24 * COLUMN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height:.0f}" '
        f'style="{_STYLE}"><rect width="{wide}" height="{height:.0f}" fill="#f4f5f5"/>'
        f"{content}</svg>\n"
    )


def _placed(panel: Panel, top: int, seen: Recording) -> str:
    place, lines = panel.place, seen.panels[panel.number]
    frame = _Frame(place, seen.seconds, place.h * HEIGHT)
    if panel.kind == "stat":
        content = _number(frame, panel, lines)
    elif panel.kind == "state-timeline":
        frame.left = 110
        content = _states(frame, lines)
    else:
        content = _chart(frame, panel, lines)
    x, y = place.x * COLUMN + _GAP / 2, (place.y - top) * HEIGHT + _GAP / 2
    return f'<g transform="translate({x:g} {y:g})">{frame.around(panel.title, content)}</g>'


def _number(frame: _Frame, panel: Panel, lines: Sequence[Line]) -> str:
    """Draw the last value, over what it was before."""
    points = lines[0].points if lines else ()
    if not points:
        return ""
    most = max(value for _, value in points) or 1
    frame.left, frame.right, frame.floor = 0, frame.width, frame.height
    drop = 30
    drawn = [(frame.x(at), frame.floor - value / most * drop) for at, value in points]
    below = [(x, frame.floor) for x, _ in drawn]
    style = "font-size:30px;fill:#3274d9"
    words = shown(points[-1][1], panel.unit)
    return svg.area(drawn, below, "#cfdcf3") + svg.text(
        frame.width / 2, frame.height / 2 + 14, words, "middle", style
    )


def _states(frame: _Frame, lines: Sequence[Line]) -> str:
    """Draw when each was 1, and when it was not."""
    each = (frame.floor - frame.top) / max(len(lines), 1)
    drawn = [frame.times()]
    is_alert = frame.left > 200
    for number, one in enumerate(sorted(lines, key=lambda line: line.legend)):
        y = frame.top + number * each
        drawn.append(svg.text(frame.left - 6, y + each / 2 + 3, one.legend, "end"))
        if is_alert:
            drawn.append(svg.box(frame.left, y + 1, frame.right - frame.left, each - 3, _PALE))
        for value, begin, end in _stretches(one):
            colour = _RED if is_alert or not value else _GREEN
            w = max(frame.x(end) - frame.x(begin), 1)
            drawn.append(svg.box(frame.x(begin), y + 1, w, each - 3, colour))
    return "".join(drawn)


def _stretches(one: Line) -> Iterator[tuple[float, float, float]]:
    """Yield each value with its first moment and its last one."""
    begin = last = None
    value = math.nan
    for at, now in one.points:
        if begin is None or last is None or now != value or at - last > 1.5 * STEP:
            if begin is not None and last is not None:
                yield value, begin, last + STEP
            begin, value = at, now
        last = at
    if begin is not None and last is not None:
        yield value, begin, last


def _chart(frame: _Frame, panel: Panel, lines: Sequence[Line]) -> str:
    """Draw lines, or what lies on each other."""
    known = [
        Line(one.legend, tuple((at, value) for at, value in one.points if math.isfinite(value)))
        for one in lines
    ]
    known = [one for one in known if one.points]
    known.sort(key=lambda one: -max(abs(value) for _, value in one.points))
    layers = _layers(known) if panel.stacked else [one.points for one in known]
    most = max((value for points in layers for _, value in points), default=0)
    scale, ticks = _scale(most, panel.unit)

    def y(value: float) -> float:
        return frame.floor - value / scale * (frame.floor - frame.top)

    drawn = [frame.times(), _legend(frame, known)]
    for tick in ticks:
        drawn.append(svg.text(frame.left - 5, y(tick) + 3, shown(tick, panel.unit), "end"))
        drawn.append(svg.box(frame.left, y(tick), frame.right - frame.left, 1, _PALE))
    below = [(frame.x(at), frame.floor) for at, _ in layers[0]] if layers else []
    for number, points in enumerate(layers):
        colour = svg.COLOURS[number % len(svg.COLOURS)]
        places = [(frame.x(at), y(value)) for at, value in points]
        if panel.stacked:
            drawn.append(svg.area(places, below, colour))
            below = places
        else:
            drawn.append(svg.stroke(places, frame.gap, colour))
    return "".join(drawn)


def _layers(lines: Sequence[Line]) -> list[tuple[tuple[float, float], ...]]:
    """Return lines on top of each other, all with the same moments."""
    moments = sorted({at for one in lines for at, _ in one.points})
    heights = dict.fromkeys(moments, 0.0)
    layers = []
    for one in lines:
        own = dict(one.points)
        heights = {at: height + own.get(at, 0.0) for at, height in heights.items()}
        layers.append(tuple(heights.items()))
    return layers


def _legend(frame: _Frame, lines: Sequence[Line]) -> str:
    """Name lines, as many as there is room for."""
    x, drawn = 8.0, []
    for number, one in enumerate(lines):
        more = f"and {len(lines) - number} more"
        if x + 14 + svg.width(one.legend) + svg.width(more) > frame.width and number:
            drawn.append(svg.text(x, frame.height - 6, more))
            break
        drawn.append(svg.box(x, frame.height - 14, 8, 8, svg.COLOURS[number % len(svg.COLOURS)]))
        drawn.append(svg.text(x + 11, frame.height - 6, one.legend))
        x += 24 + svg.width(one.legend)
    return "".join(drawn)


def _scale(most: float, unit: str) -> tuple[float, list[float]]:
    """Return the highest value of an axis, and where it has lines."""
    if most <= 0:
        return 1.0, [0.0]
    base = 1024.0 if unit == "bytes" else 10.0
    step = base ** math.floor(math.log(most, base))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
                if most / (step * part) <= 4.01)  # fmt: skip
    count = math.ceil(most / step - 1e-9)
    return step * count, [step * number for number in range(count + 1)]


def shown(value: float, unit: str) -> str:
    """Return a value with its unit, as Grafana writes it."""
    if unit == "s":
        return f"{value * 1000:g} ms" if 0 < value < 1 else f"{value:g} s"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.4g} MiB"
    return f"{value:,.10g}/s" if unit in {"reqps", "pps"} else f"{value:,.10g}"
