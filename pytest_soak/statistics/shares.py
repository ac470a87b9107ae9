"""Shares and quantiles of a few autocorrelated values, with bounds.

A quantile is a share seen from its other end: the p95 is inside a limit if 95 % of all values are.
So one bound serves both: that of a binomial share (Clopper and Pearson 1934), exact for independent
values, with the effective number of values in place of their number. φ is that of the values; that
of *inside or not* is smaller, so the bounds err on the careful side. As for a mean there are two of
them: the *estimated* one uses the φ of the run, the *worst-case* one φ = .8 at 98 % at least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_soak.statistics.roots import root_of
from pytest_soak.statistics.series import effective_size
from pytest_soak.statistics.student import incomplete_beta
from pytest_soak.statistics.worst_case import LEAST_PROBABILITY, WORST_PHI

_ROUNDING = 1e-9
"""A share that misses its aim by less than this reaches it: n · .95 may be 18.999999999999996."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of some values, with one-sided bounds towards the limit and away from it.

    A bound is None if the values are too few to have one.
    """

    figure: float
    towards: float | None
    """Of the estimated and the worst-case bound the one that is farther inside the limit."""
    away: float | None
    worst_case: bool
    """``towards`` is the worst-case bound."""
    n: int
    n_eff: float
    phi: float


def share_low(share: float, n_eff: float, confidence: float) -> float:
    """The lower bound of a share that was ``share`` in ``n_eff`` independent values.

    0 for a share of 0; for a share of 1 it is ``(1 - confidence)^(1/n_eff)``. Rises with all three
    but the confidence.
    """
    inside = share * n_eff
    if inside <= 0.0:
        return 0.0
    return _beta_quantile(1.0 - confidence, inside, n_eff - inside + 1.0)


def share_high(share: float, n_eff: float, confidence: float) -> float:
    """The upper bound of a share, see :func:`share_low`; 1 for a share of 1."""
    return 1.0 - share_low(1.0 - share, n_eff, confidence)


def share_estimate(inside: int, n: int, phi: float, confidence: float = 0.95) -> Estimate:
    """The share of iterations that are inside a limit; its own limit is a lower one.

    Raises ValueError without any iteration.
    """
    share, careful = inside / n, max(confidence, LEAST_PROBABILITY)
    n_eff = effective_size(n, phi)
    estimated = share_low(share, n_eff, confidence)
    worst = share_low(share, effective_size(n, WORST_PHI), careful)
    high = share_high(share, n_eff, confidence)
    return Estimate(share, max(estimated, worst), high, worst > estimated, n, n_eff, phi)


def quantile(values: Sequence[float], ratio: float) -> float:
    """The smallest value that at least ``ratio`` of the values do not exceed; of .5 the median.

    The median of an even number of values is the mean of the two in the middle. Raises ValueError
    for no values.
    """
    ordered, n = sorted(values), len(values)
    if not ordered:
        raise ValueError("a quantile needs at least one value")
    place = max(math.ceil(ratio * n - _ROUNDING), 1)
    if ratio == 0.5 and n % 2 == 0:
        return ordered[place - 1] / 2.0 + ordered[place] / 2.0
    return ordered[place - 1]


def quantile_estimate(
    values: Sequence[float], ratio: float, phi: float, *, upper: bool, confidence: float = 0.95
) -> Estimate:
    """A quantile of the values of all iterations, bounded by values of these iterations.

    ``upper``: the limit is an upper one. The bound is the value that surely at least ``ratio`` of
    all values do not exceed; for a lower limit the same from the other end. Raises ValueError for
    no values.
    """
    sign = 1.0 if upper else -1.0
    ordered, n = sorted(sign * value for value in values), len(values)
    aim = ratio if upper else 1.0 - ratio
    figure, careful = quantile(values, ratio), max(confidence, LEAST_PROBABILITY)
    n_eff, worst_size = effective_size(n, phi), effective_size(n, WORST_PHI)

    def place(size: float, certainty: float) -> int | None:
        return _first_place(n, lambda k: share_low(k / n, size, certainty) >= aim - _ROUNDING)

    places = [place(n_eff, confidence), place(worst_size, careful)]
    reached = [k for k in places if k is not None]
    best = min(reached, default=None)
    above = _first_place(n, lambda k: share_high(k / n, n_eff, confidence) >= aim + _ROUNDING)
    return Estimate(
        figure,
        None if best is None else sign * ordered[best - 1],
        None if above is None or above < 2 else sign * ordered[above - 2],
        best is not None and best != places[0],
        n,
        n_eff,
        phi,
    )


def _first_place(n: int, reached: Callable[[int], bool]) -> int | None:
    """The smallest k from 1 to n for which a condition holds that holds for all larger ones too."""
    if not reached(n):
        return None
    low, high = 1, n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def _beta_quantile(p: float, a: float, b: float) -> float:
    """x with ``I_x(a, b) = p``, by ``log x``, so that few values (a small ``x``) are no problem."""

    def missing(log_x: float) -> float:
        return math.log(max(incomplete_beta(a, b, log_x), 1e-300) / p)

    low = -1.0
    while missing(low) > 0.0:
        low *= 2.0
        if low < -700.0:
            return 0.0
    return math.exp(root_of(missing, low, 0.0, accuracy=1e-12))
