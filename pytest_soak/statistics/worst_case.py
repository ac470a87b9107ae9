"""The worst-case factor: how far a window's mean may be from the true mean if φ is .8.

With few iterations φ cannot be estimated well. The worst-case bound of the gate therefore assumes
φ = .8. The factor is the distance that the mean of ``w`` iterations may have from the true mean, in
standard deviations of the same ``w`` values.
"""

from __future__ import annotations

import math
from functools import lru_cache

from pytest_soak.statistics.roots import root_of

WORST_PHI = 0.8
"""Lag-1 autocorrelation that the bound assumes."""
LEAST_PROBABILITY = 0.98
"""The confidence of a bound without an estimate of φ is at least this, whatever the gate's is."""
FEWEST = 6
"""A window needs at least this many values for a bound."""

_STEP = 0.125
"""Step of the trapezoid rule; half of it changes the probability by less than 1e-12."""
_NEGLIGIBLE = 1e-18


@lru_cache(maxsize=1024)
def worst_case_factor(w: int, confidence: float) -> float:
    """c(w): quantile of ``(mean - truth) / sd`` of ``w`` values of a normal AR(1) with φ = .8.

    The quantile is at the larger of .98 and ``confidence``; ``sd`` has ``w - 1`` in its
    denominator. At .98 c is 4.06 for 6 values, 3.26 for 8, 1.57 for 24, .68 for 96, .37 for 288;
    for large ``w`` it falls as 1/√w. It is exact: ``exceeding`` has the integral. Raises ValueError
    for fewer than 6 values and unless 0 < confidence < 1.
    """
    if w < FEWEST:
        raise ValueError(f"the worst-case factor needs at least {FEWEST} values, not {w}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
    tail = 1.0 - max(LEAST_PROBABILITY, confidence)

    def missing(log_c: float) -> float:
        return math.log(max(exceeding(math.exp(log_c), w), 1e-300) / tail)

    low = -0.5 * math.log(w)
    while missing(low) < 0.0:
        low -= 1.0
    high = low + 1.0
    while missing(high) > 0.0:
        low, high = high, high + 1.0
    return math.exp(root_of(missing, low, high))


def exceeding(c: float, w: int, phi: float = WORST_PHI) -> float:
    """P(mean - truth > c · sd) for ``w`` values of a normal AR(1) series; c > 0, 0 < φ < 1.

    By symmetry it is half of P(Q > 0) for the quadratic form ``Q = mean² - c² sd²`` of normal
    values, whose matrix times their covariance has a single positive eigenvalue. The moment
    generating function of Q is ``D(s)^(-1/2)``; the Bromwich integral of its tail, bent around the
    branch cut of the positive eigenvalue, is ``P(Q > 0) = 1/π ∫ ds / (s √-D(s))`` from the root
    of D to infinity (compare Imhof 1961). ``s = root · cosh² x`` makes the integrand smooth.
    """
    ratio = ((w - 1) / c**2 + w) / w**2

    def rest(kappa: float) -> float:
        """``-D`` over the determinant: negative below its root."""
        return kappa * ratio * _resolvent(kappa, w, phi)[1] - 1.0

    high = 1.0
    while rest(high) < 0.0:
        high *= 2.0
    root = root_of(rest, 0.0, high)
    terms = []
    for k in range(1000):
        x = (k + 0.5) * _STEP
        kappa = root * math.cosh(x) ** 2
        log_determinant, total = _resolvent(kappa, w, phi)
        beyond = max(kappa * ratio * total - 1.0, 1e-300)
        terms.append(2.0 * math.tanh(x) * math.exp(-0.5 * log_determinant) / math.sqrt(beyond))
        if terms[-1] < _NEGLIGIBLE:
            break
    return 0.5 * math.fsum(terms) * _STEP / math.pi


def _resolvent(kappa: float, w: int, phi: float) -> tuple[float, float]:
    """``log det(I + κ Σ)`` and ``1' (Σ⁻¹ + κ I)⁻¹ 1`` of ``Σ_ij = φ^|i-j|``, ``w`` by ``w``.

    The inverse of Σ is tridiagonal with constant rows but the first and the last, so both have
    closed forms in the roots of ``φ r² - (1 + φ² + κ (1 - φ²)) r + φ = 0``.
    """
    squeeze = 1.0 - phi * phi
    scaled = kappa * squeeze
    diagonal = 1.0 + phi * phi + scaled
    upper = 0.5 * (diagonal + math.sqrt(diagonal * diagonal - 4.0 * phi * phi))
    lower = phi * phi / upper
    corners = (upper - phi * phi) ** 2 - (lower / upper) ** (w - 1) * (lower - phi * phi) ** 2
    log_determinant = (w - 1) * math.log(upper) + math.log(corners / ((upper - lower) * squeeze))
    r = phi / upper
    level = squeeze / ((1.0 - phi) ** 2 + scaled)
    far = r**w
    edge = level * (1.0 - phi) / (1.0 / r + far - phi * (1.0 + far / r))
    return log_determinant, w * level - 2.0 * edge * (1.0 - far) / (1.0 - r)
