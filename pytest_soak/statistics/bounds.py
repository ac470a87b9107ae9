"""The figure of a KPI over its window, and the two bounds that decide between PASS and WARN.

The *estimated bound* uses the noise of the run: its standard deviation, autocorrelation and
skewness, from the residuals of all judged values around their line. The *worst-case bound* uses the
window alone and assumes an autocorrelation of φ = .8. A KPI whose figure is inside its limit is
PASS if either bound is inside too, and WARN otherwise. ``docs/gate.md`` describes both, with their
measured error rates.

In the formulas: x₁…x_n the values of all judged iterations, e their residuals from the
least-squares line, w the values in the window, m its figure, ``n_eff(n, φ)`` the effective size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from operator import mul

from pytest_soak.statistics.kpi_series import KpiSeries, unscale
from pytest_soak.statistics.points import Fit, fit, skewness, spread_of
from pytest_soak.statistics.series import effective_size
from pytest_soak.statistics.slope import slope_of
from pytest_soak.statistics.student import student_t_quantile
from pytest_soak.statistics.worst_case import FEWEST, worst_case_factor

LEVEL_ALPHA = 0.05
"""At this level a slope over the last two thirds shows that the window is not one level."""
SHORT = 24
"""Runs of at most this many values are too short to test the slope of their last two thirds."""
BLOCKS_FROM = 72
"""With at least this many values the variance of block means is used too."""
BLOCKS = 12


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of one KPI in a run at constant parameters (an A/A reference)."""

    phi: float
    """Lag-1 autocorrelation, within [0, .95]."""
    sd: float
    """Standard deviation of one iteration, in the KPI's unit."""
    n: int
    """The number of values that it was measured from."""
    figure: float | None = None
    """Of these values, in the KPI's unit: the base of a relative limit. None if it is not known."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The figure of a KPI and its bounds towards the limit, in the KPI's unit.

    A bound is None if there are too few values, or if it is infinite.
    """

    figure: float | None
    """The figure of the window in use; None without data."""
    iterations: int
    """The number of judged iterations of the window in use."""
    values: int
    """The number of values in the window in use."""
    long_iterations: int
    """The number of judged iterations of the long window: the last third, at least
    ``gate.window``."""
    no_data: int
    """The number of iterations of the long window without a value."""
    n: int
    """The number of values of all judged iterations."""
    estimated: float | None = None
    other: float | None = None
    """The estimated bound away from the limit. If the figure is outside the limit and this bound is
    inside, the figure is outside by less than its noise."""
    worst_case: float | None = None
    n_eff: float | None = None
    """The effective number of independent values in the window in use."""
    phi: float | None = None
    sd: float | None = None
    """Standard deviation of one iteration, as the estimated bound uses it."""
    fallback: bool = False
    """The last two thirds rise or fall, so only the last ``gate.window`` iterations are judged."""
    worsens: bool = False
    """The last two thirds drift towards the limit."""
    error: float | None = None
    """Standard error of the figure, as the estimated bound uses it, in the KPI's unit."""
    df: float | None = None
    """Its degrees of freedom."""

    @property
    def printable(self) -> bool:
        """Whether the estimated bound has at least two independent values; else it is not shown."""
        return self.estimated is not None and self.n_eff is not None and self.n_eff >= 2.0

    def best(self, *, upper: bool) -> float | None:
        """The bound that is farther on the good side of the limit: it decides."""
        bounds = [b for b in (self.estimated, self.worst_case) if b is not None]
        return (min if upper else max)(bounds, default=None)


def clipped(bound: float, low: float | None, high: float | None) -> float:
    """A bound as it is shown, limited to the KPI's range."""
    if low is not None and bound < low:
        return low
    return high if high is not None and bound > high else bound


def judge_bounds(
    series: KpiSeries,
    *,
    upper: bool,
    window: int = 8,
    confidence: float = 0.95,
    reference: Noise | None = None,
    length: int | None = None,
) -> Bounds:
    """Figure and bounds of a KPI over its judged iterations.

    ``upper``: the limit is an upper one (``<``, ``<=``), larger is worse. ``window`` is
    ``gate.window``: the window is the last third of the iterations, at least ``window``.
    ``length``: the window is as many iterations instead. ``reference`` replaces φ, and its standard
    deviation is used if it is the larger one. There are no bounds for fewer than ``window``
    iterations or 6 values. Never raises for finite data.
    """
    if length is None:
        length = max(window, len(series) // 3)
    else:
        window = min(window, length)
    part = series.last(length)
    present = len(part.present)
    n = len(series.present)
    plain = Bounds(part.figure(), len(part), present, len(part), len(part) - present, n)
    whole = fit(series) if len(series) >= window and n >= FEWEST else None
    if whole is None or plain.figure is None:
        return plain
    judge = _Judge(series, whole, window, 1.0 if upper else -1.0, confidence, reference)
    return judge.bounds(plain, part)


@dataclass(frozen=True, slots=True)
class _Judge:
    """A KPI's series with its fitted line, and the settings of its bounds."""

    series: KpiSeries
    whole: Fit
    window: int
    sign: float
    """1 for an upper limit, -1 for a lower one: the sign of the worse direction."""
    confidence: float
    reference: Noise | None

    @property
    def phi(self) -> float:
        return self.whole.phi if self.reference is None else self.reference.phi

    @property
    def reference_sd(self) -> float:
        """In the scale of the whole run's residuals."""
        if self.reference is None:
            return 0.0
        return unscale(self.reference.sd, -self.whole.exponent) or 0.0

    def bounds(self, plain: Bounds, part: KpiSeries) -> Bounds:
        recent = self._last_two_thirds()
        slope = slope_of(recent) if self.whole.n > SHORT else None
        rises = slope is not None and slope.rises(LEVEL_ALPHA)
        falls = slope is not None and slope.falls(LEVEL_ALPHA)
        worsens = rises if self.sign > 0.0 else falls
        short = self.series.last(self.window)
        worst = self._worst_case(part, recent)
        if worsens:
            worst = self._larger(worst, self._worst_case(short, recent))
        bounds = replace(
            plain, worst_case=worst, phi=self.phi, fallback=rises or falls, worsens=worsens
        )
        return self._fallback(bounds, short) if rises or falls else self._estimated(bounds, part)

    def _last_two_thirds(self) -> Fit | None:
        """The line of the last two thirds; of all values if these are few."""
        if self.whole.n <= SHORT:
            return self.whole
        return fit(self.series.last(len(self.series) - len(self.series) // 3))

    def _estimated(self, bounds: Bounds, part: KpiSeries) -> Bounds:
        """``m + q · SE + g · SE² / (6 σ) · (1 + 2 min(q, 3)²)`` with ``q = t(confidence, df)``.

        ``N = n_eff(n, φ)``, ``σ² = Σ e² / n / max(1 - 2/N, .2)``, ``SE² = σ² / n_eff(w, φ)`` and
        ``df = max(N - 2, .3)``. The third term corrects the t quantile for the skewness g of e,
        where its tail points to the limit (Johnson 1978). Weights count by Kish's size K.
        """
        n, w = self.whole.n, len(part.present)
        n_eff_run = effective_size(n if self.reference is None else self.reference.n, self.phi)
        variance = self.whole.squares / n / max(1.0 - 2.0 / n_eff_run, 0.2)
        sd = max(math.sqrt(variance), self.reference_sd)
        df = max(n_eff_run - 2.0, 0.3)
        n_eff = effective_size(w, self.phi)
        kish = part.kish()
        if kish is not None:
            n_eff = min(n_eff, kish)
            if kish < w / 2:
                df = min(df, max(kish - 1.0, 0.3))
        se2 = sd * sd / n_eff
        if n >= BLOCKS_FROM and (block := _block_variance(self.whole.residuals) / w) > se2:
            se2, df = block, min(df, 10.0)
        q = student_t_quantile(self.confidence, df)
        skew = skewness(self.whole.residuals)
        bend = se2 / (6.0 * sd) * (1.0 + 2.0 * min(q, 3.0) ** 2) if sd > 0.0 else 0.0
        reach = q * math.sqrt(se2)
        return replace(
            bounds,
            estimated=self._beyond(bounds.figure, reach + max(0.0, self.sign * skew) * bend),
            other=self._beyond(bounds.figure, -reach - max(0.0, -self.sign * skew) * bend),
            n_eff=n_eff,
            sd=unscale(sd, self.whole.exponent),
            error=unscale(math.sqrt(se2), self.whole.exponent),
            df=df,
        )

    def _fallback(self, bounds: Bounds, short: KpiSeries) -> Bounds:
        """The bounds of the last ``gate.window`` iterations alone, which may have no steady level.

        ``m + t(confidence, max(n_eff - 1, .02)) · s / √n_eff``, s the larger of their standard
        deviation and that of the whole run's residuals. Without 6 values there is no such bound,
        and the figure stays that of the long window.
        """
        figure, w = short.figure(), len(short.present)
        if figure is None or w < FEWEST:
            return bounds
        n_eff = effective_size(w, self.phi)
        kish = short.kish()
        n_eff = n_eff if kish is None else min(n_eff, kish)
        own, exponent = spread_of(short.present_values)
        sd = max(
            unscale(own, exponent - self.whole.exponent) or 0.0,
            math.sqrt(self.whole.squares / (self.whole.n - 2)),
            self.reference_sd,
        )
        df = max(n_eff - 1.0, 0.02)
        q = student_t_quantile(self.confidence, df)
        reach = q * sd / math.sqrt(n_eff) if sd > 0.0 else 0.0
        return replace(
            bounds,
            figure=figure,
            iterations=len(short),
            values=w,
            estimated=self._beyond(figure, reach),
            other=self._beyond(figure, -reach),
            n_eff=n_eff,
            sd=unscale(sd, self.whole.exponent),
            error=unscale(sd / math.sqrt(n_eff), self.whole.exponent),
            df=df,
        )

    def _worst_case(self, part: KpiSeries, recent: Fit | None) -> float | None:
        """``m + c(w) · s · (1 + g′)``, s the window's standard deviation.

        g′ is the skewness of the last two thirds around their line, where its tail points to the
        limit. For a ratio of sums or for weights: ``c(w) √(w/K)``. A window without any spread in a
        run with noise has no such bound.
        """
        figure, w = part.figure(), len(part.present)
        if figure is None or w < FEWEST:
            return None
        own, exponent = spread_of(part.present_values)
        if own == 0.0:
            return figure if self.whole.squares == 0.0 else None
        skew = 0.0 if recent is None else max(0.0, self.sign * skewness(recent.residuals))
        factor = worst_case_factor(w, self.confidence)
        kish = part.kish()
        if kish is not None:
            factor *= math.sqrt(w / kish)
        reach = unscale(factor * own * (1.0 + skew), exponent)
        return None if reach is None else _finite(figure + self.sign * reach)

    def _beyond(self, figure: float | None, distance: float) -> float | None:
        """The figure moved by a scaled distance in the worse direction; None if infinite."""
        size = unscale(distance, self.whole.exponent)
        return None if size is None or figure is None else _finite(figure + self.sign * size)

    def _larger(self, bound: float | None, another: float | None) -> float | None:
        """The bound that is farther in the worse direction; None stands for infinite."""
        if bound is None or another is None:
            return None
        return max(bound, another) if self.sign > 0.0 else min(bound, another)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _block_variance(residuals: tuple[float, ...]) -> float:
    """The long-run variance of one value from the means of 12 blocks at the end of the run.

    ``L Σ Ȳ² / 10`` for blocks of L residuals; 10, since the line took two degrees of freedom.
    """
    length = len(residuals) // BLOCKS
    start = len(residuals) - BLOCKS * length
    means = [
        math.fsum(residuals[i : i + length]) / length for i in range(start, len(residuals), length)
    ]
    return length * math.fsum(map(mul, means, means)) / (BLOCKS - 2)
