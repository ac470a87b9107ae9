"""A KPI over the grid of two swept parameters: a coloured cell with its value at every point."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from pytest_soak.report.layout import SHORT_NAMES, cut
from pytest_soak.report.svg import (
    FAINT,
    INK,
    OUTSIDE,
    PAPER,
    Drawing,
    Frame,
    ink_on,
    plain_shade,
    shade,
    short,
)
from pytest_soak.report.sweep_model import Sweep
from pytest_soak.report.sweep_text import decimals, value_text

_LEFT, _TOP, _BOTTOM = 62.0, 46.0, 44.0
_NO_DATA = "#d9dde1"
_CERTAIN, _MET, _MISSED = "#4393c3", "#c6dff0", "#fbd3b0"
_LEAST_WIDTH = 390.0


def panel_size(sweep: Sweep) -> tuple[float, float]:
    """Cells of a small grid are as large as their numbers need; large grids have smaller cells."""
    width, height = _cell_size(sweep)
    columns, rows = map(len, sweep.axes)
    return _LEFT + columns * width + 4.0, _TOP + rows * height + _BOTTOM


def _cell_size(sweep: Sweep) -> tuple[float, float]:
    columns, rows = map(len, sweep.axes)
    fitting = (_LEAST_WIDTH - _LEFT - 4.0) / columns
    width = max(fitting, 46.0 if columns <= 24 else 14.0)
    return width, max(30.0 if rows <= 24 else 12.0, min(52.0, 230.0 / rows))


def map_panel(drawing: Drawing, sweep: Sweep, kpi: str, frame: Frame) -> None:
    """One KPI. With a limit, colour is the distance from it; without one, the figure itself."""
    limit = sweep.limits.get(kpi)
    figures = [point.kpis[kpi].figure for point in sweep.points]
    means = [figure.mean for figure in figures if figure is not None]
    low, high = min(means, default=0.0), max(means, default=1.0)
    if limit is None:

        def colour(value: float) -> str:
            return plain_shade((value - low) / (high - low) if high > low else 0.5)
    else:
        reach = max(abs(limit.distance(low)), abs(limit.distance(high))) or 1.0

        def colour(value: float) -> str:
            ratio = limit.distance(value) / reach
            return shade(ratio if ratio or limit.holds(value) else -1e-9)

    _title(drawing, sweep, kpi, frame)
    limits = [] if limit is None else [side.limit for side in limit.sides]
    _scale_bar(drawing, colour, (low, high), limits, frame)
    digits = decimals(sweep, kpi)
    for index, point in enumerate(sweep.points):
        at = point.kpis[kpi]
        fill = _NO_DATA if at.figure is None else colour(at.figure.mean)
        words = ["no data"] if at.figure is None else [f"{at.figure.mean:.{digits}f}"]
        _cell(drawing, sweep, index, frame, fill, words + _marks(sweep, index))
        if not at.meets:
            _cross(drawing, sweep, index, frame)
    _finish(drawing, sweep, frame)
    if limit is not None:
        inside = {i for i, point in enumerate(sweep.points) if point.kpis[kpi].meets}
        _outline(drawing, sweep, inside, frame, OUTSIDE, 2.2, "5 3", rim=False)


def limits_map(drawing: Drawing, sweep: Sweep, frame: Frame) -> None:
    """All limits at once: the KPIs whose limits a point misses."""
    drawing.text(frame.x + _LEFT, frame.y + 14, "all limits", size=14.5, bold=True)
    for index, point in enumerate(sweep.points):
        if not point.complete:
            fill, words = _NO_DATA, ["incomplete"]
        elif point.missed:
            missed = [SHORT_NAMES.get(name, name) for name in point.missed]
            fill, words = _MISSED, [cut(name, 9) for name in missed]
        else:
            fill, words = (_CERTAIN, ["certain"]) if point.certain else (_MET, ["met"])
        _cell(drawing, sweep, index, frame, fill, words)
    _finish(drawing, sweep, frame)


def map_legend(drawing: Drawing, sweep: Sweep, x: float, y: float) -> None:
    """One line below the panels."""
    drawing.rect(x, y - 11, 26, 14, PAPER, stroke=INK, line=3.0)
    x = _label(drawing, x + 34, y, "best window")
    drawing.line(x, y - 4, x + 26, y - 4, OUTSIDE, line=2.2, dash="5 3")
    x = _label(drawing, x + 34, y, "limit")
    drawing.rect(x, y - 11, 14, 14, shade(1.0))
    drawing.rect(x + 14, y - 11, 14, 14, shade(0.4))
    x = _label(drawing, x + 36, y, "meets it (dark: by far)")
    drawing.rect(x, y - 11, 14, 14, shade(-1.0))
    drawing.rect(x + 14, y - 11, 14, 14, shade(-0.4))
    x = _label(drawing, x + 36, y, "x misses it")
    drawing.rect(x, y - 11, 14, 14, _CERTAIN)
    x = _label(drawing, x + 22, y, "meets all with 95 % certainty")
    drawing.rect(x, y - 11, 14, 14, _MET)
    x = _label(drawing, x + 22, y, "all means meet")
    drawing.rect(x, y - 11, 14, 14, _MISSED)
    _label(drawing, x + 22, y, "misses the KPIs named")


def _label(drawing: Drawing, x: float, y: float, words: str) -> float:
    """Draws a text of the legend; returns where the next item begins."""
    drawing.text(x, y, words, size=12)
    return x + 7.0 * len(words) + 16.0


def _box(sweep: Sweep, index: int, frame: Frame) -> Frame:
    """The cell of a point: the first parameter to the right, the second one upwards."""
    width, height = _cell_size(sweep)
    rows = len(sweep.axes[1])
    column, row = divmod(index, rows)
    top = frame.y + _TOP + (rows - 1 - row) * height
    return Frame(frame.x + _LEFT + column * width, top, width, height)


def _cell(
    drawing: Drawing, sweep: Sweep, index: int, frame: Frame, fill: str, words: list[str]
) -> None:
    box = _box(sweep, index, frame)
    drawing.rect(box.x, box.y, box.width, box.height, fill, stroke=PAPER, line=1.0)
    longest = max(map(len, words), default=1)
    size = min(13.0, (box.width - 6.0) / (0.58 * max(longest, 4)), box.height * 0.45)
    if size < 7.0:
        return  # too small for text: the colour shows the figure, SWEEP.md has the number
    places = max(int((box.height - 4.0) // (size + 1.0)), 1)
    shown = words[:places]
    y = box.y + box.height / 2 - (len(shown) - 1) * (size + 1.5) / 2 + size * 0.36
    for text in shown:
        drawing.text(box.x + box.width / 2, y, text, size=size, fill=ink_on(fill), anchor="middle")
        y += size + 1.5


def _marks(sweep: Sweep, index: int) -> list[str]:
    words = []
    if index == sweep.reference:
        words.append("start" if sweep.at_start else "ref.")
    if sweep.window is not None and index == sweep.window.best:
        words.append("best")
    return words


def _cross(drawing: Drawing, sweep: Sweep, index: int, frame: Frame) -> None:
    box = _box(sweep, index, frame)
    arm = min(7.0, box.height * 0.25)
    x, y = box.right - arm - 3.0, box.y + 3.0
    drawing.line(x, y, x + arm, y + arm, INK, line=1.3)
    drawing.line(x, y + arm, x + arm, y, INK, line=1.3)


def _outline(
    drawing: Drawing,
    sweep: Sweep,
    points: Iterable[int],
    frame: Frame,
    stroke: str,
    line: float,
    dash: str,
    *,
    rim: bool,
) -> None:
    """The border of ``points``; with ``rim`` also along the edge of the grid."""
    inside = set(points)
    columns, rows = map(len, sweep.axes)
    for index in sorted(inside):
        box = _box(sweep, index, frame)
        column, row = divmod(index, rows)
        sides = (
            (column == 0, index - rows, (box.x, box.y, box.x, box.bottom)),
            (column == columns - 1, index + rows, (box.right, box.y, box.right, box.bottom)),
            (row == 0, index - 1, (box.x, box.bottom, box.right, box.bottom)),
            (row == rows - 1, index + 1, (box.x, box.y, box.right, box.y)),
        )
        for at_rim, other, ends in sides:
            if rim if at_rim else other not in inside:
                drawing.line(*ends, stroke, line=line, dash=dash)


def _finish(drawing: Drawing, sweep: Sweep, frame: Frame) -> None:
    if sweep.window is not None:
        _outline(drawing, sweep, sweep.window.points, frame, INK, 3.0, "", rim=True)
    columns, rows = sweep.axes
    width, height = _cell_size(sweep)
    every = max(1, math.ceil(44.0 / width))
    bottom = frame.y + _TOP + len(rows) * height
    for index, value in enumerate(columns):
        if index % every == 0:
            x = frame.x + _LEFT + (index + 0.5) * width
            label = value_text(sweep, 0, value)
            drawing.text(x, bottom + 16, label, size=11.5, fill=FAINT, anchor="middle")
    every = max(1, math.ceil(14.0 / height))
    for index, value in enumerate(rows):
        if index % every == 0:
            y = bottom - (index + 0.5) * height + 4.0
            label = value_text(sweep, 1, value)
            drawing.text(frame.x + _LEFT - 6, y, label, size=11.5, fill=FAINT, anchor="end")
    middle = frame.x + _LEFT + len(columns) * width / 2
    drawing.text(middle, bottom + 34, _key(sweep, 0), size=12, anchor="middle")
    centre = frame.y + _TOP + len(rows) * height / 2
    drawing.text(frame.x + 12, centre, _key(sweep, 1), size=12, anchor="middle", turned=True)


def _key(sweep: Sweep, axis: int) -> str:
    unit = sweep.parameters[axis].unit
    return sweep.keys[axis] if unit in ("", "1") else f"{sweep.keys[axis]}, {unit}"


def _title(drawing: Drawing, sweep: Sweep, kpi: str, frame: Frame) -> None:
    limit, unit = sweep.limits.get(kpi), sweep.units[kpi]
    drawing.text(frame.x + _LEFT, frame.y + 14, kpi, size=14.5, bold=True)
    words = unit if limit is None else f"limit {limit} {unit}"
    colour = FAINT if limit is None else OUTSIDE
    drawing.text(frame.x + _LEFT, frame.y + 31, words, size=12, fill=colour)


def _scale_bar(
    drawing: Drawing,
    colour: Callable[[float], str],
    shown: tuple[float, float],
    limits: Sequence[float],
    frame: Frame,
) -> None:
    low, high = shown
    if high <= low:
        return
    width, steps = 130.0, 26
    x, y = frame.right - width - 8.0, frame.y + 8.0
    for step in range(steps):
        value = low + (high - low) * (step + 0.5) / steps
        drawing.rect(x + width * step / steps, y, width / steps + 0.4, 10.0, colour(value))
    drawing.text(x, y + 23, short(low), size=11, fill=FAINT, anchor="middle")
    drawing.text(x + width, y + 23, short(high), size=11, fill=FAINT, anchor="middle")
    for limit in limits:
        if not low <= limit <= high:
            continue
        at = x + width * (limit - low) / (high - low)
        drawing.line(at, y - 3, at, y + 13, OUTSIDE, line=2.2)
