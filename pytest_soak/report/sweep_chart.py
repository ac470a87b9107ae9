"""A KPI over the values of one swept parameter: mean, interval, seeds, limit, best window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from pytest_soak.profile.condition import Comparison
from pytest_soak.report.svg import (
    FAINT,
    INK,
    INSIDE,
    OUTSIDE,
    PAPER,
    RULE,
    Drawing,
    Frame,
    short,
    ticks,
)
from pytest_soak.report.sweep_model import KpiAtPoint, Sweep
from pytest_soak.report.sweep_text import reference_text, value_text

_WINDOW = "#dcecf7"
_BEYOND = "#fbe6d8"
_BAND = "#7b8794"
_LETTER = 7.0
"""Width of a letter of a label."""
_UNEVEN = 4.0
"""With steps that differ by more than this the axis is logarithmic."""
_BAND_MARGIN = 0.5
"""Intervals may widen the axis by this ratio of the range of the figures; the rest is cut off."""

Place = Callable[[float], float]


def chart(drawing: Drawing, sweep: Sweep, kpi: str, frame: Frame) -> None:
    """One panel."""
    plot = Frame(frame.x + 48, frame.y + 36, frame.width - 60, frame.height - 82)
    xs = sweep.axes[0]
    low, high = _y_range(sweep, kpi)
    x = _x_scale(xs, plot)
    y = _scale(low, high, plot.bottom, plot.y)
    limit = sweep.limits.get(kpi)
    unit = sweep.units[kpi]
    drawing.text(plot.x, frame.y + 16, kpi, size=14.5, bold=True)
    right = unit if limit is None else f"limit {limit} {unit}"
    colour = FAINT if limit is None else OUTSIDE
    drawing.text(plot.right, frame.y + 16, right, size=12, fill=colour, anchor="end")
    drawing.rect(plot.x, plot.y, plot.width, plot.height, "#fafbfc")
    _window_band(drawing, sweep, x, plot)
    for side in _sides(sweep, kpi):
        _limit(drawing, side.limit, (low, high), y, plot, at_least=not side.upper)
    _axes(drawing, sweep, x, y, plot, (low, high))
    _figures(drawing, sweep, kpi, x, y, plot)


def _sides(sweep: Sweep, kpi: str) -> tuple[Comparison, ...]:
    """The limits of the KPI: none, one, or a lower and an upper one."""
    limit = sweep.limits.get(kpi)
    return () if limit is None else limit.sides


def chart_legend(drawing: Drawing, sweep: Sweep, frame: Frame) -> None:
    """The meaning of each glyph of the panels."""
    x, y = frame.x + 48, frame.y + 16
    drawing.text(x, y, "How to read it", size=14.5, bold=True)
    rows: list[tuple[str, str]] = [
        ("mean", "mean over seeds and iterations"),
        ("band", "its 95 % interval (cut at the panel's edge)"),
        ("seed", "one line per seed: the same at each value"),
        ("inside", "meets the limit"),
        ("outside", "does not meet the limit"),
        ("filled", "filled: differs from the start (95 %, paired)"),
        ("limit", "limit; the side beyond it is shaded"),
        ("window", "best window"),
        ("start", reference_text(sweep)),
    ]
    for kind, words in rows:
        y += 25
        _glyph(drawing, kind, x, y - 4)
        drawing.text(x + 44, y, words, size=12.5)


def _glyph(drawing: Drawing, kind: str, x: float, y: float) -> None:
    if kind == "mean":
        drawing.line(x, y, x + 32, y, INK, line=2)
    elif kind == "band":
        drawing.rect(x, y - 7, 32, 14, _BAND, opacity=0.25)
    elif kind == "seed":
        drawing.line(x, y, x + 32, y, _BAND, line=1)
    elif kind == "limit":
        drawing.rect(x, y - 8, 32, 8, _BEYOND)
        drawing.line(x, y, x + 32, y, OUTSIDE, line=1.6, dash="6 4")
    elif kind == "window":
        drawing.rect(x, y - 8, 32, 16, _WINDOW)
    elif kind == "start":
        drawing.line(x + 16, y - 9, x + 16, y + 9, FAINT, line=1.4, dash="2 3")
    elif kind == "filled":
        drawing.circle(x + 8, y, 4.5, INSIDE, INSIDE)
        drawing.circle(x + 24, y, 4.5, PAPER, INSIDE)
    else:
        colour = INSIDE if kind == "inside" else OUTSIDE
        drawing.circle(x + 16, y, 4.5, colour, colour)


def _y_range(sweep: Sweep, kpi: str) -> tuple[float, float]:
    """Covers all figures, a near limit, and intervals unless they would flatten the figures."""
    at = [point.kpis[kpi] for point in sweep.points]
    estimates = [item.figure for item in at if item.figure is not None]
    figures = [value for item in at for value in item.by_seed.values()]
    figures += [estimate.mean for estimate in estimates]
    if not figures:
        return 0.0, 1.0
    low, high = min(figures), max(figures)
    span = high - low or abs(high) * 0.1 or 1.0
    limits = [side.limit for side in _sides(sweep, kpi)]
    near = [limit for limit in limits if low - span <= limit <= high + span]
    low, high = min(low, *near, high), max(low, *near, high)
    margin = _BAND_MARGIN * span
    low = min(low, max(min(estimate.low for estimate in estimates), low - margin))
    high = max(high, min(max(estimate.high for estimate in estimates), high + margin))
    pad = 0.06 * (high - low or span)
    return low - pad, high + pad


def _scale(low: float, high: float, start: float, end: float) -> Place:
    if high == low:
        return lambda _value: (start + end) / 2.0
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _x_scale(xs: Sequence[float], plot: Frame) -> Place:
    """Logarithmic for values whose steps grow, as 20, 60, 150, 400, 1000."""
    start, end = plot.x + 10, plot.right - 10
    if not _grows(xs):
        return _scale(xs[0], xs[-1], start, end)
    linear = _scale(math.log(xs[0]), math.log(xs[-1]), start, end)
    return lambda value: linear(math.log(value))


def _grows(xs: Sequence[float]) -> bool:
    steps = [b - a for a, b in pairwise(xs)]
    return len(steps) > 1 and xs[0] > 0.0 and max(steps) > _UNEVEN * min(steps)


def _window_band(drawing: Drawing, sweep: Sweep, x: Place, plot: Frame) -> None:
    if sweep.window is None:
        return
    xs = sweep.axes[0]
    first, last = min(sweep.window.points), max(sweep.window.points)
    left = plot.x if first == 0 else (x(xs[first - 1]) + x(xs[first])) / 2.0
    right = plot.right if last == len(xs) - 1 else (x(xs[last]) + x(xs[last + 1])) / 2.0
    drawing.rect(left, plot.y, right - left, plot.height, _WINDOW)


def _limit(
    drawing: Drawing,
    limit: float,
    shown: tuple[float, float],
    y: Place,
    plot: Frame,
    *,
    at_least: bool,
) -> None:
    if shown[0] <= limit <= shown[1]:
        line = y(limit)
        top, bottom = (line, plot.bottom) if at_least else (plot.y, line)
        drawing.rect(plot.x, top, plot.width, bottom - top, _BEYOND, opacity=0.85)
        return
    above = limit > shown[1]
    words = f"the limit {short(limit)} is {'above' if above else 'below'} this panel"
    if above is at_least:
        drawing.rect(plot.x, plot.y, plot.width, plot.height, _BEYOND, opacity=0.85)
    drawing.text(
        plot.right - 6, plot.y + 15 if above else plot.bottom - 7, words,
        size=11, fill=OUTSIDE, anchor="end",
    )  # fmt: skip


def _axes(
    drawing: Drawing, sweep: Sweep, x: Place, y: Place, plot: Frame, shown: tuple[float, float]
) -> None:
    for value in ticks(*shown):
        drawing.line(plot.x, y(value), plot.right, y(value), RULE, line=0.7)
        drawing.text(plot.x - 6, y(value) + 4, short(value), size=11.5, fill=FAINT, anchor="end")
    xs = sweep.axes[0]
    free = plot.x - plot.width
    for value in xs:
        drawing.line(x(value), plot.bottom, x(value), plot.bottom + 4, FAINT)
        label = value_text(sweep, 0, value)
        half = _LETTER * len(label) / 2.0
        if x(value) - half > free:
            free = x(value) + half + _LETTER
            drawing.text(x(value), plot.bottom + 17, label, size=11.5, fill=FAINT, anchor="middle")
    drawing.line(plot.x, plot.bottom, plot.right, plot.bottom, FAINT)
    unit = sweep.parameters[0].unit
    name = sweep.keys[0] if unit in ("", "1") else f"{sweep.keys[0]}, {unit}"
    name += " (log scale)" if _grows(xs) else ""
    middle = plot.x + plot.width / 2
    drawing.text(middle, plot.bottom + 36, name, size=12, fill=INK, anchor="middle")
    reference = sweep.points[sweep.reference].values[0]
    drawing.line(
        x(reference), plot.y, x(reference), plot.bottom, FAINT, line=1.4, dash="2 3"
    )  # fmt: skip


def _figures(drawing: Drawing, sweep: Sweep, kpi: str, x: Place, y: Place, plot: Frame) -> None:
    clip = drawing.clip(plot.x, plot.y, plot.width, plot.height)
    at = [(x(point.values[0]), point.kpis[kpi]) for point in sweep.points]
    figures = [(place, item.figure) for place, item in at if item.figure is not None]

    def bound(value: float) -> float:
        # A far or infinite bound is drawn a panel's height outside, where it is cut off.
        far = plot.height
        if not math.isfinite(value):
            return plot.y - far if value > 0 else plot.bottom + far
        return min(max(y(value), plot.y - far), plot.bottom + far)

    upper = [(place, bound(figure.high)) for place, figure in figures]
    lower = [(place, bound(figure.low)) for place, figure in figures]
    drawing.path(upper + lower[::-1], fill=_BAND, closed=True, opacity=0.25, clip=clip)
    for side in _sides(sweep, kpi):
        place = y(side.limit)
        if plot.y <= place <= plot.bottom:
            drawing.line(plot.x, place, plot.right, place, OUTSIDE, line=1.6, dash="6 4")
    if len(sweep.seeds) > 1:
        for seed in sweep.seeds:
            values = [(place, item.by_seed.get(seed)) for place, item in at]
            points = [(place, y(value)) for place, value in values if value is not None]
            drawing.path(points, stroke=_BAND, line=1.0)
    for (left, start), (right, end) in pairwise(at):
        if start.figure is not None and end.figure is not None:
            ends = [(left, y(start.figure.mean)), (right, y(end.figure.mean))]
            drawing.path(ends, stroke=INK, line=2.0)
    for place, item in at:
        _marker(drawing, place, item, y, gated=kpi in sweep.limits)


def _marker(drawing: Drawing, place: float, at: KpiAtPoint, y: Place, *, gated: bool) -> None:
    if at.figure is None:
        return
    colour = (INSIDE if at.meets else OUTSIDE) if gated else INK
    differs = at.difference is not None and at.difference.differs
    drawing.circle(place, y(at.figure.mean), 4.5, colour if differs else PAPER, colour)
