"""Many lanes in one table: a row each, and the reasons of those that do not PASS."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Final

from pytest_soak.canonical import escaped
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.loop.model import Verdict
from pytest_soak.report.columns import columns, middle_cut, padded
from pytest_soak.report.lane_words import joined, limits_text, yes_or_no
from pytest_soak.report.layout import (
    SHORT_NAMES,
    WIDTH,
    criterion_value,
    cut,
    named_reason,
)

MOST_LISTED: Final = 3
"""So many lanes have a table of their own each; of more there is one table."""
_MOST_EXPLAINED: Final = 8
"""Lanes whose reasons are listed."""
_MOST_REASONS: Final = 3
"""Reasons of one lane that are listed."""
_NAME: Final = 28
"""The name of a lane has so many columns, and what the figures leave."""
_FAILING: Final = 24
_LONGEST_FIGURE: Final = 12
_ORDER: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.PASS)
_INDENT: Final = "  "


def lane_table(lanes: Sequence[LaneJudgement]) -> list[str]:
    """A row per lane, the worst first: verdict, measured iterations, gated KPIs, what failed.

    Below it are the reasons of the first lanes that do not PASS, each at most 100 columns wide. A
    lane whose name is too long for its column shows the ends of it.
    """
    ordered = sorted(lanes, key=lambda lane: _ORDER.index(lane.verdict))  # keeps the plan's order
    counts = Counter(lane.verdict for lane in lanes)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict])
    flags = [lane.freeze_ready for lane in lanes if lane.freeze_ready is not None]
    ready = f"{sum(flags)} freeze ready" if flags else ""
    mock = limits_text("mock") if any(lane.limit_set == "mock" for lane in lanes) else ""
    facts = joined(ready, mock)
    title = f"{len(lanes)} lanes: {summary}{f' ({facts})' if facts else ''}"
    return [cut(title, WIDTH), *_rows(ordered), "", *_reasons(ordered)]


def _rows(lanes: Sequence[LaneJudgement]) -> list[str]:
    names = ["lane", *(lane.lane_id for lane in lanes)]
    fixed = [
        ["verdict", *(str(lane.verdict) for lane in lanes)],
        ["measured", *(f"{lane.measured}/{lane.planned}" for lane in lanes)],
    ]
    if any(lane.freeze_ready is not None for lane in lanes):
        fixed.append(["ready", *(yes_or_no(lane.freeze_ready) for lane in lanes)])
    failing = ["not passed", *(_failing(lane) for lane in lanes)]
    longest = _width(names)
    left = WIDTH - len(_INDENT) - sum(_width(column) + 2 for column in [*fixed, failing])
    figures = _figures(lanes, left - min(longest, _NAME))
    left -= sum(_width(column) + 2 for column in figures)
    width = min(longest, left)
    columns_shown = [[middle_cut(name, width) for name in names], *fixed, *figures, failing]
    sizes = list(map(_width, columns_shown))
    numeric = range(1 + len(fixed), len(columns_shown) - 1)
    rows = []
    for row in zip(*columns_shown, strict=True):
        texts = [
            f"{cell:>{size}}" if index in numeric else padded(cell, size)
            for index, (cell, size) in enumerate(zip(row, sizes, strict=True))
        ]
        rows.append((_INDENT + "  ".join(texts)).rstrip())
    return [rows[0], _INDENT + "-" * (_width(rows) - len(_INDENT)), *rows[1:]]


def _figures(lanes: Sequence[LaneJudgement], left: int) -> list[list[str]]:
    """A column for each gated KPI of the lanes, as many as ``left`` columns take."""
    kpis = dict.fromkeys(
        criterion.kpi
        for lane in lanes
        for criterion in lane.window.history.profile.gate.criteria
        if any(item.name == criterion.kpi for item in lane.criteria)
    )
    shown: list[list[str]] = []
    for name in kpis:
        head = cut(SHORT_NAMES.get(name, name), _LONGEST_FIGURE)
        column = [head, *(_figure(lane, name) for lane in lanes)]
        left -= _width(column) + 2
        if left < 0:
            break
        shown.append(column)
    return shown


def _figure(lane: LaneJudgement, kpi: str) -> str:
    result = next((item for item in lane.criteria if item.name == kpi), None)
    return "-" if result is None else cut(criterion_value(result), _LONGEST_FIGURE)


def _failing(lane: LaneJudgement) -> str:
    """The criteria that make the verdict: the first by name, of more the number."""
    results = [item for item in _not_passed(lane) if item.verdict is lane.verdict]
    if not results:
        return ""
    more = f" +{len(results) - 1}" if len(results) > 1 else ""
    return f"{cut(results[0].name, _FAILING - len(more))}{more}"


def _reasons(lanes: Sequence[LaneJudgement]) -> list[str]:
    others = [lane for lane in lanes if lane.verdict is not Verdict.PASS]
    lines: list[str] = []
    for lane in others[:_MOST_EXPLAINED]:
        results = _not_passed(lane)
        results.sort(key=lambda item: _ORDER.index(item.verdict))
        lines.append(f"lane {middle_cut(lane.lane_id, 75)}: {lane.verdict}")
        for result in results[:_MOST_REASONS]:
            text = escaped(f"{result.verdict} {named_reason(result)}")
            lines += textwrap.wrap(text, WIDTH, initial_indent=_INDENT, subsequent_indent=" " * 6)
        more = len(results) - _MOST_REASONS
        lines += [f"  and {more} more, in POST_SOAK_AUDIT.md"] if more > 0 else []
    if len(others) > _MOST_EXPLAINED:
        more = len(others) - _MOST_EXPLAINED
        lines.append(f"and {more} more lane{'s' * (more > 1)}, in POST_SOAK_AUDIT.md")
    return [*lines, ""] if lines else []


def _not_passed(lane: LaneJudgement) -> list[CriterionResult]:
    return [item for item in lane.criteria if item.binding and item.verdict is not Verdict.PASS]


def _width(column: Sequence[str]) -> int:
    return max(map(columns, column))
