"""The audit's section on scenarios: what fired, what it did to the KPIs, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.gate.figures import figure, mean_of, measured_iterations
from pytest_soak.gate.recovery import Recovery, recoveries, told
from pytest_soak.loop.model import History, Iteration
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.report.markdown import cell


def scenario_lines(history: History, mock: bool) -> list[str]:
    """Markdown lines, none for a lane in which nothing was scheduled."""
    lines: list[str] = []
    for one in recoveries(history, mock):
        lines += _occurrence(history, one)
    return lines


def _occurrence(history: History, one: Recovery) -> list[str]:
    planned = one.scheduled
    lines = [
        f"#### {planned.name}, iteration {planned.at}",
        "",
        f"Scheduled: after {planned.after_s:g} s, for {planned.for_s:g} s, strength "
        f"{planned.strength:g}, gate: {planned.gate}.",
    ]
    for fired in one.fired:
        lines.append(
            f"Fired in iteration {fired.iteration}, {fired.started_s:.1f} to {fired.ended_s:.1f} s"
            f"{_measured(fired.measured)}."
        )
    if not one.fired:
        return [*lines, "**It did not fire.**", ""]
    lines.append(f"Recovery: {cell(told(one))}.")
    return [*lines, "", *_table(history, one), ""]


def _measured(measured: Mapping[str, Any]) -> str:
    shown = [
        f"{cell(str(key))} {figure(finite)}"
        for key, value in measured.items()
        if (finite := number(value)) is not None
    ]
    return f": {', '.join(shown)}" if shown else ""


def _table(history: History, one: Recovery) -> list[str]:
    window = history.profile.gate.window
    measured = measured_iterations(history)
    numbers = {fired.iteration for fired in one.fired}
    during = [item for item in measured if item.number in numbers]
    calm = [item for item in measured if not fired_in(item)]
    before = [item for item in calm if item.number < min(numbers)][-window:]
    after = [item for item in calm if item.number > max(numbers)][:window]
    rows = [
        f"| {cell(kpi)} | {' | '.join(figures)} |"
        for kpi in history.profile.kpis
        if (figures := _means((before, during, after), kpi)) != ["-", "-", "-"]
    ]
    heads = (f"{len(before)} before", f"{len(during)} during", f"{len(after)} after")
    return [f"| mean of | {' | '.join(heads)} |", "|---|---|---|---|", *rows]


def _means(stretches: Sequence[Sequence[Iteration]], kpi: str) -> list[str]:
    return [figure(mean_of(stretch, kpi)) for stretch in stretches]
