"""The sweep as text: SWEEP.md, SWEEP.csv, and the table that ends the session."""

from __future__ import annotations

import csv
import math
import textwrap
from collections.abc import Sequence

from pytest_soak.report.lane_words import joined, limits_text
from pytest_soak.report.layout import SHORT_NAMES, WIDTH, cut
from pytest_soak.report.markdown import cell
from pytest_soak.report.sweep_model import Estimate, KpiAtPoint, Point, Sweep

PICTURE = "SWEEP.svg"
_MOST_ROWS = 60
"""On the terminal; SWEEP.md has all rows."""
_COLUMN = 13
_STATES = 21
"""Columns for the limits missed, with the space before them."""
_SHORT = {**SHORT_NAMES, "fills_per_hour": "fills/h"}
_RULE = (
    "The best window is the largest block of neighbouring points at which the mean of every gated "
    "KPI meets its limit. Of equally large blocks it is the one with the better mean {rank}. Its "
    "best point is the one with the best {rank}."
)


_FEW_SEEDS = (
    " With so few seeds they are wide: the t quantile is 12.7 for two seeds, 3.2 for four, 2.4 for "
    "eight."
)


# -- sentences ---------------------------------------------------------------------------------


def value_text(sweep: Sweep, axis: int, value: float) -> str:
    """A value of the swept parameter of this number as it was written: 0.3, 400, true, a choice."""
    return sweep.parameters[axis].exact(value)


def value_texts(sweep: Sweep, values: Sequence[float]) -> list[str]:
    return [value_text(sweep, axis, value) for axis, value in enumerate(values)]


def point_text(sweep: Sweep, values: Sequence[float]) -> str:
    return ", ".join(value_texts(sweep, values))


def decimals(sweep: Sweep, kpi: str) -> int:
    """How many decimals the figures of a KPI have, the same at every point."""
    figures = [point.kpis[kpi].figure for point in sweep.points]
    size = max((abs(figure.mean) for figure in figures if figure is not None), default=0.0)
    return 3 if size <= 1.0 else 2 if size < 100.0 else 1 if size < 1000.0 else 0


def setting_text(sweep: Sweep) -> str:
    """How it was measured: ``mock; 2 seeds x 24 iterations of 300 s per point; tuner off``."""
    seeds = f"{len(sweep.seeds)} seed{'s' * (len(sweep.seeds) > 1)}"
    limits = limits_text(sweep.limit_set)
    return (
        f"{sweep.target}; {seeds} x {sweep.iterations} iterations of {sweep.interval_s:g} s per "
        f"point; tuner {'on' if sweep.tune else 'off'}{f'; {limits}' if limits else ''}"
    )


def verdict_text(sweep: Sweep) -> str:
    """The best window and its best point; without a window, the nearest point and its misses."""
    if sweep.window is None:
        if sweep.nearest is None:
            return "best window: none, and no point has data on every gated KPI"
        point = sweep.points[sweep.nearest]
        misses = " and ".join(
            f"{name} by {100.0 * point.kpis[name].shortfall:.1f} % of its limit"
            for name in point.missed
        )
        nearest = point_text(sweep, point.values)
        return f"best window: none; the nearest point is {nearest}, which misses {misses}"
    inside = [sweep.points[index] for index in sorted(sweep.window.points)]
    spans = []
    for axis, key in enumerate(sweep.keys):
        values = sorted({point.values[axis] for point in inside})
        span = value_text(sweep, axis, values[0])
        last = value_text(sweep, axis, values[-1])
        spans.append(f"{key} {span}" + (f" to {last}" * (len(values) > 1)))
    box = math.prod(
        len({point.values[axis] for point in inside}) for axis in range(len(sweep.keys))
    )
    odd = ", not a full rectangle" if box > len(inside) else ""
    certain = sum(point.certain for point in inside)
    sure = (
        f"{'all' if certain == len(inside) else certain or 'none'} of them with 95 % certainty"
        if len(inside) > 1
        else f"{'with' if certain else 'without'} 95 % certainty"
    )
    best = sweep.points[sweep.window.best]
    rank = best.kpis[sweep.rank].figure
    shown = f"{rank.mean:.{decimals(sweep, sweep.rank)}f}" if rank is not None else "-"
    return (
        f"best window: {' x '.join(spans)} ({len(inside)} of {len(sweep.points)} points{odd}, "
        f"{sure}); best {sweep.rank} {shown} at {point_text(sweep, best.values)}"
    )


def reference_text(sweep: Sweep) -> str:
    """The point from which differences are taken."""
    text = point_text(sweep, sweep.points[sweep.reference].values)
    if sweep.at_start:
        return f"the start value {text}" if len(sweep.keys) == 1 else f"the start values {text}"
    return f"{text}, the point nearest to the start {point_text(sweep, sweep.start)}"


def interval_text(sweep: Sweep) -> str:
    """What the intervals mean, and what they do not mean."""
    if len(sweep.seeds) > 1:
        return (
            f"Intervals are 95 % Student t intervals over {len(sweep.seeds)} seeds; each seed is a "
            "run of its own. Differences are paired by seed, since every point had the same "
            "seeds. Each interval alone has a confidence of 95 %, not all of them together."
            + (_FEW_SEEDS if len(sweep.seeds) < 4 else "")
        )
    return (
        "With one seed there is one run of each point: intervals are 95 % intervals of its "
        "iterations, corrected for AR(1) noise (of differences: of the paired iterations). They "
        "do not hold for other seeds. Give at least two seeds (--soak-seed=1,2,3,4)."
    )


def state_text(sweep: Sweep, point: Point) -> str:
    """``met``, ``met, certain``, ``not: net, p95``, ``incomplete``."""
    if not point.complete:
        return "incomplete"
    if point.missed:
        return "not: " + ", ".join(_SHORT.get(name, name) for name in point.missed)
    return "met, certain" if point.certain else "met"


# -- the terminal ------------------------------------------------------------------------------


def sweep_table(sweeps: Sequence[Sweep]) -> list[str]:
    """Lines of at most 100 columns; the last of each sweep names its best window."""
    lines: list[str] = []
    for sweep in sweeps:
        lines += _terminal(sweep)
    return lines


def _terminal(sweep: Sweep) -> list[str]:
    labels = [point_text(sweep, point.values) for point in sweep.points]
    title = ", ".join(sweep.keys)
    label = min(max(8, *(len(text) + 2 for text in labels)), 24)
    names = list(sweep.units)[: (WIDTH - label - _STATES) // _COLUMN]

    def row(mark: str, first: str, cells: Sequence[str], last: str) -> str:
        middle = "".join(f"{cut(text, _COLUMN - 1):>{_COLUMN}}" for text in cells)
        return cut(f"{mark} {cut(first, label):<{label}}{middle}  {last}".rstrip(), WIDTH)

    limits = [str(sweep.limits[name]) if name in sweep.limits else "" for name in names]
    heading = f"sweep of {title}: {joined(f'profile {sweep.profile}', sweep.symbol)}"
    lines = [
        cut(heading, WIDTH),
        cut(f"  {setting_text(sweep)}", WIDTH),
        row(" ", "", [_SHORT.get(name, name) for name in names], "limits"),
        row(" ", "", limits, ""),
        "  " + "-" * (WIDTH - 4),
    ]
    for index, (text, point) in enumerate(zip(labels, sweep.points, strict=True)):
        if index == _MOST_ROWS:
            lines.append(f"  and {len(labels) - _MOST_ROWS} more points, in SWEEP.md")
            break
        cells = [_short(sweep, name, point.kpis[name]) for name in names]
        lines.append(row(_mark(sweep, index), text, cells, state_text(sweep, point)))
    if len(names) < len(sweep.units):
        lines.append("  more KPIs are in SWEEP.md")
    lines += textwrap.wrap(
        f"  mean +- 95 % half-width; = {reference_text(sweep)}; + best window; * its best point. "
        f"{interval_text(sweep)}",
        WIDTH,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return [*lines, *textwrap.wrap(verdict_text(sweep), WIDTH, subsequent_indent="  "), ""]


def _mark(sweep: Sweep, index: int) -> str:
    if sweep.window is not None and index == sweep.window.best:
        return "*"
    if index == sweep.reference:
        return "="
    return "+" if sweep.window is not None and index in sweep.window.points else " "


def _short(sweep: Sweep, kpi: str, at: KpiAtPoint) -> str:
    if at.figure is None:
        return "no data"
    digits = decimals(sweep, kpi)
    shown = f"{at.figure.mean:.{digits}f}+-{at.figure.high - at.figure.mean:.{digits}f}"
    # The digits of an interval that is too wide for its column, or infinite, do not help.
    return (
        shown if len(shown) < _COLUMN and "inf" not in shown else shown.partition("+-")[0] + "+-?"
    )


# -- Markdown ----------------------------------------------------------------------------------


def sweep_markdown(sweeps: Sequence[Sweep]) -> str:
    """SWEEP.md."""
    lines: list[str] = []
    for sweep in sweeps:
        keys = " and ".join(f"`{key}`" for key in sweep.keys)
        lines += [f"# Sweep of {keys}: {joined(cell(sweep.profile), cell(sweep.symbol))}", ""]
        lines += [f"**{_capital(verdict_text(sweep))}.**", ""]
        lines += [f"{cell(_capital(setting_text(sweep)))}. {interval_text(sweep)}", ""]
        lines += [_RULE.format(rank=f"`{sweep.rank}`"), ""]
        if sweep is sweeps[0]:
            lines += [f"![KPIs by value]({PICTURE})", ""]
        lines += ["## KPIs", "", *_kpi_table(sweep), ""]
        lines += [f"## Differences from {reference_text(sweep)}", ""]
        lines += [*_difference_table(sweep), ""]
        lines += _trouble(sweep)
    return "\n".join(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _head(sweep: Sweep, names: Sequence[str], last: Sequence[str]) -> list[str]:
    keys = [
        f"{key}, {unit}" if unit not in ("", "1") else key
        for key, unit in zip(sweep.keys, [item.unit for item in sweep.parameters], strict=True)
    ]
    cells = [*keys, *names, *last]
    align = ["---:"] * (len(keys) + len(names)) + ["---"] * len(last)
    return [f"| {' | '.join(map(cell, cells))} |", f"|{'|'.join(align)}|"]


def _kpi_table(sweep: Sweep) -> list[str]:
    names = [
        f"{name}, {unit}" + (f" ({sweep.limits[name]})" if name in sweep.limits else "")
        for name, unit in sweep.units.items()
    ]
    rows = []
    for index, point in enumerate(sweep.points):
        cells = [_long(sweep, name, at) for name, at in point.kpis.items()]
        note = state_text(sweep, point)
        values = list(map(cell, value_texts(sweep, point.values)))
        rows.append(f"| {' | '.join([*values, *cells, note, _place(sweep, index)])} |")
    return [*_head(sweep, names, ("limits", "")), *rows]


def _long(sweep: Sweep, kpi: str, at: KpiAtPoint) -> str:
    if at.figure is None:
        return "no data ✗"
    return _plus_minus(at.figure, decimals(sweep, kpi)) + ("" if at.meets else " ✗")


def _plus_minus(estimate: Estimate, digits: int, sign: str = "") -> str:
    half = estimate.high - estimate.mean
    shown = f"{half:.{digits}f}" if math.isfinite(half) else "?"
    return f"{estimate.mean:{sign}.{digits}f} ± {shown}"


def _place(sweep: Sweep, index: int) -> str:
    words = []
    if index == sweep.reference:
        words.append("start" if sweep.at_start else "reference")
    if sweep.window is not None and index in sweep.window.points:
        words.append("**best point**" if index == sweep.window.best else "best window")
    elif sweep.nearest == index:
        words.append("nearest")
    return ", ".join(words)


def _difference_table(sweep: Sweep) -> list[str]:
    names = [f"{name}, {unit}" for name, unit in sweep.units.items()]
    rows = []
    for index, point in enumerate(sweep.points):
        if index == sweep.reference:
            continue
        cells = [
            "-" if at.difference is None
            else _plus_minus(at.difference, decimals(sweep, name), "+")
            + (" \\*" if at.difference.differs else "")
            for name, at in point.kpis.items()
        ]  # fmt: skip
        rows.append(f"| {' | '.join([*map(cell, value_texts(sweep, point.values)), *cells])} |")
    if not rows:
        return ["There is no other point."]
    return [*_head(sweep, names, ()), *rows, "", "\\* 0 lies outside the interval."]


def _trouble(sweep: Sweep) -> list[str]:
    incomplete = [point for point in sweep.points if not point.complete]
    if not incomplete:
        return []
    return [
        "## Incomplete points",
        "",
        "They belong to no window. FAILURES.md has the reasons.",
        "",
        *(
            f"- {cell(point_text(sweep, point.values))}: {point.measured} of {point.planned} "
            "iterations measured"
            for point in incomplete
        ),
        "",
    ]


# -- CSV ---------------------------------------------------------------------------------------


class _Lines(list[str]):
    """A file for csv, in memory."""

    write = list.append


def sweep_csv(sweeps: Sequence[Sweep]) -> str:
    """SWEEP.csv: a row per point; an unknown figure is empty. Raises ValueError without a sweep."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\n")
    kpis = list(dict.fromkeys(kpi for sweep in sweeps for kpi in sweep.units))
    figures = ("mean", "low", "high", "limit", "meets", "diff", "diff_low", "diff_high")
    has_symbol = any(sweep.symbol for sweep in sweeps)
    writer.writerow(
        [
            *("profile", *(["symbol"] if has_symbol else []), *sweeps[0].keys),
            *("seeds", "measured", "planned"),
            *("limits", "certain", "in_best_window", "is_reference"),
            *(f"{kpi}_{part}" for kpi in kpis for part in figures),
        ]
    )
    for sweep in sweeps:
        for index, point in enumerate(sweep.points):
            inside = sweep.window is not None and index in sweep.window.points
            row: list[object] = [sweep.profile, *([sweep.symbol] if has_symbol else [])]
            row += value_texts(sweep, point.values)
            row += [point.seeds, point.measured, point.planned, int(point.meets)]
            row += [int(point.certain), int(inside), int(index == sweep.reference)]
            for kpi in kpis:
                row += _csv_cells(sweep, kpi, point.kpis.get(kpi))
            writer.writerow(row)
    return "".join(lines)


def _csv_cells(sweep: Sweep, kpi: str, at: KpiAtPoint | None) -> list[object]:
    if at is None:
        return [""] * 8
    limit = str(sweep.limits[kpi]) if kpi in sweep.limits else ""
    return [*_numbers(at.figure), limit, int(at.meets) if limit else "", *_numbers(at.difference)]


def _numbers(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return ["", "", ""]
    numbers = (estimate.mean, estimate.low, estimate.high)
    return [f"{number:.9g}" if math.isfinite(number) else "" for number in numbers]
