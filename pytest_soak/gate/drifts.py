"""Criteria on the trend over a run: a KPI that drifts, a throughput loss, a stale report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pytest_soak.gate.figures import figure, with_unit
from pytest_soak.gate.result import CriterionResult, judged
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.model import DriftLimits
from pytest_soak.statistics import (
    Alarm,
    Drift,
    Stretch,
    drift,
    first_quarter_figure,
    throughput_drift,
)

_VERDICTS = {Alarm.NONE: Verdict.PASS, Alarm.WARN: Verdict.WARN, Alarm.FAIL: Verdict.FAIL}
_STALE_FROM = 9
"""From this many measured iterations in a row with all KPIs bitwise equal, the report is stale."""
_HOURS = 3600.0


def drift_criteria(lane: LaneWindow) -> tuple[CriterionResult, ...]:
    """``drift:KPI`` for every KPI in ``gate.drift`` of the profile, then for the throughput.

    If the test of a KPI raises, this KPI is INCONCLUSIVE, and the others are judged all the same.
    """
    results = {
        kpi: judged(
            lane.history.lane.id, f"drift:{kpi}", partial(_drift_criterion, lane, kpi, limits)
        )
        for kpi, limits in lane.limits.drift.items()
    }
    throughput, drift_limits = lane.limits.throughput, lane.limits.drift
    # A drift test against a limit replaces the test for loss. A test against a budget does not:
    # then the worse result of both counts.
    if throughput is not None and (
        throughput not in drift_limits or drift_limits[throughput].budget is not None
    ):
        test = partial(_throughput_criterion, lane, throughput)
        lost = judged(lane.history.lane.id, f"drift:{throughput}", test)
        kpi_result = results.get(throughput, lost)
        results[throughput] = max(kpi_result, lost, key=lambda item: item.verdict.severity)
    return tuple(results.values())


@dataclass(frozen=True, slots=True)
class _KpiDrift:
    """The drift of one KPI over the run, and the limit that it is compared with."""

    kpi: str
    limit: Comparison | None
    drift: Drift

    @property
    def severity(self) -> tuple[int, bool]:
        worst = self.drift.worst
        return self.drift.alarm, worst is not None and worst.proved


def _drift_criterion(lane: LaneWindow, kpi: str, limits: DriftLimits) -> CriterionResult:
    """The drift towards the limit of the KPI; of two limits towards the one that is worse."""
    limit = lane.limit(kpi)
    drifts = [
        item
        for own in ((None,) if limit is None else limit.sides)
        if (item := _drift_towards(lane, kpi, limits, own)) is not None
    ]
    if not drifts:
        return _not_applicable(lane, kpi, "it has no data")
    return _result(lane, max(drifts, key=lambda item: item.severity))


def _drift_towards(
    lane: LaneWindow, kpi: str, limits: DriftLimits, own: Comparison | None
) -> _KpiDrift | None:
    """The drift towards the limit ``own``, or towards that of its budget."""
    comparison = _limit_of(lane, kpi, limits, own)
    if comparison is None:
        return None
    result = drift(
        lane.judged_series(kpi),
        limit=comparison.limit,
        upper=comparison.upper,
        window=lane.limits.window,
        last_change=lane.last_change,
        alpha=limits.alpha,
    )
    return _KpiDrift(kpi, comparison, result)


def _throughput_criterion(lane: LaneWindow, kpi: str) -> CriterionResult:
    result = throughput_drift(
        lane.judged_series(kpi), window=lane.limits.window, last_change=lane.last_change
    )
    return _result(lane, _KpiDrift(kpi, None, result))


def _limit_of(
    lane: LaneWindow, kpi: str, limits: DriftLimits, own: Comparison | None
) -> Comparison | None:
    """The limit ``own`` of the KPI or that of its budget, whichever is tighter; None without
    either.

    A budget gives no limit without data.
    """
    start = first_quarter_figure(lane.judged_series(kpi))
    if limits.budget is None or start is None:
        return own
    planned = lane.history.lane
    hours = planned.iterations * planned.interval_s / _HOURS
    budget = limits.budget * (hours / 24.0 if limits.per == "24h" else 1.0)
    better = lane.history.profile.kpis[kpi].better
    upper = own.upper if own is not None else better == "down"
    limit = start + budget if upper else start - budget
    if own is not None and (limit >= own.limit if upper else limit <= own.limit):
        return own
    return Comparison("<=" if upper else ">=", limit)


def _not_applicable(lane: LaneWindow, kpi: str, why: str) -> CriterionResult:
    return CriterionResult(
        f"drift:{kpi}",
        Verdict.PASS,
        reason=f"drift:{kpi}: not applicable: {why}",
        lane=lane.history.lane.id,
        applicable=False,
    )


def _result(lane: LaneWindow, kpi_drift: _KpiDrift) -> CriterionResult:
    worst = kpi_drift.drift.worst
    if worst is None:
        count = len(lane.judged_series(kpi_drift.kpi).present)
        return _not_applicable(lane, kpi_drift.kpi, f"{count} values, 24 are needed")
    criterion = lane.limits.criterion(kpi_drift.kpi)
    verdict = _VERDICTS[kpi_drift.drift.alarm]
    if verdict is Verdict.FAIL and criterion is not None and not criterion.fails:
        verdict = Verdict.WARN  # its limit is a warning, so a way to it is no more than that
    return CriterionResult(
        f"drift:{kpi_drift.kpi}",
        verdict,
        worst.slope.slope,
        "",
        None,
        worst.slope.n,
        worst.slope.n_eff,
        worst.slope.phi,
        f"drift:{kpi_drift.kpi}: {drift_text(lane, kpi_drift.kpi, kpi_drift.limit, worst)}",
        lane.history.lane.id,
        *_bounds(worst),
    )


def _bounds(stretch: Stretch) -> tuple[float, float] | tuple[None, None]:
    """The bounds of the slope; None with fewer than two independent values."""
    slope = stretch.slope
    if slope.n_eff < 2.0:
        return None, None
    return slope.low(stretch.alpha), slope.high(stretch.alpha)


def drift_text(lane: LaneWindow, kpi: str, limit: Comparison | None, stretch: Stretch) -> str:
    """``rises 4.0 ms an iteration (3.4 to 4.6), crosses 340 in about 6 iterations``."""
    slope = stretch.slope
    unit = with_unit(lane.history.profile.kpis[kpi].unit)
    where = f" (iterations {stretch.first} to {stretch.last})"
    if slope.wanders:
        return f"it wanders (φ {slope.phi:.2f}), no drift can be shown{where}"
    if not stretch.proved:
        return f"no drift towards the limit is shown{where}"
    way = "rises" if slope.slope > 0.0 else "falls"
    text = f"{way} {figure(abs(slope.slope))}{unit} an iteration"
    low, high = _bounds(stretch)
    if low is not None and high is not None:
        low, high = sorted((abs(low), abs(high)))
        text += f" ({figure(low)} to {figure(high)})"
    if limit is not None and stretch.remaining is not None:
        # A line that is beyond the limit already, or within half an iteration, crosses it now.
        ahead = round(stretch.remaining)
        when = f"in about {ahead} iterations" if ahead else "now"
        text += f", crosses {limit.limit:g} {when}"
    elif stretch.lost is not None:
        text += (
            f", from {figure(stretch.first_figure)} to {figure(stretch.last_figure)}: "
            f"{stretch.lost:.0%} lost"
        )
    return text + where


def stale_criterion(lane: LaneWindow) -> CriterionResult | None:
    """WARN if every KPI of the report stays bitwise equal; None if fewer than two KPIs are read.

    A target that repeats an old report would otherwise look like one without any noise.
    """
    longest, since = _longest_repetition(lane.measured)
    if longest < 0:
        return None
    text = "stale: the KPIs move from iteration to iteration"
    if longest >= _STALE_FROM:
        text = (
            f"stale: all KPIs are bitwise equal in {longest} iterations in a row, since iteration "
            f"{since}: does the target measure, or repeat an old report?"
        )
    return CriterionResult(
        "stale",
        Verdict.WARN if longest >= _STALE_FROM else Verdict.PASS,
        float(max(longest, 1)),
        f"<= {_STALE_FROM - 1}",
        float(_STALE_FROM - 1 - longest),
        len(lane.measured),
        reason=text,
        lane=lane.history.lane.id,
    )


def _longest_repetition(iterations: Sequence[Iteration]) -> tuple[int, int]:
    """The largest number of iterations in a row with equal KPIs, and the first of these iterations.

    The number is -1 if there are too few KPIs.
    """
    longest, since, run, first = -1, 0, 0, 0
    before: tuple[tuple[str, float], ...] = ()
    for item in iterations:
        now = tuple(
            (name, reading.value)
            for name, reading in sorted(item.readings.items())
            if reading.value is not None
            and not reading.placeholder
            and reading.source != "recorded"
        )
        if len(now) < 2:
            before, run = (), 0
            continue
        run, first = (run + 1, first) if now == before else (1, item.number)
        before = now
        if run > longest:
            longest, since = run, first
    return longest, since
