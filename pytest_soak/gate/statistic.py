"""A gated KPI by another statistic than its mean: a quantile, an extreme, a share of iterations.

Median, p95 and share have bounds (``statistics.shares``). An extreme has none: it is a fact about
the iterations that were measured, and shows only at least which share of all iterations is inside.
The last value is WARN at best: a single iteration does not show its noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_soak.gate.figures import figure_by, with_unit
from pytest_soak.gate.kpi import (
    FEWEST_VALUES,
    NO_LONGER,
    deciding_side,
    first_from,
    no_data,
    other_doubts,
    too_few,
    warnings,
)
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.window import LaneWindow, why_no_data
from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.model import Criterion, Limit
from pytest_soak.statistics import (
    PHI_MAX,
    Estimate,
    effective_size,
    quantile_estimate,
    share_estimate,
    share_low,
)

_RATIOS = {"median": 0.5, "p95": 0.95}
_EXTREMES = ("max", "min")
_MOST_MORE = 10_000
"""If a PASS needs more iterations than this, the figure is too near to its limit."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """The figure of a statistic over its iterations, and the limit that it is compared with."""

    iterations: Sequence[Iteration]
    values: Sequence[float]
    figure: float | None
    limit: Comparison
    """Of two limits the one that decides; of a share the least share."""
    estimate: Estimate | None
    """None for a statistic without bounds, and without data."""
    whole: Limit
    """The limit as a text shows it, both sides of two."""

    @property
    def beyond(self) -> bool:
        """The figure is beyond the limit."""
        return self.figure is not None and not self.limit.holds(self.figure)

    @property
    def certain(self) -> bool:
        bound = None if self.estimate is None else self.estimate.towards
        return bound is not None and self.limit.holds(bound)


def statistic_criterion(lane: LaneWindow, criterion: Criterion) -> CriterionResult:
    """One gated KPI by its statistic, with the reason for its verdict."""
    measure = _measure(lane, criterion)
    verdict, facts = _verdict(lane, criterion, measure)
    estimate, value = measure.estimate, measure.figure
    low, high = _ends(measure)
    return CriterionResult(
        criterion.name,
        verdict,
        value,
        str(measure.whole),
        None if value is None else measure.whole.distance(value),
        len(measure.values),
        None if estimate is None else estimate.n_eff,
        None if estimate is None else estimate.phi,
        "; ".join((_head(lane, criterion, measure), *facts)) + lane.left_out,
        lane.history.lane.id,
        low,
        high,
        marginal=verdict is Verdict.FAIL and _is_marginal(measure),
    )


def is_certain(lane: LaneWindow, criterion: Criterion) -> bool:
    """Whether the criterion's figure is inside its limit beyond its noise, and inside its warning.

    An extreme is a fact: it is certain where it is inside. A last value never is.
    """
    if criterion.averaged:
        window = lane.kpi(criterion.kpi)
        bound, figure = window.deciding, window.figure
        if figure is None or bound is None or warnings(criterion, figure):
            return False
        return deciding_side(lane, criterion).holds(bound)
    measure = _measure(lane, criterion)
    if _warnings(criterion, measure):
        return False
    if criterion.share is None and criterion.statistic in _EXTREMES:
        return measure.figure is not None and not measure.beyond
    return measure.certain


def _iterations(lane: LaneWindow, criterion: Criterion) -> Sequence[Iteration]:
    """The judged iterations that the statistic is of."""
    if criterion.window is not None:
        return lane.last_judged(criterion.window)
    if criterion.share is None and criterion.statistic == "last":
        return lane.last_judged(1)
    if criterion.share is None and criterion.statistic == "median":
        return lane.last_judged(lane.kpi(criterion.kpi).bounds.iterations)
    return lane.judged


def _measure(lane: LaneWindow, criterion: Criterion) -> _Measure:
    iterations = _iterations(lane, criterion)
    series = lane.judged_series(criterion.kpi).last(len(iterations))
    values = series.present_values
    limit = criterion.limit(mock=lane.mock)
    phi = lane.kpi(criterion.kpi).bounds.phi
    phi = PHI_MAX if phi is None else phi
    return _with_figure(criterion, limit, iterations, values, phi, lane)


def _with_figure(
    criterion: Criterion,
    limit: Limit,
    iterations: Sequence[Iteration],
    values: Sequence[float],
    phi: float,
    lane: LaneWindow,
) -> _Measure:
    confidence = lane.limits.confidence
    if criterion.share is not None:
        least = Comparison(">=", criterion.share)
        if not values:
            return _Measure(iterations, values, None, least, None, least)
        inside = inside_of(limit, values)
        estimate = share_estimate(inside, len(values), phi, confidence)
        return _Measure(iterations, values, estimate.figure, least, estimate, least)
    side = limit.sides[-1]
    if not values:
        return _Measure(iterations, values, None, side, None, limit)
    if criterion.statistic not in _RATIOS:
        figure = {"max": max(values), "min": min(values), "last": values[-1]}[criterion.statistic]
        side = min(limit.sides, key=lambda item: item.distance(figure))
        return _Measure(iterations, values, figure, side, None, limit)
    ratio = _RATIOS[criterion.statistic]
    both = []
    for side in limit.sides:
        estimate = quantile_estimate(values, ratio, phi, upper=side.upper, confidence=confidence)
        both.append(_Measure(iterations, values, estimate.figure, side, estimate, limit))
    return min(both, key=_doubt)


def inside_of(limit: Limit, values: Sequence[float]) -> int:
    """How many of the values are inside the limit."""
    return sum(limit.holds(value) for value in values)


def _doubt(measure: _Measure) -> tuple[bool, bool, float]:
    """Of two limits that decides which the figure is, or may be, beyond; else the nearer one."""
    figure = 0.0 if measure.figure is None else measure.figure
    return not measure.beyond, measure.certain, measure.limit.distance(figure)


def _verdict(
    lane: LaneWindow, criterion: Criterion, measure: _Measure
) -> tuple[Verdict, list[str]]:
    values, figure = measure.values, measure.figure
    missing, length = len(measure.iterations) - len(values), len(measure.iterations)
    why = why_no_data(measure.iterations, criterion.kpi) if missing else ""
    because = f" ({why})" if why else ""
    problem = no_data(lane, criterion, length, missing)
    if problem or (length and not values):
        return Verdict.FAIL, [(problem or f"no_data in the last {length}") + because]
    if figure is None:
        return Verdict.INCONCLUSIVE, ["0 judged, nothing was measured"]
    if measure.beyond and criterion.fails:
        marginal = ["by less than its noise"] if _is_marginal(measure) else []
        return Verdict.FAIL, [*marginal, *_certainty(lane, criterion, measure)]
    last = criterion.share is None and criterion.statistic == "last"
    if problem := too_few(lane, criterion, FEWEST_VALUES if last else len(values), because):
        return Verdict.INCONCLUSIVE, [problem]
    doubts = [] if measure.beyond else _limit_doubts(lane, criterion, measure)
    doubts += _warnings(criterion, measure)
    doubts += other_doubts(lane, lane.kpi(criterion.kpi))
    verdict = Verdict.WARN if doubts else Verdict.PASS
    return verdict, [*_certainty(lane, criterion, measure), *doubts]


def _warnings(criterion: Criterion, measure: _Measure) -> list[str]:
    warning = criterion.warning
    if criterion.share is None or warning is None:
        return warnings(criterion, 0.0 if measure.figure is None else measure.figure)
    inside = inside_of(warning, measure.values)
    if inside >= criterion.share * len(measure.values):
        return []
    return [f"only {inside} of {len(measure.values)} iterations are inside the warning, {warning}"]


def _is_marginal(measure: _Measure) -> bool:
    """Whether the figure is outside the limit, but its bound away from the limit is inside."""
    estimate = measure.estimate
    return (
        estimate is not None
        and measure.beyond
        and estimate.away is not None
        and measure.limit.holds(estimate.away)
    )


def _ends(measure: _Measure) -> tuple[float | None, float | None]:
    """The bounds as a lower and an upper one."""
    estimate = measure.estimate
    if estimate is None:
        return None, None
    ends = (estimate.away, estimate.towards)
    return ends if measure.limit.upper else (ends[1], ends[0])


def _head(lane: LaneWindow, criterion: Criterion, measure: _Measure) -> str:
    if measure.figure is None:
        return f"{criterion.name}: limit {measure.whole}"
    shown = figure_by(measure.figure, measure.limit)
    count = len(measure.values)
    if criterion.share is not None:
        limit = criterion.limit(mock=lane.mock)
        inside = inside_of(limit, measure.values)
        return (
            f"{criterion.name}: {shown}, {inside} of {count} iterations are inside {limit}, limit "
            f"{measure.whole}"
        )
    unit = with_unit(lane.history.profile.kpis[criterion.kpi].unit)
    where = f"over the last {len(measure.iterations)}"
    if criterion.statistic == "last":
        where = f"in iteration {measure.iterations[-1].number}"
    return f"{criterion.name}: {shown}{unit} {where}, limit {measure.whole}"


def _certainty(lane: LaneWindow, criterion: Criterion, measure: _Measure) -> list[str]:
    """The bound that decides and what it is based on; for an extreme what it shows."""
    estimate, confidence = measure.estimate, lane.limits.confidence
    count = len(measure.values)
    if estimate is None:
        if criterion.statistic not in _EXTREMES:
            return []
        phi = lane.kpi(criterion.kpi).bounds.phi
        inside = inside_of(measure.limit, measure.values)
        size = effective_size(count, PHI_MAX if phi is None else phi)
        least = share_low(inside / count, size, confidence)
        return [
            f"a fact of {count} iterations, without a bound; surely inside "
            f"({100.0 * confidence:.6g}%) are {100.0 * least:.3g} % of all iterations"
        ]
    kind = "worst-case" if estimate.worst_case else "estimated"
    if estimate.worst_case:
        confidence = max(confidence, 0.98)
    text = "too few independent values for a bound"
    if estimate.towards is not None:
        shown = figure_by(estimate.towards, measure.limit)
        text = f"{100.0 * confidence:.6g}% {kind} bound {shown}"
    return [f"{text} (n {count}, n_eff {estimate.n_eff:.1f}, φ {estimate.phi:.2f})"]


def _limit_doubts(lane: LaneWindow, criterion: Criterion, measure: _Measure) -> list[str]:
    """The text for a figure that may be beyond its limit, with what a PASS needs."""
    if measure.estimate is None:
        if criterion.statistic in _EXTREMES:
            return []
        return ["a single iteration does not show its noise: WARN at best"]
    if measure.certain:
        return []
    return [f"the limit is within its noise: a PASS needs {_remedy(lane, criterion, measure)}"]


def _remedy(lane: LaneWindow, criterion: Criterion, measure: _Measure) -> str:
    """How many iterations a PASS needs, if the share inside and φ stay as they are."""
    estimate, count = measure.estimate, len(measure.values)
    if estimate is None:
        return "more iterations"
    aim = measure.limit.limit if criterion.share is not None else _RATIOS[criterion.statistic]
    limit = criterion.limit(mock=lane.mock) if criterion.share is not None else measure.limit
    if not measure.limit.upper and criterion.share is None:
        aim = 1.0 - aim
    inside = inside_of(limit, measure.values) / count

    def passes(total: int) -> bool:
        size = effective_size(total, estimate.phi)
        return share_low(inside, size, lane.limits.confidence) >= aim

    needed = first_from(passes, count + 1, count + _MOST_MORE) if inside > aim else None
    if needed is None:
        return f"a figure farther from the limit, {NO_LONGER}"
    if criterion.window is not None:
        return f"a window of about {needed} iterations"
    third = criterion.share is None and criterion.statistic == "median"
    more = (3 * needed if third else needed) - len(lane.judged)
    return f"about {max(more, 1)} more iteration{'s' * (more > 1)}"
