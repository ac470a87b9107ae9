"""The audit's section on scenarios: what fired, the KPIs around it, and how long recovery took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.gate.figures import figure, mean_of
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.gate.recovery import Recovery, recovery_text
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Iteration
from pytest_soak.report.markdown import cell


def scenario_lines(lane: LaneJudgement) -> list[str]:
    """Markdown lines; none for a lane without a scheduled scenario."""
    lines: list[str] = []
    for item in lane.recoveries:
        lines += _occurrence(lane.window, item)
    return lines


def _occurrence(window: LaneWindow, recovery: Recovery) -> list[str]:
    planned = recovery.scheduled
    lines = [
        f"#### {cell(planned.name)}, iteration {planned.at}",
        "",
        f"Scheduled: after {planned.after_s:g} s, for {planned.for_s:g} s, strength "
        f"{planned.strength:g}, gate: {planned.gate}.",
    ]
    for fired in recovery.fired:
        lines.append(
            f"Fired in iteration {fired.iteration}, {fired.started_s:.1f} to {fired.ended_s:.1f} s"
            f"{_measured(fired.measured)}."
        )
    if not recovery.fired:
        return [*lines, "**It did not fire.**", ""]
    lines.append(f"Recovery: {cell(recovery_text(recovery))}.")
    return [*lines, "", *_table(window, recovery), ""]


def _measured(measured: Mapping[str, Any]) -> str:
    shown = [
        f"{cell(str(key))} {figure(finite)}"
        for key, value in measured.items()
        if (finite := number(value)) is not None
    ]
    return f": {', '.join(shown)}" if shown else ""


def _table(window: LaneWindow, recovery: Recovery) -> list[str]:
    numbers = {fired.iteration for fired in recovery.fired}
    during = tuple(item for item in window.measured if item.number in numbers)
    before = window.undisturbed_before(min(numbers))
    after = window.undisturbed_just_after(max(numbers))
    rows = [
        f"| {cell(kpi)} | {' | '.join(figures)} |"
        for kpi in window.history.profile.kpis
        if (figures := _means((before, during, after), kpi)) != ["-", "-", "-"]
    ]
    heads = (f"{len(before)} before", f"{len(during)} during", f"{len(after)} after")
    return [f"| mean of | {' | '.join(heads)} |", "|---|---|---|---|", *rows]


def _means(stretches: Sequence[Sequence[Iteration]], kpi: str) -> list[str]:
    return [figure(mean_of(stretch, kpi)) for stretch in stretches]
