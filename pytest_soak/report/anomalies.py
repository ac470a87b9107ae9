"""What deserves attention in a lane: FAIL stretches, edits, notes, figures far from their trend.

An anomaly in an iteration in which a scenario ran, or that recovers from one, is marked with it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from pytest_soak.gate.echo import echo_lines
from pytest_soak.gate.figures import figure, series_of
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.kpis import reset_texts
from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.model import PinGuard
from pytest_soak.report.layout import Table, edits_text
from pytest_soak.report.lists import grouped_reasons, iterations_text, names, stretches
from pytest_soak.statistics import fitted_line

_OUTLIER = 5.0
"""Robust standard deviations from the trend; about 1 in 1.7 million for normal noise."""
_SD_OF_MAD = 1.4826
_FEWEST = 8


def anomalies(lane: LaneJudgement) -> Iterator[str]:
    """One text for each, in the order of the iterations."""
    items = sorted(_placed(lane), key=lambda pair: pair[0])
    yield from (text for _, text in items)
    history = lane.window.history
    for line in echo_lines(history.profile.parameters, history.iterations):
        yield f"the target ran with other values: {line}"
    if history.halt is not None:
        yield f"iteration {history.halt.iteration}: {history.halt.kind}: {history.halt.text}"


def _placed(lane: LaneJudgement) -> Iterator[tuple[int, str]]:
    """First iteration and text."""
    history, causes = lane.window.history, _causes(lane)
    profile = history.profile
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        for group in stretches(history.iterations, verdict):
            reasons = "; ".join(grouped_reasons(group, history.profile)[:3])
            yield group[0].number, f"{_where(group, causes)}: {verdict}: {reasons}"
    for item in history.iterations:
        for text in _of_iteration(item, profile.guards.pin, profile.parameters):
            yield item.number, text
    for kpi in history.profile.kpis:
        for group, distance in _outliers(lane.window, kpi):
            values = [value for value in series_of(group, kpi) if value is not None]
            shown = " to ".join(dict.fromkeys((figure(min(values)), figure(max(values)))))
            text = f"{kpi} {shown} is {distance:+.1f} robust sd from its trend"
            yield group[0].number, f"{_where(group, causes)}: {text}"


def _where(group: Sequence[Iteration], causes: dict[int, str]) -> str:
    """``iterations 15-16 (explained by latency_spike)``."""
    where = iterations_text(item.number for item in group)
    scenarios = dict.fromkeys(causes[item.number] for item in group if item.number in causes)
    return f"{where} (explained by {names(list(scenarios))})" if scenarios else where


def _causes(lane: LaneJudgement) -> dict[int, str]:
    """Iteration to the scenario that ran in it, or from which it recovers."""
    causes = {number: item.scheduled.name for item in lane.recoveries for number in item.hurt}
    for item in lane.window.history.iterations:
        for fired in fired_in(item):
            causes[item.number] = fired.name
    return causes


_PINNED = {
    True: "the tuner does not move it any more (guard pin)",
    False: "the tuner does not move it for a while (guard pin)",
}


def _of_iteration(item: Iteration, pin: PinGuard, table: Table) -> Iterator[str]:
    if item.external or item.edited is not None:
        when = "in" if item.edited is not None else "before"
        edits = edits_text(table, item.edits)
        text = f", {edits}" if edits else ""
        if edits and pin.iterations != 0:
            text += f"; {_PINNED[pin.iterations is None]}"
        yield f"{when} iteration {item.number}: the runtime file was edited by hand{text}"
    for text in reset_texts(item.report):
        yield f"iteration {item.number}: {text}; increases are the sums of the pieces"
    if item.failed_checks:
        yield f"iteration {item.number}: failed checks: {', '.join(item.failed_checks)}"
    decision = item.decision
    if decision is not None and decision.note and decision.panic is None:
        yield f"iteration {item.number}: {decision.note}"


def _outliers(window: LaneWindow, kpi: str) -> list[tuple[tuple[Iteration, ...], float]]:
    """Iterations in a row whose value is far from the line through the judged values.

    With each the largest distance in robust standard deviations.
    """
    given = {
        item.number: value
        for item, value in zip(window.measured, series_of(window.measured, kpi), strict=True)
        if value is not None
    }
    left_out = window.not_judged
    points = [(float(number), given[number]) for number in given if number not in left_out]
    if len(points) < _FEWEST:
        return []
    line = fitted_line(points)
    middle = statistics.median(line.residuals)
    spread = _SD_OF_MAD * statistics.median(abs(value - middle) for value in line.residuals)
    if not spread > 0.0:
        return []
    groups: list[list[Iteration]] = []
    distances: list[float] = []
    for item in window.measured:
        if item.number not in given or item.number <= window.warmup:
            continue  # a cold system is no anomaly
        expected = line.mean_v + line.slope * (item.number - line.mean_t)
        distance = (given[item.number] - expected - middle) / spread
        if not abs(distance) > _OUTLIER:
            continue
        together = (
            groups and groups[-1][-1].number == item.number - 1 and distances[-1] * distance > 0.0
        )
        if together:
            groups[-1].append(item)
            distances[-1] = max(distances[-1], distance, key=abs)
        else:
            groups.append([item])
            distances.append(distance)
    return [(tuple(group), size) for group, size in zip(groups, distances, strict=True)]
