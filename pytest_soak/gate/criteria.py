"""The criteria of one lane: gated KPIs, pass count, delta quality, completeness, checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pytest_soak.gate.delta import DeltaReport
from pytest_soak.gate.figures import figure
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.model import Comparison, Criterion, GateLimits
from pytest_soak.statistics import Interval


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One line of the gate. ``reason`` says it all for people: criterion, value, limit, why."""

    name: str
    verdict: Verdict
    value: float | None = None
    limit: str = ""
    margin: float | None = None
    """Distance to the limit in the criterion's own unit, positive on the right side."""
    n: int = 0
    """How many figures the value rests on."""
    n_eff: float | None = None
    """How many independent ones they are worth."""
    phi: float | None = None
    reason: str = ""
    lane: str = ""
    low: float | None = None
    """One-sided lower bound of the value."""
    high: float | None = None
    applicable: bool = True
    """False: there was nothing to judge; it counts as PASS and is shown as n/a."""
    binding: bool = True
    """False: shown, but without a say in the verdict (the KPIs of a sweep)."""


def kpi_criterion(lane: LaneWindow, criterion: Criterion, mock: bool) -> CriterionResult:
    """The mean decides FAIL, certainty decides PASS or WARN (SPEC §13)."""
    comparison = criterion.mock if mock else criterion.production
    window = lane.kpi(criterion.kpi)
    interval = window.interval
    if interval is None:
        verdict, why = _without_data(lane.limits, window)
        return CriterionResult(
            criterion.kpi,
            verdict,
            limit=str(comparison),
            reason=f"{criterion.kpi}: {why}, limit {comparison}{lane.left_out}",
            lane=lane.history.lane.id,
        )
    bound = interval.low if comparison.op.startswith(">") else interval.high
    verdict, why = _kpi_verdict(lane, comparison, window, interval, bound)
    return CriterionResult(
        criterion.kpi,
        verdict,
        interval.mean,
        str(comparison),
        _margin(comparison, interval.mean),
        interval.n,
        interval.n_eff,
        interval.phi,
        f"{criterion.kpi}: mean of the last {window.iterations} is {figure(interval.mean)}, "
        f"limit {comparison}{why}{lane.left_out}",
        lane.history.lane.id,
        interval.low,
        interval.high,
    )


def _without_data(limits: GateLimits, window: KpiWindow) -> tuple[Verdict, str]:
    if window.no_data > limits.no_data_share * limits.window:
        return Verdict.FAIL, _no_data_text(window)
    if window.iterations == 0:
        return Verdict.INCONCLUSIVE, "no iteration was measured"
    return (
        Verdict.INCONCLUSIVE,
        f"only {window.iterations} measured, all without data{_because(window)}",
    )


def _no_data_text(window: KpiWindow) -> str:
    return f"no_data in {window.no_data} of the last {window.iterations}{_because(window)}"


def _because(window: KpiWindow) -> str:
    return f" ({window.why})" if window.why else ""


def _kpi_verdict(
    lane: LaneWindow,
    comparison: Comparison,
    window: KpiWindow,
    interval: Interval,
    bound: float,
) -> tuple[Verdict, str]:
    limits = lane.limits
    if window.no_data > limits.no_data_share * limits.window:
        return Verdict.FAIL, f"; {_no_data_text(window)}"
    if not comparison.holds(interval.mean):
        return Verdict.FAIL, ""
    if window.iterations < limits.window:
        return Verdict.INCONCLUSIVE, f"; {window.iterations} measured, {limits.window} are needed"
    certainty = (
        f"; {limits.confidence:.0%} bound {figure(bound)}, "
        f"n {interval.n}, effective {interval.n_eff:.1f}"
    )
    doubts = _doubts(lane, window)
    if not comparison.holds(bound):
        doubts.insert(0, "the bound is across the limit")
    return (Verdict.WARN if doubts else Verdict.PASS), "; ".join((certainty, *doubts))


def _doubts(lane: LaneWindow, window: KpiWindow) -> list[str]:
    """Why the KPI is at best WARN, however far the mean is from the limit."""
    limits = lane.limits
    doubts = []
    if window.weak:
        doubts.append("a weekly rollup is no evidence on one iteration")
    if lane.noise(window.kpi) is None:
        known = sum(value is not None for value in lane.series(window.kpi))
        if len(lane.measured) < limits.pass_from:
            doubts.append(f"{len(lane.measured)} measured, PASS takes {limits.pass_from}")
        elif known < (1.0 - limits.no_data_share) * limits.pass_from:
            doubts.append(f"{known} with data, too few to know its noise")
    return doubts


def _margin(comparison: Comparison, value: float) -> float:
    return value - comparison.limit if comparison.op.startswith(">") else comparison.limit - value


def pass_count_criterion(lane: LaneWindow) -> CriterionResult:
    """How many iterations of the window are PASS or WARN."""
    limits, window, bad = lane.limits, lane.last, lane.not_passing
    least = limits.window - limits.pass_count_slack
    name = f"pass_count_last{limits.window}"
    verdict = Verdict.PASS
    text = f"{name}: {lane.pass_count} of the last {len(window)} are PASS or WARN, limit >= {least}"
    if len(bad) > limits.pass_count_slack:
        verdict = Verdict.FAIL
        text += f"; not: {', '.join(str(item.number) for item in bad)}"
        reasons = Counter(reason for item in bad for reason in item.reasons)
        text += "".join(f"; {reason} ({times})" for reason, times in reasons.most_common(2))
    elif len(window) < limits.window:
        verdict = Verdict.INCONCLUSIVE
        text += f"; {len(window)} measured, {limits.window} are needed"
    return CriterionResult(
        name,
        verdict,
        float(lane.pass_count),
        f">= {least}",
        float(lane.pass_count - least),
        len(window),
        reason=text + lane.left_out,
        lane=lane.history.lane.id,
    )


def delta_criterion(lane: LaneWindow, delta: DeltaReport) -> CriterionResult:
    """Delta quality as a line of the gate."""
    limit = lane.limits.delta.full
    ratio = delta.full_apply_ratio
    return CriterionResult(
        "delta_quality",
        delta.verdict,
        ratio,
        f">= {limit:g}",
        None if ratio is None else ratio - limit,
        delta.counted,
        reason=delta.reason,
        lane=lane.history.lane.id,
        applicable=delta.applicable or delta.verdict is not Verdict.PASS,
    )


def checks_criterion(lane: LaneWindow) -> CriterionResult:
    """Whether the user's checks passed in every iteration."""
    failing = [item for item in lane.history.iterations if item.failed_checks]
    text = "checks: no check failed"
    if failing:
        names = Counter(name for item in failing for name in item.failed_checks)
        which = ", ".join(f"{name} ({times})" for name, times in names.most_common(3))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        first = failing[0].number
        text = f"checks: failed in {len(failing)} iterations, first in {first}: {which}{more}"
    return CriterionResult(
        "checks",
        Verdict.FAIL if failing else Verdict.PASS,
        float(len(failing)),
        "<= 0",
        float(-len(failing)),
        len(lane.history.iterations),
        reason=text,
        lane=lane.history.lane.id,
    )


def completeness_criterion(lane: LaneWindow) -> CriterionResult:
    """Expected against measured iterations, and why it ended before its plan."""
    history = lane.history
    planned, measured = history.lane.iterations, len(lane.measured)
    halt = history.halt
    text = f"completeness: {measured} of {planned} iterations measured"
    verdict = Verdict.PASS
    if measured < planned:
        verdict = Verdict.FAIL
        if halt is None:
            text += "; the rest was not run (interrupted, deselected, or not collected)"
        elif halt.kind == "end_of_data":
            # A lane in which nothing was measured has shown nothing, however it ended.
            verdict = Verdict.INCONCLUSIVE if measured else Verdict.FAIL
            text += f"; the data ended at iteration {halt.iteration}"
            text += f": {halt.text}" if halt.text else ""
        else:
            text += f"; halted at iteration {halt.iteration} ({halt.kind}): {halt.text}"
    return CriterionResult(
        "completeness",
        verdict,
        float(measured),
        f">= {planned}",
        float(measured - planned),
        measured,
        reason=text,
        lane=history.lane.id,
    )
