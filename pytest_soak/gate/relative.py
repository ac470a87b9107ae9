"""A gated KPI against a base: the warm-up of the same run, or a reference run (tuner off).

The base is measured too, so its own error counts: the standard errors of both figures are added as
squares, with the degrees of freedom of their sum (Satterthwaite 1946).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_soak.gate.figures import figure, figure_by, with_unit
from pytest_soak.gate.kpi import no_data, other_doubts, too_few
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.window import LaneWindow, series_over
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.gate import LEAST_BASE
from pytest_soak.profile.model import Criterion, Relative
from pytest_soak.statistics import effective_size, judge_bounds, student_t_quantile


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its standard error and degrees of freedom, in the KPI's unit."""

    figure: float
    error: float
    df: float
    n: int
    """The number of its values."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure against a base: the limit that follows from the base, and the bounds."""

    limit: Comparison
    towards: float
    """The bound of the figure towards the limit, with the error of the base in it."""
    away: float


def compared(
    now: Measured, base: Measured, relative: Relative, *, upper: bool, confidence: float
) -> Compared:
    """The limit relative to ``base``, and the bounds of ``now`` against it."""
    limit = float(f"{relative.limit(base.figure, upper=upper):.5g}")
    sign = 1.0 if upper else -1.0
    factor = 1.0 + sign * math.copysign(relative.ratio or 0.0, base.figure)
    parts = (now.error**2, (factor * base.error) ** 2)
    squares = math.fsum(parts)
    reach = 0.0
    if squares > 0.0:
        spread = parts[0] ** 2 / now.df + parts[1] ** 2 / base.df
        df = squares**2 / spread if spread > 0.0 else min(now.df, base.df)
        reach = student_t_quantile(confidence, df) * math.sqrt(squares)
    return Compared(
        Comparison("<=" if upper else ">=", limit),
        now.figure + sign * reach,
        now.figure - sign * reach,
    )


def relative_criterion(lane: LaneWindow, criterion: Criterion) -> CriterionResult:
    """``relative:KPI``: the KPI's figure over its window against the base."""
    relative = criterion.relative
    if relative is None:
        raise ValueError(f"{criterion.kpi} has no relative limit")
    name, kpi = f"relative:{criterion.kpi}", lane.kpi(criterion.kpi)
    bounds = kpi.bounds
    problem = no_data(lane, criterion, bounds.long_iterations, bounds.no_data)
    if problem:
        return _plain(lane, name, Verdict.FAIL, problem)
    base = _base(lane, criterion.kpi, relative)
    if isinstance(base, str):
        return _plain(lane, name, Verdict.INCONCLUSIVE, base)
    problem = too_few(lane, criterion, bounds.n)
    if bounds.figure is None or bounds.error is None or bounds.df is None:
        return _plain(lane, name, Verdict.INCONCLUSIVE, problem or "it has no bound")
    now = Measured(bounds.figure, bounds.error, bounds.df, bounds.n)
    result = compared(now, base, relative, upper=kpi.upper, confidence=lane.limits.confidence)
    verdict, facts = _verdict(lane, criterion, now, result, problem)
    unit = with_unit(lane.history.profile.kpis[criterion.kpi].unit)
    reason = (
        f"{name}: {figure_by(now.figure, result.limit)}{unit} over the last {bounds.iterations}, "
        f"limit {result.limit} ({relative.text}, {figure(base.figure)}{unit} over {base.n})"
    )
    ends = (result.away, result.towards) if kpi.upper else (result.towards, result.away)
    return CriterionResult(
        name,
        verdict,
        now.figure,
        str(result.limit),
        result.limit.distance(now.figure),
        bounds.n,
        bounds.n_eff if bounds.printable else None,
        bounds.phi,
        "; ".join((reason, *facts)) + lane.left_out,
        lane.history.lane.id,
        *ends,
        marginal=verdict is Verdict.FAIL and result.limit.holds(result.away),
    )


def _verdict(
    lane: LaneWindow, criterion: Criterion, now: Measured, result: Compared, problem: str
) -> tuple[Verdict, list[str]]:
    bound = f"{100.0 * lane.limits.confidence:.6g}% bound {figure_by(result.towards, result.limit)}"
    texts = [f"{bound}, with the error of the base in it"]
    if not result.limit.holds(now.figure):
        less = ["by less than its noise"] if result.limit.holds(result.away) else []
        return Verdict.FAIL if criterion.fails else Verdict.WARN, [*less, *texts]
    if problem:
        return Verdict.INCONCLUSIVE, [problem]
    doubts = other_doubts(lane, lane.kpi(criterion.kpi))
    if not result.limit.holds(result.towards):
        doubts.insert(
            0, "the limit is within its noise: a PASS needs more iterations, also of the base"
        )
    return Verdict.WARN if doubts else Verdict.PASS, [*texts, *doubts]


def _base(lane: LaneWindow, kpi: str, relative: Relative) -> Measured | str:
    """The figure of the base; a text if there is none."""
    if relative.to == "reference":
        noise = lane.noise(kpi)
        if noise is None:
            return "no reference has its noise (--soak-reference)"
        if noise.figure is None:
            return "the seal of this run has no figure of the reference: judge the run again"
        size = effective_size(noise.n, noise.phi)
        error = noise.sd / math.sqrt(size)
        return Measured(noise.figure, error, max(size - 1.0, 0.3), noise.n)
    series = series_over(lane.warm, kpi)
    present = len(series.present)
    if present < LEAST_BASE:
        return f"{present} values in the warm-up, {LEAST_BASE} are needed"
    length = len(series)
    bounds = judge_bounds(
        series, upper=True, window=length, length=length, confidence=lane.limits.confidence
    )
    if bounds.figure is None or bounds.error is None or bounds.df is None:
        return "the warm-up has no bound"
    return Measured(bounds.figure, bounds.error, bounds.df, present)


def _plain(lane: LaneWindow, name: str, verdict: Verdict, why: str) -> CriterionResult:
    return CriterionResult(
        name, verdict, reason=f"{name}: {why}{lane.left_out}", lane=lane.history.lane.id
    )
