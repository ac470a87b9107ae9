"""A gated KPI: its figure decides on FAIL, its bounds between PASS and WARN (docs/gate.md)."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_soak.gate.figures import figure_by, with_unit
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.model import Comparison, Criterion, GateLimits
from pytest_soak.statistics import (
    PHI_MAX,
    effective_size,
    student_t_quantile,
    worst_case_factor,
)

FEWEST_VALUES = 6
"""With fewer values a KPI can only FAIL or be INCONCLUSIVE."""
_MOST_MORE = 1_000
"""If a PASS needs more further iterations than this, the figure is too near to its limit."""
NO_LONGER = "a longer run will not change it"
"""The end of a reason for which more iterations are no remedy."""
_MANY_OUTSIDE = 3
"""This many last values outside the limit are more than chance."""


def kpi_criterion(lane: LaneWindow, criterion: Criterion) -> CriterionResult:
    """One gated KPI over the window, with the reason for its verdict."""
    comparison = criterion.mock if lane.mock else criterion.production
    window = lane.kpi(criterion.kpi)
    bounds, value = window.bounds, window.figure
    verdict, facts = _verdict(lane, comparison, window)
    head = f"{criterion.kpi}: "
    if value is not None:
        unit = with_unit(lane.history.profile.kpis[criterion.kpi].unit)
        shown = figure_by(value, comparison)
        head += f"{shown}{unit} over the last {bounds.iterations}, limit {comparison}"
    else:
        head += f"limit {comparison}"
    return CriterionResult(
        criterion.kpi,
        verdict,
        value,
        str(comparison),
        None if value is None else _margin(comparison, value),
        bounds.n,
        bounds.n_eff if bounds.printable else None,
        bounds.phi,
        "; ".join((head, *facts)) + lane.left_out,
        lane.history.lane.id,
        window.low,
        window.high,
        marginal=verdict is Verdict.FAIL and _is_marginal(comparison, window),
    )


def _verdict(
    lane: LaneWindow, comparison: Comparison, window: KpiWindow
) -> tuple[Verdict, list[str]]:
    limits, bounds = lane.limits, window.bounds
    because = f" ({window.why})" if window.why else ""
    if bounds.no_data > limits.no_data_ratio * max(bounds.long_iterations, limits.window):
        return Verdict.FAIL, [
            f"no_data in {bounds.no_data} of the last {bounds.long_iterations}{because}"
        ]
    if window.figure is None:
        text = "all without data" + because if bounds.long_iterations else "nothing was measured"
        return Verdict.INCONCLUSIVE, [f"{len(lane.judged)} judged, {text}"]
    if not comparison.holds(window.figure):
        marginal = ["by less than its noise"] if _is_marginal(comparison, window) else []
        return Verdict.FAIL, [*marginal, *_certainty(limits, window, comparison)]
    if len(lane.judged) < limits.window:
        return Verdict.INCONCLUSIVE, [f"{len(lane.judged)} judged, {limits.window} are needed"]
    if bounds.n < FEWEST_VALUES:
        return Verdict.INCONCLUSIVE, [f"{bounds.n} with data, {FEWEST_VALUES} are needed{because}"]
    doubts = [*_limit_doubts(lane, comparison, window), *_other_doubts(lane, window)]
    verdict = Verdict.WARN if doubts else Verdict.PASS
    return verdict, [*_certainty(limits, window, comparison), *doubts]


def _is_marginal(comparison: Comparison, window: KpiWindow) -> bool:
    """Whether the figure is outside the limit, but the bound away from the limit is inside."""
    value, other = window.figure, window.bounds.other
    outside = value is not None and not comparison.holds(value)
    return outside and other is not None and comparison.holds(other)


def _certainty(limits: GateLimits, window: KpiWindow, comparison: Comparison) -> list[str]:
    """The bound that decides, its value, and the data that it is based on."""
    bounds, deciding = window.bounds, window.deciding
    if deciding is None:
        return []
    kind = "estimated" if deciding == bounds.estimated else "worst-case"
    confidence = limits.confidence if kind == "estimated" else max(0.98, limits.confidence)
    text = "too few independent values for a bound"
    if window.towards is not None:
        text = f"{100.0 * confidence:.6g}% {kind} bound {figure_by(window.towards, comparison)}"
    basis = [f"n {bounds.n}"]
    if bounds.n_eff is not None and bounds.printable:
        basis.append(f"n_eff {bounds.n_eff:.1f}")
    if bounds.phi is not None:
        basis.append(f"φ {bounds.phi:.2f}")
    level = ["not one level, so the last iterations alone count"] if bounds.fallback else []
    return [f"{text} ({', '.join(basis)})", *level]


def is_certain(comparison: Comparison, window: KpiWindow) -> bool:
    """Whether one of the two bounds is inside the limit."""
    deciding = window.deciding
    return deciding is not None and comparison.holds(deciding)


def _limit_doubts(lane: LaneWindow, comparison: Comparison, window: KpiWindow) -> list[str]:
    """The text for a KPI of which neither bound is inside the limit, with what a PASS needs."""
    if is_certain(comparison, window):
        return []
    problem = _no_level(lane, comparison, window)
    if problem:
        return [f"{problem}: a PASS needs a steady level, {NO_LONGER}"]
    text = "the limit is within its noise" if window.deciding is not None else "it has no bound"
    return [f"{text}: a PASS needs {_remedy(lane, comparison, window)}"]


def _no_level(lane: LaneWindow, comparison: Comparison, window: KpiWindow) -> str:
    """Why more iterations would not show a steady level; empty if they may."""
    outside = 0
    for value in reversed(lane.judged_series(window.kpi).present_values):
        if comparison.holds(value):
            break
        outside += 1
    phi = window.bounds.phi
    wanders = phi is not None and phi >= PHI_MAX
    reasons = [f"it wanders (φ {phi:.2f})"] if wanders else []
    if outside >= _MANY_OUTSIDE or (wanders and outside):
        last = f"{outside} values are" if outside > 1 else "value is"
        reasons.append(f"its last {last} outside the limit")
    return " and ".join(reasons)


def _other_doubts(lane: LaneWindow, window: KpiWindow) -> list[str]:
    """Why the KPI is at best WARN, however far the figure is from the limit."""
    limits = lane.limits
    doubts = []
    if window.weak:
        doubts.append(
            "a weekly rollup does not show one iteration: a PASS needs fills in the report"
        )
    if lane.noise(window.kpi) is None:
        measured, with_data = len(lane.measured), lane.count_with_data(window.kpi)
        enough = (1.0 - limits.no_data_ratio) * limits.pass_from
        if measured < limits.pass_from:
            more = limits.pass_from - measured
            doubts.append(
                f"{measured} measured: a PASS needs {limits.pass_from} ({more} more), or a "
                "reference (--soak-reference)"
            )
        elif with_data < enough:
            doubts.append(
                f"{with_data} with data, too few to estimate its noise: a PASS needs {enough:g}"
            )
    return doubts


def _remedy(lane: LaneWindow, comparison: Comparison, window: KpiWindow) -> str:
    """What would move a bound inside the limit, if the figure and its noise stay as they are.

    The distance of both bounds from the figure shrinks with the window: that of the estimated bound
    by ``q / √n_eff``, that of the worst-case bound by its factor. All other terms (spread,
    skewness, weights) are properties of the noise.
    """
    value, bounds = window.figure, window.bounds
    phi, n = bounds.phi, len(lane.judged)
    if value is None or phi is None:
        return "more iterations"
    distance, confidence = _margin(comparison, value), lane.limits.confidence

    def estimated(total: int) -> float:
        df = max(effective_size(total, phi) - 2.0, 0.3)
        length = max(lane.limits.window, total // 3)
        return student_t_quantile(confidence, df) / math.sqrt(effective_size(length, phi))

    def worst_case(total: int) -> float:
        return float(worst_case_factor(max(lane.limits.window, total // 3), confidence))

    reaches = [
        (abs(bound - value) / shrinks(n), shrinks)
        for bound, shrinks in ((bounds.estimated, estimated), (bounds.worst_case, worst_case))
        if bound is not None
    ]

    def passes(total: int) -> bool:
        return any(reach * shrinks(total) < distance for reach, shrinks in reaches)

    total = _first(passes, n + 1, n + _MOST_MORE)
    if total is None:
        return f"a figure farther from the limit, {NO_LONGER}"
    reference = "" if lane.noise(window.kpi) is not None else ", or a reference (--soak-reference)"
    more = total - n
    return f"about {more} more iteration{'s' * (more != 1)}{reference}"


def _first(passes: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest number from ``low`` to ``high`` that passes, if all larger ones pass too."""
    if not passes(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle + 1, high)
    return low


def _margin(comparison: Comparison, value: float) -> float:
    return comparison.limit - value if comparison.upper else value - comparison.limit
