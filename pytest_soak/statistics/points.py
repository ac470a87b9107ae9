"""The values of a stretch of iterations as points in time, scaled, with their fitted line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from pytest_soak.statistics.kpi_series import KpiSeries, scale
from pytest_soak.statistics.series import ROUNDING, lag_one, least_squares


@dataclass(frozen=True, slots=True)
class Fit:
    """At least two points ``(t, value)`` and their least-squares line.

    ``t`` counts iterations; value, slope and residuals are in the KPI's unit times ``2^-exponent``.
    Residuals and slopes that are rounding errors of the largest value are 0.
    """

    exponent: int
    times: tuple[float, ...]
    slope: float
    mean_t: float
    spread: float
    """``Σ (t - mean_t)²``."""
    residuals: tuple[float, ...]
    squares: float
    """``Σ`` of the squared residuals."""
    phi: float
    """Lag-1 autocorrelation of the residuals, see ``series.lag_one``."""

    @property
    def n(self) -> int:
        return len(self.times)


def fit(series: KpiSeries) -> Fit | None:
    """The fitted line of a KPI's values over their iteration numbers; None for fewer than two."""
    present = series.present
    if len(present) < 2:
        return None
    start = series.numbers[present[0]]
    times = tuple([float(series.numbers[i] - start) for i in present])
    values, exponent = scale(series.present_values)
    line = least_squares(times, values)
    n = len(times)
    largest = max(map(abs, values))
    dust = ROUNDING * largest
    residuals = line.residuals
    squares = math.fsum(map(mul, residuals, residuals))
    if squares <= n * dust * dust:
        residuals, squares = (0.0,) * n, 0.0
    slope = line.slope if abs(line.slope) * (times[-1] - times[0]) > dust else 0.0
    phi = lag_one(times, residuals, largest) if squares > 0.0 else 0.0
    return Fit(exponent, times, slope, line.mean_t, line.spread, residuals, squares, phi)


def skewness(residuals: Sequence[float]) -> float:
    """``m₃ / m₂^1.5`` of residuals (their mean is 0); 0 if all are 0."""
    largest = max(map(abs, residuals), default=0.0)
    if largest == 0.0:
        return 0.0
    parts = [e / largest for e in residuals]
    squares = list(map(mul, parts, parts))
    n = len(parts)
    m2 = math.fsum(squares) / n
    return math.fsum(map(mul, squares, parts)) / n / (m2 * math.sqrt(m2))


def spread_of(values: Sequence[float]) -> tuple[float, int]:
    """The standard deviation (ddof 1) of values as a number times ``2^exponent``.

    0 for fewer than two values, and if it is a rounding error of the largest value.
    """
    n = len(values)
    scaled, exponent = scale(values)
    if n < 2:
        return 0.0, exponent
    mean = math.fsum(scaled) / n
    parts = [x - mean for x in scaled]
    sd = math.sqrt(math.fsum(map(mul, parts, parts)) / (n - 1))
    return (sd if sd > ROUNDING * max(map(abs, scaled)) else 0.0), exponent
