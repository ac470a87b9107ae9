"""POST_SOAK_AUDIT.md: the run in one file, the verdict and the reason for it on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.gate.figures import figure_by
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import History, Verdict
from pytest_soak.report.audit_lane import lane_lines
from pytest_soak.report.commands import explain_commands
from pytest_soak.report.comparison import comparison_sentences
from pytest_soak.report.events import panics
from pytest_soak.report.lane_words import yes_or_no
from pytest_soak.report.layout import criterion_value
from pytest_soak.report.lists import names
from pytest_soak.report.markdown import bullet, cell, code
from pytest_soak.report.sources import source_lines
from pytest_soak.report.trends import onsets
from pytest_soak.report.why import deciding, headline

_MOST_LANES = 24
"""Lanes that are shown one by one; those that do not PASS come first."""
_FULL_LANES = 4
"""With more lanes those that PASS have their most important sections only."""
_MOST_ROWS = 200
_TABLES = "RECOMMENDATIONS.md has the tables."


def audit(
    histories: Sequence[History],
    judgement: RunJudgement,
    sources: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole run; ``histories`` in the order of ``judgement.lanes``.

    ``sources`` are the ``hooks`` of ``run.json``: the code that decided in the run.
    """
    lines = [
        f"# Soak audit: {judgement.verdict}",
        "",
        headline(judgement),
        "",
    ]
    several = len(histories) > 1
    lines += _next(histories, judgement)
    if several:
        lines += [*_lane_table(judgement.lanes), ""]
        compared = [bullet(text) for text in comparison_sentences(judgement.lanes)]
        if compared:
            lines += ["## Profiles compared", "", *compared, "", _TABLES, ""]
    decided = source_lines(sources, histories[0].target) if histories else []
    lines += [*map(bullet, decided), ""] if decided else []
    pairs = list(zip(histories, judgement.lanes, strict=True))
    pairs.sort(key=lambda pair: -pair[1].verdict.severity)
    for history, lane in pairs[:_MOST_LANES]:
        short = len(pairs) > _FULL_LANES and lane.verdict is Verdict.PASS
        lines += lane_lines(history, lane, several=several, short=short)
    rest = [lane.lane_id for _, lane in pairs[_MOST_LANES:]]
    if rest:
        lines += [f"And {len(rest)} more lanes, in their own directories: {cell(names(rest))}.", ""]
    return "\n".join(lines)


def _next(histories: Sequence[History], judgement: RunJudgement) -> list[str]:
    """The commands that tell more, about the lane with the worst verdict."""
    if not histories:
        return []
    lane = max(judgement.lanes, key=lambda lane: lane.verdict.severity)
    history = lane.window.history
    failing = [item.number for item in history.iterations if item.verdict is Verdict.FAIL]
    numbers = [*failing[:1], *(event.iteration for event in panics(history)[:1])]
    if not numbers:
        numbers = onsets(lane)
    if not numbers and lane.window.last_change is not None:
        numbers = [lane.window.last_change]
    if not numbers and lane.measured:
        numbers = [lane.window.measured[-1].number]
    several = len(histories) > 1
    commands = explain_commands(sorted(numbers[:2]), lane.lane_id, several=several)
    return [f"More, in the directory of this file: {', '.join(map(code, commands))}.", ""]


def _lane_table(lanes: Sequence[LaneJudgement]) -> list[str]:
    """Lane by KPI: the figure over the window, marked where its criterion is not PASS."""
    kpis = list(
        dict.fromkeys(criterion.kpi for lane in lanes for criterion in lane.window.limits.criteria)
    )
    shown = any(lane.freeze_ready is not None for lane in lanes)
    ready = ["freeze ready"] if shown else []
    heads = ["lane", "verdict", *map(cell, kpis), "measured", *ready, "by"]
    rows = [
        "| "
        + " | ".join(
            [
                cell(lane.lane_id),
                str(lane.verdict),
                *(_entry(lane, kpi) for kpi in kpis),
                f"{lane.measured} of {lane.planned}",
                *([yes_or_no(lane.freeze_ready)] if shown else []),
                cell(names([item.name for item in deciding(lane)], 3)) or "-",
            ]
        )
        + " |"
        for lane in lanes[:_MOST_ROWS]
    ]
    rest = len(lanes) - _MOST_ROWS
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *rows,
        *(["", f"And {rest} more lanes."] if rest > 0 else []),
    ]


def _entry(lane: LaneJudgement, kpi: str) -> str:
    limit, value = lane.window.comparison(kpi), lane.means.get(kpi)
    if limit is None:
        return "-"
    criterion = lane.window.limits.criterion(kpi)
    name = kpi if criterion is None else criterion.name
    result = next((item for item in lane.criteria if item.name == name), None)
    verdict = Verdict.PASS if result is None else result.verdict
    text = figure_by(value, limit)
    if result is not None and name != kpi:
        text = f"{name.partition(':')[0]} {criterion_value(result)}"
    return text if verdict is Verdict.PASS else f"{text} {verdict}"
