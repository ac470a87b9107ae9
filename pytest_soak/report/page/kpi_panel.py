"""The panel of a KPI: its iterations, the limit, the window with its interval, the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_soak.gate.figures import figure
from pytest_soak.gate.window import RESTART, WARMUP
from pytest_soak.report.layout import cut, shown_by, sides_of
from pytest_soak.report.page.axes import Axes, span_of
from pytest_soak.report.page.canvas import Canvas, Point, marks, polyline
from pytest_soak.report.page.panel import Panel, Size, Table
from pytest_soak.report.page.plot_data import compact, rounded, window_data
from pytest_soak.report.page.strip import HEIGHT, draw_events
from pytest_soak.report.page.subject import Subject
from pytest_soak.report.page.words import MARKS, counted, stretch, with_unit
from pytest_soak.report.svg import Frame, short
from pytest_soak.report.view.model import KpiView, LaneView, VerdictWord, WindowView
from pytest_soak.report.view.scale import extremes

_MOST_POINTS = 400
"""Iterations up to which those that PASS have points too; above, only the line and the others."""
_MOST_LARGE = 150
"""Points up to which their marks have their full size."""
_MOST_ROWS = 50
"""A longer table has stretches of iterations instead."""
_STRETCHES = 16
_NAME = 80


def kpi_panel(ident: str, subject: Subject, kpi: KpiView, size: Size) -> Panel:
    """The panel of one KPI."""
    lane, limit, window = subject.lane, kpi.limit, kpi.window
    canvas = Canvas(ident, size.width, size.height)
    frame = Frame(52, 8, size.width - 64, size.height - 8 - HEIGHT - 24)
    verdict = next((row.verdict for row in lane.gate if row.criterion == kpi.name), "")
    near = None if limit is None else limit.value
    # How far outside it is can only be seen if the limit is in the picture.
    shown = (near,) if kpi.gated and verdict not in ("", "PASS") else ()
    low, high = span_of(
        (*kpi.values, *shown),
        near,
        None if limit is None else limit.other,
        *(() if window is None else (window.figure, window.low, window.high)),
    )
    first = subject.numbers[0] if subject.numbers else 1
    axes = Axes.of(frame, first, subject.last, low, high)
    frame = axes.frame
    canvas.rect(frame.x, frame.y, frame.width, frame.height, "ground")
    if limit is not None:
        _draw_beyond(canvas, axes, limit.value, upper=limit.upper)
        if limit.other is not None:
            _draw_beyond(canvas, axes, limit.other, upper=not limit.upper)
    if window is not None:
        left, width = axes.stretch(window.first, window.last)
        canvas.rect(left, frame.y, width, frame.height, "window")
    _draw_excluded(canvas, axes, lane)
    axes.draw(canvas, HEIGHT, end=subject.last)
    _draw_points(canvas, axes, subject, kpi)
    if limit is not None:
        _draw_limit(canvas, axes, with_unit(cut(limit.text, 40), kpi.unit), limit.value)
        if limit.other is not None and limit.other in axes.y:
            place = axes.y(limit.other)
            canvas.line(frame.x, place, frame.right, place, "limit")
    if all(value is None for value in kpi.values):
        middle = (frame.x + frame.width / 2, frame.y + frame.height / 2 + 7)
        canvas.text(*middle, "no data", "empty mid")
    draw_events(canvas, axes, subject.shown)
    return Panel(
        ident,
        kpi.name,
        _summary(kpi),
        canvas.svg(f"{cut(kpi.name, _NAME)} per iteration", _description(subject, kpi, verdict)),
        _table(subject, kpi),
        verdict if kpi.gated else "",
        data=_data(ident, subject, kpi) | {"range": [low, high]},
        gated=kpi.gated,
    )


def figure_text(kpi: KpiView, value: float | None) -> str:
    """A figure of the KPI in as many digits as its limit needs."""
    limits = () if kpi.limit is None else sides_of(kpi.limit.text)
    if value is not None and limits:
        return shown_by(value, limits)
    return figure(value) if value is None or not 1e4 <= abs(value) < 1e15 else f"{value:,.0f}"


def _summary(kpi: KpiView) -> str:
    """The figure that is judged, with its bound and limit; else the last value."""
    window = kpi.window
    if window is not None and window.figure is not None:
        text = with_unit(figure_text(kpi, window.figure), kpi.unit)
        if window.low is not None and window.high is not None:
            bounds = (figure_text(kpi, window.low), figure_text(kpi, window.high))
            text += f" ({bounds[0]} to {bounds[1]})" if len(set(bounds)) > 1 else ""
        texts = [f"{text} over iterations {stretch((window.first, window.last))}"]
    else:
        present = [value for value in kpi.values if value is not None]
        last = figure_text(kpi, present[-1]) if present else ""
        texts = [f"last {with_unit(last, kpi.unit)}" if present else "no data"]
    if kpi.limit is not None:
        texts.append(f"limit {with_unit(cut(kpi.limit.text, 40), kpi.unit)}")
    return ", ".join(texts)


def _description(subject: Subject, kpi: KpiView, verdict: str) -> str:
    present = [value for value in kpi.values if value is not None]
    texts = [f"{counted(len(kpi.values), 'iteration')} of lane {cut(subject.lane.id, _NAME)}."]
    if present:
        low, high = figure(min(present)), figure(max(present))
        texts.append(f"Values from {low} to {with_unit(high, kpi.unit)}.")
    missing = len(kpi.values) - len(present)
    if missing:
        texts.append(f"No data in {counted(missing, 'iteration')}.")
    texts.append(f"{_summary(kpi)}.")
    if verdict:
        texts.append(f"Verdict: {verdict}.")
    events = subject.described
    return " ".join([*texts, f"{events}." if events else ""]).strip()


# -- the picture -------------------------------------------------------------------------------


def _draw_beyond(canvas: Canvas, axes: Axes, limit: float, *, upper: bool) -> None:
    """The side that is outside of the limit."""
    frame, place = axes.frame, axes.y(min(max(limit, axes.y.low), axes.y.high))
    top, bottom = (frame.y, place) if upper else (place, frame.bottom)
    if bottom - top > 0.5:
        canvas.rect(frame.x, top, frame.width, bottom - top, "beyond")


def _draw_limit(canvas: Canvas, axes: Axes, text: str, limit: float) -> None:
    frame = axes.frame
    words = f"limit {cut(text, 40)}"
    if limit in axes.y:
        place = axes.y(limit)
        canvas.line(frame.x, place, frame.right, place, "limit")
        y = place - 4 if place > frame.y + 16 else place + 12
    elif limit > axes.y.high:
        words, y = f"{words} ↑ above", frame.y + 11
    else:
        words, y = f"{words} ↓ below", frame.bottom - 4
    canvas.text(frame.x + 5, y, words, "limit-text")


def _draw_interval(canvas: Canvas, axes: Axes, window: WindowView) -> None:
    """The box from bound to bound, or from the figure to its only bound."""
    inner = [value for value in (window.low, window.figure, window.high) if value is not None]
    if len(inner) > 1:
        left, width = axes.stretch(window.first, window.last)
        top, bottom = axes.y(max(inner)), axes.y(min(inner))
        canvas.rect(left, top, width, max(bottom - top, 1.0), "interval")


def _draw_excluded(canvas: Canvas, axes: Axes, lane: LaneView) -> None:
    for span in lane.spans:
        if span.kind == "excluded":
            left, width = axes.stretch(span.first, span.last)
            own = span.name in (WARMUP, RESTART)
            cause = span.name if own else f"scenario {cut(span.name, _NAME)}"
            title = f"left out of the gate: {cause}"
            canvas.hatched(left, axes.frame.y, width, axes.frame.height, title)


def _draw_points(canvas: Canvas, axes: Axes, subject: Subject, kpi: KpiView) -> None:
    numbers: Sequence[int] = subject.numbers
    values: Sequence[float | None] = kpi.values
    columns = int(axes.frame.width / 2)
    if len(numbers) > 2 * columns:
        numbers, values = extremes(numbers, values, columns)
    points: list[Point | None] = [
        None if value is None else (axes.x(number), axes.y(value))
        for number, value in zip(numbers, values, strict=True)
    ]
    window = kpi.window
    if window is not None:
        _draw_interval(canvas, axes, window)
    canvas.path(polyline(points, dense=len(points) > _MOST_POINTS // 2), "series")
    if window is not None and window.figure is not None:
        left, width = axes.stretch(window.first, window.last)
        canvas.line(left, axes.y(window.figure), left + width, axes.y(window.figure), "figure")
    tiny = len(points) > _MOST_LARGE
    for verdict, shape in MARKS.items():
        if verdict == "PASS" and len(points) > _MOST_POINTS:
            continue
        canvas.path(
            _of_verdict(verdict, shape, numbers, points, subject.verdicts, tiny), f"point {verdict}"
        )


def _of_verdict(
    verdict: VerdictWord,
    shape: str,
    numbers: Sequence[int],
    points: Sequence[Point | None],
    verdicts: Mapping[int, VerdictWord],
    tiny: bool,  # noqa: FBT001
) -> str:
    return marks(
        (
            point
            for number, point in zip(numbers, points, strict=True)
            if point is not None and verdicts[number] == verdict
        ),
        shape,
        tiny=tiny,
    )


# -- the table and the data of uPlot -------------------------------------------------------------


def _table(subject: Subject, kpi: KpiView) -> Table:
    numbers, verdicts = subject.numbers, subject.lane.iterations.verdicts
    unit = f" in {kpi.unit}" if kpi.unit else ""
    caption = f"{kpi.name}{unit}"
    if len(numbers) <= _MOST_ROWS:
        rows = [
            (str(number), "no data" if value is None else figure_text(kpi, value))
            for number, value in zip(numbers, kpi.values, strict=True)
        ]
        if not kpi.gated:
            return Table(caption, ("iteration", "value"), tuple(rows))
        judged = [(*row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
        return Table(caption, ("iteration", "value", "verdict"), tuple(judged))
    heads = ("iterations", "lowest", "middle", "highest", "no data", "worst verdict")
    order = list(MARKS)
    groups = []
    for part in range(_STRETCHES):
        first, end = part * len(numbers) // _STRETCHES, (part + 1) * len(numbers) // _STRETCHES
        present = sorted(value for value in kpi.values[first:end] if value is not None)
        shown = (
            [short(present[0]), short(present[len(present) // 2]), short(present[-1])]
            if present
            else ["-", "-", "-"]
        )
        groups.append(
            (
                stretch(numbers[first:end]),
                *shown,
                str(end - first - len(present)),
                max(verdicts[first:end], key=order.index),
            )
        )
    return Table(caption, heads, tuple(groups), "Every single value is in the journal of the lane.")


def _data(ident: str, subject: Subject, kpi: KpiView) -> dict[str, object]:
    numbers, values = compact(subject.numbers, kpi.values)
    data: dict[str, object] = {
        "id": ident,
        "kind": "kpi",
        "name": cut(kpi.name, _NAME),
        "unit": cut(kpi.unit, 20),
        "values": rounded(values),
    }
    if numbers is not None:
        data["x"] = numbers
    if kpi.limit is not None:
        limit = kpi.limit
        data["limit"] = [limit.value, int(limit.upper), cut(with_unit(limit.text, kpi.unit), 40)]
        if limit.other is not None:
            data["other"] = limit.other
    if kpi.window is not None:
        data["window"] = window_data(kpi.window)
    return data
