"""The criteria of one lane: gated KPIs, pass count, delta quality, completeness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_soak.gate.baseline import Reference
from pytest_soak.gate.delta import DeltaReport
from pytest_soak.gate.figures import (
    figure,
    judged_iterations,
    mean_of,
    measured_iterations,
    series_of,
)
from pytest_soak.loop.model import History, Iteration, Verdict
from pytest_soak.profile.model import Comparison, Criterion, GateLimits
from pytest_soak.statistics import Interval, ar1_coefficient, mean_interval


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


@dataclass(frozen=True, slots=True)
class Window:
    """What a gated or ungated KPI did over the last iterations."""

    kpi: str
    iterations: int
    """How many iterations the window has (up to ``gate.window``)."""
    no_data: int
    interval: Interval | None
    """None without any data."""
    weak: bool
    """A reading in it is no evidence on one iteration."""


def window_of(history: History, kpi: str, reference: Reference | None = None) -> Window:
    """The last ``gate.window`` judged iterations of a KPI, with φ from the whole run."""
    limits = history.profile.gate
    window = judged_iterations(history)[-limits.window :]
    values = [value for value in series_of(window, kpi) if value is not None]
    center = mean_of(window, kpi)
    noise = reference.kpis.get(kpi) if reference is not None else None
    interval = None
    if center is not None:
        interval = mean_interval(
            values,
            noise.phi if noise is not None else ar1_coefficient(_whole_run(history, kpi)),
            confidence=limits.confidence,
            center=center,
            sd_floor=noise.sd if noise is not None else 0.0,
        )
    return Window(kpi, len(window), len(window) - len(values), interval, _is_weak(window, kpi))


def _whole_run(history: History, kpi: str) -> list[float | None]:
    """Every measured iteration; one that is left out is a gap, as one without data is."""
    measured = measured_iterations(history)
    return [
        None if item.number in history.excluded else value
        for item, value in zip(measured, series_of(measured, kpi), strict=True)
    ]


def _left_out(history: History) -> str:
    """The end of a reason that names what the window leaves out; empty for nothing."""
    if not history.excluded:
        return ""
    numbers: dict[str, list[str]] = {}
    for number, scenario in sorted(history.excluded.items()):
        numbers.setdefault(scenario, []).append(str(number))
    return "; left out: " + ", ".join(
        f"iteration{'s' * (len(each) > 1)} {', '.join(each)} ({scenario})"
        for scenario, each in numbers.items()
    )


def _is_weak(window: Sequence[Iteration], kpi: str) -> bool:
    readings = [iteration.readings.get(kpi) for iteration in window]
    return any(reading is not None and reading.weak for reading in readings)


def kpi_criterion(
    history: History, criterion: Criterion, mock: bool, reference: Reference | None
) -> CriterionResult:
    """The mean decides FAIL, certainty decides PASS or WARN (SPEC §13)."""
    limits = history.profile.gate
    comparison = criterion.mock if mock else criterion.production
    window = window_of(history, criterion.kpi, reference)
    interval = window.interval
    if interval is None:
        verdict, why = _without_data(limits, window)
        return CriterionResult(
            criterion.kpi,
            verdict,
            limit=str(comparison),
            reason=f"{criterion.kpi}: {why}, limit {comparison}{_left_out(history)}",
            lane=history.lane.id,
        )
    bound = interval.low if comparison.op.startswith(">") else interval.high
    verdict, why = _kpi_verdict(history, comparison, window, interval, bound, reference)
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
        f"limit {comparison}{why}{_left_out(history)}",
        history.lane.id,
        interval.low,
        interval.high,
    )


def _without_data(limits: GateLimits, window: Window) -> tuple[Verdict, str]:
    if window.no_data > limits.no_data_share * limits.window:
        return Verdict.FAIL, f"no_data in {window.no_data} of the last {window.iterations}"
    if window.iterations == 0:
        return Verdict.INCONCLUSIVE, "no iteration was measured"
    return Verdict.INCONCLUSIVE, f"only {window.iterations} measured, all without data"


def _kpi_verdict(
    history: History,
    comparison: Comparison,
    window: Window,
    interval: Interval,
    bound: float,
    reference: Reference | None,
) -> tuple[Verdict, str]:
    limits = history.profile.gate
    if window.no_data > limits.no_data_share * limits.window:
        return Verdict.FAIL, f"; no_data in {window.no_data} of the last {window.iterations}"
    if not comparison.holds(interval.mean):
        return Verdict.FAIL, ""
    if window.iterations < limits.window:
        return Verdict.INCONCLUSIVE, f"; {window.iterations} measured, {limits.window} are needed"
    certainty = (
        f"; {limits.confidence:.0%} bound {figure(bound)}, "
        f"n {interval.n}, effective {interval.n_eff:.1f}"
    )
    doubts = _doubts(history, window, reference)
    if not comparison.holds(bound):
        doubts.insert(0, "the bound is across the limit")
    return (Verdict.WARN if doubts else Verdict.PASS), "; ".join((certainty, *doubts))


def _doubts(history: History, window: Window, reference: Reference | None) -> list[str]:
    """Why the KPI is at best WARN, however far the mean is from the limit."""
    limits = history.profile.gate
    doubts = []
    if window.weak:
        doubts.append("a weekly rollup is no evidence on one iteration")
    if reference is None or window.kpi not in reference.kpis:
        measured = measured_iterations(history)
        known = sum(value is not None for value in _whole_run(history, window.kpi))
        if len(measured) < limits.pass_from:
            doubts.append(f"{len(measured)} measured, PASS takes {limits.pass_from}")
        elif known < (1.0 - limits.no_data_share) * limits.pass_from:
            doubts.append(f"{known} with data, too few to know its noise")
    return doubts


def _margin(comparison: Comparison, value: float) -> float:
    return value - comparison.limit if comparison.op.startswith(">") else comparison.limit - value


def pass_count_criterion(history: History) -> CriterionResult:
    """How many iterations of the window are PASS or WARN."""
    limits = history.profile.gate
    window = judged_iterations(history)[-limits.window :]
    count = pass_count(history)
    bad = len(window) - count
    least = limits.window - limits.pass_count_slack
    name = f"pass_count_last{limits.window}"
    verdict = Verdict.PASS
    text = f"{name}: {count} of the last {len(window)} are PASS or WARN, limit >= {least}"
    if bad > limits.pass_count_slack:
        verdict = Verdict.FAIL
        numbers = [str(item.number) for item in window if not _passes(item)]
        text += f"; not: {', '.join(numbers)}"
        reasons = Counter(why for item in window if not _passes(item) for why in item.reasons)
        text += "".join(f"; {why} ({times})" for why, times in reasons.most_common(2))
    elif len(window) < limits.window:
        verdict = Verdict.INCONCLUSIVE
        text += f"; {len(window)} measured, {limits.window} are needed"
    text += _left_out(history)
    return CriterionResult(
        name,
        verdict,
        float(count),
        f">= {least}",
        float(count - least),
        len(window),
        reason=text,
        lane=history.lane.id,
    )


def pass_count(history: History) -> int:
    """PASS and WARN iterations of the window."""
    window = judged_iterations(history)[-history.profile.gate.window :]
    return sum(_passes(iteration) for iteration in window)


def _passes(iteration: Iteration) -> bool:
    return iteration.verdict in (Verdict.PASS, Verdict.WARN)


def delta_criterion(history: History, delta: DeltaReport) -> CriterionResult:
    """Delta quality as a line of the gate."""
    limit = history.profile.gate.delta.full
    ratio = delta.full_apply_ratio
    return CriterionResult(
        "delta_quality",
        delta.verdict,
        ratio,
        f">= {limit:g}",
        None if ratio is None else ratio - limit,
        delta.counted,
        reason=delta.reason,
        lane=history.lane.id,
        applicable=delta.applicable or delta.verdict is not Verdict.PASS,
    )


def completeness_criterion(history: History) -> CriterionResult:
    """Expected against measured iterations, and why it ended before its plan."""
    planned, measured = history.lane.iterations, len(measured_iterations(history))
    halt = history.halt
    text = f"completeness: {measured} of {planned} iterations measured"
    verdict = Verdict.PASS
    if measured < planned:
        verdict = Verdict.FAIL
        if halt is None:
            text += "; the rest was not run (interrupted, deselected, or not collected)"
        elif halt.kind == "end_of_data":
            verdict = Verdict.INCONCLUSIVE
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
