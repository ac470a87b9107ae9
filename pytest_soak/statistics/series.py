"""Basic functions: standard deviation, least-squares line, φ and the effective size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

PHI_MAX = 0.95
"""Upper limit of φ: with a larger φ one window has almost no information."""

ROUNDING = 1e-12
"""Relative size of residuals that are rounding errors, not noise."""

_FEWEST_FOR_PHI = 6


def standard_deviation(values: Sequence[float]) -> float:
    """Standard deviation with ``n - 1`` in the denominator; 0 for fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def effective_size(n: int, phi: float) -> float:
    """How many independent figures have as much information on a mean as ``n`` of an AR(1) series.

    ``n / (1 + 2 Σ_{k=1}^{n-1} (1 - k/n) φ^k) = σ² / Var(mean)``, exact for finite ``n`` (Bayley and
    Hammersley 1946), not the asymptotic ``n (1 - φ) / (1 + φ)``, which is 1.4 for n = 8 and φ = .7
    instead of 2.1. The sum has the closed form ``φ (n (1 - φ) - (1 - φ^n)) / (n (1 - φ)²)``.
    Raises ValueError for n below 1 and for φ outside [0, 1); a φ of NaN gives NaN.
    """
    if n < 1:
        raise ValueError(f"n is at least 1, not {n}")
    if phi < 0.0 or phi >= 1.0:
        raise ValueError(f"φ is from 0 to below 1, not {phi}")
    rest = 1.0 - phi
    covariances = phi * (n * rest - (1.0 - phi**n)) / (n * rest * rest)
    return n / (1.0 + 2.0 * covariances)


def ar1_coefficient(series: Sequence[float | None]) -> float:
    """φ of an AR(1) series, from its linearly detrended figures, within [0, ``PHI_MAX``].

    ``series`` has one figure per iteration, None without data; only neighbours that both have a
    figure are compared. With fewer than 6 figures φ cannot be estimated and is ``PHI_MAX``.
    ``lag_one`` has the estimate.
    """
    points = [(float(t), value) for t, value in enumerate(series) if value is not None]
    if len(points) < _FEWEST_FOR_PHI:
        return PHI_MAX
    largest = max(abs(value) for _, value in points)
    return lag_one([t for t, _ in points], fitted_line(points).residuals, largest)


def lag_one(times: Sequence[float], residuals: Sequence[float], largest: float) -> float:
    """φ of an AR(1) series from its residuals at whole, rising ``times``, within [0, ``PHI_MAX``].

    The estimate is Burg's (1967), ``2 Σ e(t) e(t-1) / Σ (e(t)² + e(t-1)²)`` over neighbours in
    time, which cannot leave [-1, 1] and does not depend on the direction of time. It is corrected
    for the bias of an AR(1) estimate around a fitted line, ``E φ̂ = φ - (2 + 4 φ) / n`` (Kang,
    Shaman and Stine 1988). A negative φ counts as 0: it would make the bounds narrower than for
    independent values. ``largest`` is the largest size of a figure: residuals that are rounding
    errors of it are not noise, and φ is 0. With fewer than 6 residuals or without any neighbours φ
    is ``PHI_MAX``.
    """
    n = len(residuals)
    if n < _FEWEST_FOR_PHI:
        return PHI_MAX
    earlier: Sequence[float] = residuals[:-1]
    later: Sequence[float] = residuals[1:]
    if times[-1] - times[0] != n - 1:
        near = [i for i in range(1, n) if times[i] - times[i - 1] == 1.0]
        if not near:
            return PHI_MAX
        earlier = [residuals[i - 1] for i in near]
        later = [residuals[i] for i in near]
    energy = math.fsum([a * a + b * b for a, b in zip(earlier, later, strict=True)])
    dust = ROUNDING * largest
    if energy <= 2 * len(later) * dust * dust:
        return 0.0
    raw = 2.0 * math.fsum(map(mul, earlier, later)) / energy
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
    return least_squares([t for t, _ in points], [v for _, v in points])


def least_squares(times: Sequence[float], values: Sequence[float]) -> Line:
    """``fitted_line`` of coordinates in two sequences of the same length."""
    n = len(times)
    mean_t = math.fsum(times) / n
    mean_v = math.fsum(values) / n
    from_t = [t - mean_t for t in times]
    from_v = [v - mean_v for v in values]
    spread = math.fsum(map(mul, from_t, from_t))
    slope = math.fsum(map(mul, from_t, from_v)) / spread
    residuals = tuple([v - slope * t for t, v in zip(from_t, from_v, strict=True)])
    return Line(mean_t, mean_v, slope, spread, residuals)


def detrended(points: Sequence[tuple[float, float]]) -> list[float]:
    """Residuals from the least-squares line through at least two ``(t, value)`` points."""
    return list(fitted_line(points).residuals)
