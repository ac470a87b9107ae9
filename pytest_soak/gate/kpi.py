"""A gated KPI: its figure decides on FAIL, its bounds between PASS and WARN (docs/gate.md)."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_soak.gate.figures import figure_by, with_unit
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.model import Criterion, GateLimits
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
    """The figure of one gated KPI over the window, with the reason for its verdict."""
    limit = criterion.limit(mock=lane.mock)
    window, comparison = lane.kpi(criterion.kpi), deciding_side(lane, criterion)
    bounds, value = window.bounds, window.figure
    verdict, facts = _verdict(lane, criterion, comparison)
    head = f"{criterion.kpi}: "
    if value is not None:
        unit = with_unit(lane.history.profile.kpis[criterion.kpi].unit)
        shown = figure_by(value, comparison)
        head += f"{shown}{unit} over the last {bounds.iterations}, limit {limit}"
    else:
        head += f"limit {limit}"
    return CriterionResult(
        criterion.kpi,
        verdict,
        value,
        str(limit),
        None if value is None else limit.distance(value),
        bounds.n,
        bounds.n_eff if bounds.printable else None,
        bounds.phi,
        "; ".join((head, *facts)) + lane.left_out,
        lane.history.lane.id,
        window.low,
        window.high,
        marginal=verdict is Verdict.FAIL and _is_marginal(comparison, window),
    )


def deciding_side(lane: LaneWindow, criterion: Criterion) -> Comparison:
    """The limit of the KPI; of two limits that which decides (``LaneWindow.kpi``)."""
    low, *others = criterion.limit(mock=lane.mock).sides
    return others[0] if others and lane.kpi(criterion.kpi).upper else low


def _verdict(
    lane: LaneWindow, criterion: Criterion, comparison: Comparison
) -> tuple[Verdict, list[str]]:
    window = lane.kpi(criterion.kpi)
    limits, bounds = lane.limits, window.bounds
    because = f" ({window.why})" if window.why else ""
    if problem := no_data(lane, criterion, bounds.long_iterations, bounds.no_data):
        return Verdict.FAIL, [problem + because]
    if window.figure is None:
        text = "all without data" + because if bounds.long_iterations else "nothing was measured"
        return Verdict.INCONCLUSIVE, [f"{len(lane.judged)} judged, {text}"]
    beyond = not comparison.holds(window.figure)
    if beyond and criterion.fails:
        marginal = ["by less than its noise"] if _is_marginal(comparison, window) else []
        return Verdict.FAIL, [*marginal, *_certainty(limits, window, comparison)]
    if problem := too_few(lane, criterion, bounds.n, because):
        return Verdict.INCONCLUSIVE, [problem]
    doubts = [] if beyond else _limit_doubts(lane, comparison, window)
    doubts += [*warnings(criterion, window.figure), *other_doubts(lane, window)]
    verdict = Verdict.WARN if doubts else Verdict.PASS
    return verdict, [*_certainty(limits, window, comparison), *doubts]


def least_iterations(lane: LaneWindow, criterion: Criterion) -> int:
    """How many judged iterations the criterion needs."""
    return lane.limits.window if criterion.window is None else criterion.window


def no_data(lane: LaneWindow, criterion: Criterion, length: int, missing: int) -> str:
    """The text for too many iterations of the window without data; empty for few ones."""
    least = max(length, least_iterations(lane, criterion))
    if missing > lane.limits.no_data_ratio * least:
        return f"no_data in {missing} of the last {length}"
    return ""


def too_few(lane: LaneWindow, criterion: Criterion, values: int, because: str = "") -> str:
    """The text for too few iterations or values to judge by; empty if they are enough."""
    least, judged = least_iterations(lane, criterion), len(lane.judged)
    if judged < least:
        return f"{judged} judged, {least} are needed"
    if values < FEWEST_VALUES:
        return f"{values} with data, {FEWEST_VALUES} are needed{because}"
    return ""


def warnings(criterion: Criterion, figure: float) -> list[str]:
    """The text for a figure beyond the warning of its criterion."""
    warning = criterion.warning
    if warning is None or warning.holds(figure):
        return []
    return [f"beyond its warning, {warning}"]


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


def _limit_doubts(lane: LaneWindow, comparison: Comparison, window: KpiWindow) -> list[str]:
    """The text for a KPI of which neither bound is inside the limit, with what a PASS needs."""
    if window.deciding is not None and comparison.holds(window.deciding):
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


def other_doubts(lane: LaneWindow, window: KpiWindow) -> list[str]:
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
    distance, confidence = comparison.distance(value), lane.limits.confidence
    criterion = lane.limits.criterion(window.kpi)
    fixed = None if criterion is None else criterion.window

    def length(total: int) -> int:
        return fixed if fixed is not None else max(lane.limits.window, total // 3)

    def estimated(total: int) -> float:
        df = max(effective_size(total, phi) - 2.0, 0.3)
        return student_t_quantile(confidence, df) / math.sqrt(effective_size(length(total), phi))

    def worst_case(total: int) -> float:
        return float(worst_case_factor(length(total), confidence))

    reaches = [
        (abs(bound - value) / shrinks(n), shrinks)
        for bound, shrinks in ((bounds.estimated, estimated), (bounds.worst_case, worst_case))
        if bound is not None
    ]

    def passes(total: int) -> bool:
        return any(reach * shrinks(total) < distance for reach, shrinks in reaches)

    total = first_from(passes, n + 1, n + _MOST_MORE)
    if total is None:
        return f"a figure farther from the limit, {NO_LONGER}"
    reference = "" if lane.noise(window.kpi) is not None else ", or a reference (--soak-reference)"
    more = total - n
    return f"about {more} more iteration{'s' * (more != 1)}{reference}"


def first_from(passes: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest number from ``low`` to ``high`` that passes, if all larger ones pass too."""
    if not passes(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle + 1, high)
    return low
