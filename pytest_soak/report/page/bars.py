"""Small pictures: where a criterion's figure lies, the outcomes, the verdicts in a row."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.report.layout import cut
from pytest_soak.report.page.axes import Scale, span_of
from pytest_soak.report.page.canvas import Canvas, marks, polyline
from pytest_soak.report.page.panel import Table
from pytest_soak.report.page.words import MARKS, counted, row_bounds, row_figure, with_unit
from pytest_soak.report.view.model import (
    GateRowView,
    KpiView,
    OutcomesView,
    VerdictWord,
)
from pytest_soak.report.view.scale import extremes

_NAME = 60
_COLUMNS = 400
_HEIGHTS: dict[VerdictWord, float] = {"PASS": 4, "WARN": 12, "INCONCLUSIVE": 16, "FAIL": 22}


def gate_bar(ident: str, row: GateRowView, values: Sequence[float | None]) -> str:
    """Figure, bounds and limit of a criterion on one scale; empty for counts.

    ``values`` are those of its KPI: the scale has their range at least.
    """
    if row.value is None or row.limit_value is None:
        return ""
    if row.bound is None and row.value.is_integer() and row.limit_value.is_integer():
        return ""
    canvas = Canvas(ident, 220, 30)
    low, high = span_of((row.value, row.low, row.high, row.limit_value, row.other_limit, *values))
    x = Scale(low, high, 4, 216)
    limit = x(row.limit_value)
    left, right = (limit, 216.0) if row.upper else (4.0, limit)
    canvas.rect(4, 6, 212, 18, "ground")
    canvas.rect(left, 6, right - left, 18, "beyond")
    if row.other_limit is not None:
        other = x(row.other_limit)
        left, right = (4.0, other) if row.upper else (other, 216.0)
        canvas.rect(left, 6, right - left, 18, "beyond")
        canvas.line(other, 2, other, 28, "limit solid")
    bounds = [value for value in (row.low, row.value, row.high) if value is not None]
    if len(bounds) > 1:
        start, end = x(min(bounds)), x(max(bounds))
        canvas.path(f"M{start:.1f},11v8m0-4H{end:.1f}m0-4v8", "whisker")
    canvas.line(limit, 2, limit, 28, "limit solid")
    canvas.path(marks([(x(row.value), 15.0)], MARKS[row.verdict]), f"point {row.verdict}")
    return canvas.svg(f"{cut(row.criterion, _NAME)} against its limit", _bar_text(row), "bar")


def _bar_text(row: GateRowView) -> str:
    texts = [f"figure {with_unit(row_figure(row, row.value), row.unit)}"]
    if bounds := row_bounds(row):
        texts.append(f"bounds {bounds}")
    side = "larger" if row.upper else "smaller"
    side = "other" if row.other_limit is not None else side
    texts.append(f"limit {row.limit}, {side} values are outside")
    return f"{', '.join(texts)}: {row.verdict}."


def outcome_bars(ident: str, outcomes: OutcomesView) -> tuple[str, Table]:
    """The outcomes of the requested moves and the guards that stopped them."""
    rows = [
        ("applied", outcomes.applied, "applied"),
        ("clipped", outcomes.clipped, "short"),
        ("skipped", outcomes.skipped, "short"),
        ("withheld", outcomes.withheld, "short"),
        *((cut(guard, 24), count, "guard") for guard, count in outcomes.by_guard[:12]),
    ]
    heads = {0: "what became of the requested moves", 4: "which guard refused, cut or withheld"}
    canvas = Canvas(ident, 600, 22.0 * (len(rows) + 1 + (len(rows) > 4)) + 16)
    most = max([count for _, count, _ in rows] + [1])
    top = -18.0
    for place, (word, count, name) in enumerate(rows):
        top += 22.0
        if place in heads:
            top += 8.0 if place else 0.0
            canvas.text(4, top + 13, heads[place], "head")
            top += 22.0
        canvas.text(140, top + 13, word, "tick end")
        width = 390 * count / most
        canvas.rect(148, top + 2, max(width, 1.0), 15, f"outcome {name}")
        canvas.text(148 + width + 6, top + 14, f"{count:,}", "value")
    texts = ", ".join(f"{word} {count}" for word, count, _ in rows)
    meanings = {
        "applied": "as requested",
        "clipped": "cut to what a guard or a bound allows",
        "skipped": "refused: nothing was left to move, or a guard forbade it",
        "withheld": "kept back by a guard before it was requested in this iteration",
    }
    table = Table(
        "Requested moves by outcome and by guard",
        ("outcome or guard", "moves", "meaning"),
        tuple((word, f"{count:,}", meanings.get(word, "")) for word, count, _ in rows),
    )
    return canvas.svg("Outcomes of the requested moves", f"{texts}.", "plot"), table


def verdict_strip(ident: str, numbers: Sequence[int], verdicts: Sequence[VerdictWord]) -> str:
    """One bar per iteration, or per stretch of them with its worst verdict."""
    canvas = Canvas(ident, 1200, 30, stretched=True)
    order = list(MARKS)
    count, columns = len(numbers), min(len(numbers), _COLUMNS)
    width = 1196 / max(columns, 1)
    groups: dict[tuple[VerdictWord, float], list[str]] = {}
    for column in range(columns):
        first, end = column * count // columns, (column + 1) * count // columns
        worst = max(verdicts[first:end], key=order.index)
        height = _HEIGHTS[worst]
        bar = max(width - (1.5 if width > 4 else 0), 0.8)
        data = f"M{2 + column * width:.1f},{28 - height:g}h{bar:.1f}v{height:g}h-{bar:.1f}z"
        groups.setdefault((worst, height), []).append(data)
    for (verdict, _), parts in groups.items():
        canvas.path("".join(parts), f"cell {verdict}", verdict)
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in order if verdict in verdicts]
    return canvas.svg(
        "Verdicts of the iterations",
        f"{counted(count, 'iteration')}: {', '.join(counts)}.",
        "strip",
    )


def sparkline(ident: str, kpi: KpiView, verdict: str, span: tuple[float, float]) -> str:
    """A KPI over the iterations of a lane in the size of a word, on the scale of ``span``."""
    canvas = Canvas(ident, 120, 30)
    limits = () if kpi.limit is None else (kpi.limit.value, kpi.limit.other)
    low, high = span
    numbers: Sequence[int] = range(len(kpi.values))
    values: Sequence[float | None] = kpi.values
    if len(values) > 120:
        numbers, values = extremes(numbers, values, 60)
    x, y = Scale(0, max(len(kpi.values) - 1, 1), 4, 116), Scale(low, high, 27, 3)
    for above, limit in enumerate(limits):
        if kpi.limit is None or limit is None or limit not in y:
            continue
        place, upper = y(limit), kpi.limit.upper is not bool(above)
        top, bottom = (3.0, place) if upper else (place, 27.0)
        canvas.rect(0, top, 120, bottom - top, "beyond")
        canvas.line(0, place, 120, place, "limit")
    points = [
        None if value is None else (x(number), y(value))
        for number, value in zip(numbers, values, strict=True)
    ]
    canvas.path(polyline(points), "series")
    last = next((point for point in reversed(points) if point is not None), None)
    if last is not None:
        canvas.path(marks([last], "dot"), "point PASS")
    text = f"{counted(len(kpi.values), 'iteration')}{f', verdict {verdict}' if verdict else ''}."
    return canvas.svg(cut(kpi.name, _NAME), text, "spark")
