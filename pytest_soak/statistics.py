"""How certain the mean of a short, autocorrelated series is.

Plain Python: a gate looks at a few hundred numbers, and scipy costs 0.75 s to import.

The recipe, for the ``n`` figures of a window out of a longer run:

1. φ, the lag-1 autocorrelation, from the linearly detrended whole run, corrected for its bias;
2. the effective number of independent figures,
   ``n_eff = n / (1 + 2 Σ_{k=1}^{n-1} (1 - k/n) φ^k)``;
3. ``mean ± t(confidence, n_eff - 1) · σ / sqrt(n_eff)``, each side a one-sided bound.

``benchmarks/gate_false_pass.py`` measures how often a series whose true mean lies exactly at a
limit is found to be beyond it; ``docs/gate.md`` has the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PHI_MAX = 0.95
"""Upper clip of φ: beyond it one window says next to nothing anyway."""

_FEWEST_FOR_PHI = 6
_ROUNDING = 1e-12
"""Relative size of residuals that are rounding, not noise."""

_SMALLEST_LOG = -745.0
_CONVERGED = 1e-15


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its one-sided bounds, in the unit of the figures."""

    mean: float
    low: float
    """With the given confidence the true mean is above it."""
    high: float
    """With the given confidence the true mean is below it."""
    sd: float
    """Of one figure."""
    n: int
    n_eff: float
    phi: float


def mean_interval(
    values: Sequence[float],
    phi: float,
    *,
    confidence: float = 0.95,
    center: float | None = None,
    sd_floor: float = 0.0,
) -> Interval:
    """The mean of ``values`` with its one-sided bounds at ``confidence``.

    ``center`` replaces the mean where the window's figure is not the mean of its figures (a ratio
    of sums); ``sd_floor`` is the standard deviation of a reference run: the larger one counts.
    A single value has infinite bounds. Raises ValueError for no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("an interval needs at least one value")
    mean = math.fsum(values) / n if center is None else center
    if n == 1:
        return Interval(mean, -math.inf, math.inf, sd_floor, 1, 1.0, phi)
    sd = max(standard_deviation(values), sd_floor)
    n_eff = effective_size(n, phi)
    half = 0.0
    if sd > 0.0:
        half = student_t_quantile(confidence, n_eff - 1.0) * sd / math.sqrt(n_eff)
    return Interval(mean, mean - half, mean + half, sd, n, n_eff, phi)


def standard_deviation(values: Sequence[float]) -> float:
    """With ``n - 1`` in the denominator; 0 for fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def effective_size(n: int, phi: float) -> float:
    """How many independent figures tell as much about a mean as ``n`` figures of an AR(1) series.

    ``σ² / Var(mean)``, exact for finite ``n`` (Bayley and Hammersley 1946), not the asymptotic
    ``n (1 - φ) / (1 + φ)``, which at n = 8 and φ = .7 says 1.4 where 2.1 is true.
    """
    if n < 1:
        raise ValueError(f"n is at least 1, not {n}")
    inflation = 1.0 + 2.0 * math.fsum((1.0 - k / n) * phi**k for k in range(1, n))
    return n / inflation


def ar1_coefficient(series: Sequence[float | None]) -> float:
    """φ of an AR(1) series, from its linearly detrended figures, within [0, ``PHI_MAX``].

    ``series`` has one figure an iteration, None where there is none: only neighbours that both
    have one are compared. The estimate is Burg's (1967), ``2 Σ e(t) e(t-1) / Σ (e(t)² + e(t-1)²)``,
    which cannot leave [-1, 1] and does not depend on the direction of time. It is corrected for
    the bias of an AR(1) estimate around a fitted line, ``E φ̂ = φ - (2 + 4 φ) / n`` (Kang, Shaman
    and Stine 1988). A negative φ counts as 0: it would make the gate surer than independence does.
    With fewer than 6 figures nothing is known, and the worst is assumed.
    """
    points = [(float(t), value) for t, value in enumerate(series) if value is not None]
    n = len(points)
    if n < _FEWEST_FOR_PHI:
        return PHI_MAX
    residuals = dict(zip((t for t, _ in points), detrended(points), strict=True))
    pairs = [(residuals[t - 1.0], e) for t, e in residuals.items() if t - 1.0 in residuals]
    if not pairs:
        return PHI_MAX
    energy = math.fsum(a * a + b * b for a, b in pairs)
    dust = _ROUNDING * max(abs(value) for _, value in points)
    if energy <= 2 * len(pairs) * dust * dust:
        return 0.0  # a constant series (or a line) has no noise that could be correlated
    raw = 2.0 * math.fsum(a * b for a, b in pairs) / energy
    corrected = (raw + 2.0 / n) / (1.0 - 4.0 / n)
    return min(max(corrected, 0.0), PHI_MAX)


@dataclass(frozen=True, slots=True)
class Line:
    """The least-squares line through points ``(t, value)``."""

    mean_t: float
    mean_v: float
    slope: float
    spread: float
    """``Σ (t - mean_t)²``."""
    residuals: tuple[float, ...]


def fitted_line(points: Sequence[tuple[float, float]]) -> Line:
    """The least-squares line through at least two points of different ``t``."""
    n = len(points)
    mean_t = math.fsum(t for t, _ in points) / n
    mean_v = math.fsum(v for _, v in points) / n
    spread = math.fsum((t - mean_t) ** 2 for t, _ in points)
    slope = math.fsum((t - mean_t) * (v - mean_v) for t, v in points) / spread
    residuals = tuple(v - mean_v - slope * (t - mean_t) for t, v in points)
    return Line(mean_t, mean_v, slope, spread, residuals)


def detrended(points: Sequence[tuple[float, float]]) -> list[float]:
    """Residuals from the least-squares line through at least two ``(t, value)`` points."""
    return list(fitted_line(points).residuals)


def student_t_quantile(p: float, df: float) -> float:
    """The ``p`` quantile of Student's t with ``df`` degrees of freedom, which need not be whole.

    From ``P(T > t) = ½ I_x(df/2, ½)`` with ``x = df / (df + t²)`` (Abramowitz and Stegun 26.7.1),
    solved for ``log x`` by bisection. Infinite where it is beyond the floats (df below about 0.01).
    Raises ValueError unless 0 < p < 1 and df > 0.
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"a probability lies between 0 and 1, not {p}")
    if not (df > 0.0 and math.isfinite(df)):
        raise ValueError(f"degrees of freedom are positive, not {df}")
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -student_t_quantile(1.0 - p, df)
    both_tails = 2.0 * (1.0 - p)
    low, high = _SMALLEST_LOG, 0.0
    if _incomplete_beta(df / 2.0, 0.5, low) > both_tails:
        return math.inf
    while high - low > 1e-15 * max(1.0, -low):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if _incomplete_beta(df / 2.0, 0.5, middle) < both_tails:
            low = middle
        else:
            high = middle
    log_x = 0.5 * (low + high)
    return math.sqrt(-df * math.expm1(log_x)) * math.exp(-0.5 * log_x)


def _incomplete_beta(a: float, b: float, log_x: float) -> float:
    """Regularised incomplete beta ``I_x(a, b)``, with x given as its logarithm.

    The logarithm keeps x apart from 0 (few degrees of freedom) and ``1 - x`` apart from 0 (many).
    """
    rest = -math.expm1(log_x)
    if rest <= 0.0:
        return 1.0
    x = math.exp(log_x)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * log_x + b * math.log(rest) - log_beta)
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, rest) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    smallest = 1e-300
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > smallest else smallest)
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > smallest else smallest)
            c = 1.0 + term / c
            c = c if abs(c) > smallest else smallest
            fraction *= c * d
        if abs(c * d - 1.0) < _CONVERGED:
            break
    return fraction
