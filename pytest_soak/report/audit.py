"""POST_SOAK_AUDIT.md: a summary of the run, verdict first."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.echo import echo_lines
from pytest_soak.gate.figures import figure, mean_of
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History, Iteration, Verdict
from pytest_soak.report.deltas import delta_figures
from pytest_soak.report.effects import effect_lines
from pytest_soak.report.layout import criterion_margin, criterion_value
from pytest_soak.report.markdown import bullet, cell
from pytest_soak.report.notices import notice_lines
from pytest_soak.report.scenarios import scenario_lines
from pytest_soak.report.sources import source_lines
from pytest_soak.report.summary import final_values
from pytest_soak.statistics import detrended

FIRST = 4
"""Iterations that count as the start of a run (docs/mock.md)."""

_OUTLIER = 5.0
"""Robust standard deviations from the trend; about 1 in 1.7 million for normal noise."""

_SD_OF_MAD = 1.4826
_LONGEST_LIST = 20


def audit(
    histories: Sequence[History],
    judgement: RunJudgement,
    sources: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole run; ``histories`` in the order of ``judgement.lanes``.

    ``sources`` are the ``hooks`` of ``run.json``: the code that decided in the run.
    """
    lines = [f"# Soak audit: {judgement.verdict}", ""]
    decided = source_lines(sources, histories[0].target) if histories else []
    lines += [*map(bullet, decided), ""] if decided else []
    if len(histories) > 1:
        lines += ["| lane | verdict | measured | freeze ready |", "|---|---|---|---|"]
        lines += [
            f"| {cell(lane.lane_id)} | {lane.verdict} | {lane.measured} of {lane.planned} "
            f"| {'yes' if lane.freeze_ready else 'no'} |"
            for lane in judgement.lanes
        ]
        lines.append("")
    for history, lane in zip(histories, judgement.lanes, strict=True):
        lines += _lane(history, lane)
    return "\n".join(lines)


def _lane(history: History, lane: LaneJudgement) -> list[str]:
    mode = "" if history.tune else ", tuner off"
    mode += ", dry run" if history.dry_run else ""
    return [
        f"## Lane {cell(lane.lane_id)}: {lane.verdict}",
        "",
        f"Profile {cell(history.profile.name)}, {cell(history.lane.symbol)}, seed "
        f"{history.lane.seed}, target {cell(history.target)}{mode}; {lane.measured} of "
        f"{lane.planned} iterations of {history.lane.interval_s:g} s; "
        f"{'mock' if lane.mock else 'production'} limits; "
        f"{'freeze ready' if lane.freeze_ready else 'not freeze ready'}.",
        "",
        *_recorded_data(history),
        *_unknown(history),
        *_section("Gate", _gate_table(lane.criteria)),
        *_disturbed(lane),
        *_section("Trends", _trends(lane.window)),
        *_section("Anomalies", _bounded(list(anomalies(lane.window)))),
        *_section("Parameters", _parameters(history)),
        *_section("Rules", _rules(history)),
        *_section("Effects", effect_lines(history)),
        *_section("Deltas", _deltas(lane)),
        *_section("Volume", _volume(lane.window)),
    ]


def _recorded_data(history: History) -> list[str]:
    """What a replay reports about its recording, and what is doubtful about it."""
    section = history.iterations[0].report.get("replay") if history.iterations else None
    lines = section.get("recording") if isinstance(section, Mapping) else None
    if not isinstance(lines, list):
        return []
    return [*(bullet(str(line)) for line in lines[:_LONGEST_LIST]), ""]


def _unknown(history: History) -> list[str]:
    """Names in reports that the profile does not declare; no figure uses them."""
    lines = [bullet(text) for text in notice_lines([history])]
    title = "Names that the profile does not declare, so no figure uses them:"
    return [title, "", *lines, ""] if lines else []


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *lines, ""]


def _disturbed(lane: LaneJudgement) -> list[str]:
    lines = scenario_lines(lane)
    return ["### Scenarios", "", *lines] if lines else []


def _gate_table(criteria: Sequence[CriterionResult]) -> list[str]:
    return [
        "| criterion | verdict | value | limit | margin | n | n_eff | why |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {cell(item.name)} | {item.verdict} | {criterion_value(item)} | {cell(item.limit)} "
            f"| {criterion_margin(item)} | {item.n} | {_size(item.n_eff)} | {cell(item.reason)} |"
            for item in criteria
        ),
    ]


def _size(n_eff: float | None) -> str:
    return figure(n_eff) if n_eff is None or not math.isfinite(n_eff) else f"{n_eff:.1f}"


def _trends(window: LaneWindow) -> list[str]:
    first, last = window.measured[:FIRST], window.last
    if len(window.measured) <= FIRST:
        return [f"{len(window.measured)} iterations measured: too few to show a trend."]
    rows, unknown = [], []
    for kpi in window.history.profile.kpis:
        begin, end = mean_of(first, kpi), mean_of(last, kpi)
        if begin is None and end is None:
            unknown.append(kpi)
            continue
        difference = end - begin if begin is not None and end is not None else None
        sign = "+" if difference is not None and difference > 0.0 else ""
        shown = f"{figure(begin)} | {figure(end)} | {sign}{figure(difference)}"
        rows.append(f"| {cell(kpi)} | {shown} |")
    return [
        f"| KPI | first {len(first)} | last {len(last)} | difference |",
        "|---|---|---|---|",
        *rows,
        *(["", f"Without data: {cell(', '.join(unknown))}."] if unknown else []),
    ]


_PINNED = {
    True: "the tuner does not move it any more (guard pin)",
    False: "the tuner does not move it for a while (guard pin)",
}


def anomalies(window: LaneWindow) -> Iterator[str]:
    """What deserves a reader's attention, in the order of the iterations."""
    history, outliers = window.history, _outliers(window)
    pin = history.profile.guards.pin
    for item in history.iterations:
        if item.external or item.edited is not None:
            when = "in" if item.edited is not None else "before"
            edits = [f"{key} {old:g} -> {new:g}" for key, (old, new) in item.edits.items()]
            text = f", {', '.join(edits)}" if edits else ""
            if edits and pin.iterations != 0:
                text += f"; {_PINNED[pin.iterations is None]}"
            yield f"{when} iteration {item.number}: the runtime file was edited by hand{text}"
        for text in _of_iteration(item):
            yield f"iteration {item.number}: {text}"
        yield from (f"iteration {item.number}: {text}" for text in outliers.get(item.number, ()))
    for line in echo_lines(history.iterations):
        yield f"the target ran with other values: {line}"
    if history.halt is not None:
        yield f"iteration {history.halt.iteration}: {history.halt.kind}: {history.halt.text}"


def _of_iteration(item: Iteration) -> Iterator[str]:
    if item.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        yield f"{item.verdict}: {'; '.join(item.reasons)}"
    if item.failed_checks:
        yield f"failed checks: {', '.join(item.failed_checks)}"
    decision = item.decision
    if decision is not None and decision.panic is not None:
        panic = decision.panic
        over = f", over the pins of {', '.join(panic.pins)}" if panic.pins else ""
        yield f"PANIC, {'would revert' if panic.would else 'reverted'} to {panic.revert_to}{over}"
    if decision is not None and decision.note:
        yield decision.note


def _outliers(window: LaneWindow) -> dict[int, list[str]]:
    outliers: dict[int, list[str]] = {}
    for kpi in window.history.profile.kpis:
        points = [
            (float(item.number), value)
            for item, value in zip(window.measured, window.series(kpi), strict=True)
            if value is not None
        ]
        if len(points) < 2 * FIRST:
            continue
        residuals = detrended(points)
        middle = statistics.median(residuals)
        spread = _SD_OF_MAD * statistics.median(abs(value - middle) for value in residuals)
        for (number, value), residual in zip(points, residuals, strict=True):
            if spread > 0.0 and abs(residual - middle) > _OUTLIER * spread:
                distance = (residual - middle) / spread
                text = f"{kpi} {figure(value)} is {distance:+.1f} robust sd from its trend"
                outliers.setdefault(int(number), []).append(text)
    return outliers


def _bounded(lines: list[str]) -> list[str]:
    if not lines:
        return ["None."]
    shown = [bullet(line) for line in lines[:_LONGEST_LIST]]
    rest = len(lines) - _LONGEST_LIST
    return [*shown, f"- … and {rest} more"] if rest > 0 else shown


def _parameters(history: History) -> list[str]:
    end = final_values(history)
    rows = []
    for key, start in history.start_values.items():
        value = end.get(key, start)
        parameter = history.profile.parameters.get(key)
        unit = parameter.unit if parameter is not None else ""
        figures = f"{start:.6g} | {value:.6g} | {value - start:+.6g}"
        rows.append(f"| {cell(key)} | {figures} | {cell(unit)} |")
    return ["| key | start | end | change | unit |", "|---|---|---|---|---|", *rows]


def _rules(history: History) -> list[str]:
    fired: Counter[str] = Counter()
    acted: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for item in history.iterations:
        if item.decision is not None:
            moved = {o.rule for o in item.decision.outcomes if o.applied != 0.0 and o.rule}
            for rule in dict.fromkeys((*item.decision.rules, *sorted(moved))):
                fired[rule] += 1
                acted[rule] += rule in moved
                latest[rule] = item.number
    if not fired:
        return ["No rule fired." if history.tune else "The tuner was off."]
    return [
        "| rule | fired | moved something | last in iteration |",
        "|---|---|---|---|",
        *(
            f"| {cell(name)} | {n} | {acted[name]} | {latest[name]} |"
            for name, n in fired.most_common()
        ),
    ]


def _deltas(lane: LaneJudgement) -> list[str]:
    figures = [
        f"- {name}: {figure(value) if isinstance(value, float) else value}"
        for name, value in delta_figures(lane.delta).items()
        if value is not None
    ]
    return [cell(lane.delta.reason) + ".", "", *figures, *map(bullet, lane.delta.failures)]


def _volume(window: LaneWindow) -> list[str]:
    begin = mean_of(window.measured[:FIRST], "fills_per_hour")
    end = mean_of(window.last, "fills_per_hour")
    if begin is None or end is None:
        return ["Fills per hour are not known."]
    ratio = f", {end / begin:.0%} of the start" if begin > 0.0 else ""
    return [f"Fills per hour: {figure(begin)} at the start, {figure(end)} at the end{ratio}."]
