"""SWEEP.svg: a panel per KPI over the swept values, with limits and the best window."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pytest_soak.report.lane_words import joined
from pytest_soak.report.svg import FAINT, Drawing, Frame
from pytest_soak.report.sweep_chart import chart, chart_legend
from pytest_soak.report.sweep_map import limits_map, map_legend, map_panel, panel_size
from pytest_soak.report.sweep_model import Sweep
from pytest_soak.report.sweep_text import interval_text, setting_text, verdict_text

_COLUMNS = 3
_MARGIN = 28.0
_GAP = 26.0
_CHART = (390.0, 300.0)
_LETTER = 0.56
"""Width of a letter as a ratio of its size, for wrapping: a little wide, so no text is cut."""


def sweep_svg(sweeps: Sequence[Sweep]) -> str:
    """One block per profile and symbol, one below the other."""
    sizes = [_block_size(sweep) for sweep in sweeps]
    width = max(size[0] for size in sizes) + 2 * _MARGIN
    drawing = Drawing(width, sum(size[1] for size in sizes) + _MARGIN * (len(sizes) + 1))
    top = _MARGIN
    for sweep, (_, height) in zip(sweeps, sizes, strict=True):
        _block(drawing, sweep, Frame(_MARGIN, top, width - 2 * _MARGIN, height))
        top += height + _MARGIN
    return drawing.svg()


def _panel(sweep: Sweep) -> tuple[float, float]:
    return _CHART if len(sweep.keys) == 1 else panel_size(sweep)


def _rows(sweep: Sweep) -> int:
    # One panel more than there are KPIs: charts need it for the legend, maps for the summary.
    return -(-(len(sweep.units) + 1) // _COLUMNS)


def _block_size(sweep: Sweep) -> tuple[float, float]:
    width, height = _panel(sweep)
    whole = _COLUMNS * width + (_COLUMNS - 1) * _GAP
    lines = len(_heading(sweep, whole)) + len(_notes(sweep, whole))
    foot = 34.0 if len(sweep.keys) > 1 else 0.0
    panels = _rows(sweep) * (height + _GAP) - _GAP
    return whole, 44.0 + 21.0 * lines + panels + foot


def _heading(sweep: Sweep, width: float) -> list[str]:
    return textwrap.wrap(_capital(verdict_text(sweep)), int(width / (15 * _LETTER)))


def _notes(sweep: Sweep, width: float) -> list[str]:
    text = f"{_capital(setting_text(sweep))}. {interval_text(sweep)}"
    return textwrap.wrap(text, int(width / (12.5 * _LETTER)))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _block(drawing: Drawing, sweep: Sweep, frame: Frame) -> None:
    title = f"Sweep of {' and '.join(sweep.keys)}: {joined(sweep.profile, sweep.symbol)}"
    drawing.text(frame.x, frame.y + 20, title, size=22, bold=True)
    y = frame.y + 46
    for line in _heading(sweep, frame.width):
        drawing.text(frame.x, y, line, size=15)
        y += 21
    for line in _notes(sweep, frame.width):
        drawing.text(frame.x, y, line, size=12.5, fill=FAINT)
        y += 21
    width, height = _panel(sweep)
    places = [
        Frame(frame.x + column * (width + _GAP), y + row * (height + _GAP), width, height)
        for row in range(_rows(sweep))
        for column in range(_COLUMNS)
    ]
    for kpi, place in zip(sweep.units, places, strict=False):
        if len(sweep.keys) == 1:
            chart(drawing, sweep, kpi, place)
        else:
            map_panel(drawing, sweep, kpi, place)
    last = places[len(sweep.units)]
    if len(sweep.keys) == 1:
        chart_legend(drawing, sweep, last)
    else:
        limits_map(drawing, sweep, last)
        map_legend(drawing, sweep, frame.x, frame.bottom - 16)
