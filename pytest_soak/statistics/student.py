"""Quantiles of Student's t in plain Python: importing scipy costs 0.75 s."""

from __future__ import annotations

import math
from functools import lru_cache

from pytest_soak.statistics.roots import root_of

_SMALLEST_LOG = -745.0
_TINY = 1e-300
_CONVERGED = 1e-15


def student_t_quantile(p: float, df: float) -> float:
    """The ``p`` quantile of Student's t with ``df`` degrees of freedom, which need not be whole.

    From ``P(T > t) = ½ I_x(df/2, ½)`` with ``x = df / (df + t²)`` (Abramowitz and Stegun 26.7.1),
    solved for ``log x``. Infinite if it is too large for a float (df below about 0.01).
    Raises ValueError unless 0 < p < 1 and df > 0.
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"a probability lies between 0 and 1, not {p}")
    if not (df > 0.0 and math.isfinite(df)):
        raise ValueError(f"degrees of freedom are positive, not {df}")
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -_upper_quantile(1.0 - p, df)
    return _upper_quantile(p, df)


@lru_cache(maxsize=4096)
def _upper_quantile(p: float, df: float) -> float:
    both_tails = 2.0 * (1.0 - p)

    def missing(log_x: float) -> float:
        probability = incomplete_beta(df / 2.0, 0.5, log_x)
        return math.log(max(probability, _TINY) / both_tails)

    if missing(_SMALLEST_LOG) > 0.0:
        return math.inf
    high, low = 0.0, -math.log1p(4.0 / df)
    while missing(low) > 0.0:
        high, low = low, max(2.0 * low, _SMALLEST_LOG)
    log_x = root_of(missing, low, high, accuracy=4e-15)
    return math.sqrt(-df * math.expm1(log_x)) * math.exp(-0.5 * log_x)


def incomplete_beta(a: float, b: float, log_x: float) -> float:
    """Regularised incomplete beta ``I_x(a, b)``, with x given as its logarithm.

    The logarithm keeps x above 0 (with few degrees of freedom) and ``1 - x`` above 0 (with many).
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
