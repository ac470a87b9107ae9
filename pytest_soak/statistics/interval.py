"""The mean of a short window with Student-t bounds, for a given φ: for reports and sweeps.

``mean ± t(confidence, n_eff - 1) · σ / sqrt(n_eff)``, each side a one-sided bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_soak.statistics.series import effective_size, standard_deviation
from pytest_soak.statistics.student import student_t_quantile


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its one-sided bounds, in the unit of the figures."""

    mean: float
    low: float
    """With the given confidence the true mean is above it."""
    high: float
    """With the given confidence the true mean is below it."""
    sd: float
    """Standard deviation of one figure."""
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

    ``center`` replaces the mean if the window's figure is not the mean of its figures (a ratio of
    sums). ``sd_floor`` is the standard deviation of a reference run; the larger one is used.
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
