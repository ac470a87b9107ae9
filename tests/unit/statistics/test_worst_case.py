from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from pytest_soak.statistics import worst_case_factor
from pytest_soak.statistics.worst_case import exceeding

SIMULATED = {
    6: 4.06, 7: 3.61, 8: 3.25, 9: 3.00, 10: 2.78, 12: 2.46, 14: 2.21, 16: 2.04, 20: 1.76, 24: 1.57,
    32: 1.31, 48: 1.01, 64: 0.86, 96: 0.68, 144: 0.54, 192: 0.47, 288: 0.37, 432: 0.30, 576: 0.26,
}  # fmt: skip
"""c(w) at 98 % as a simulation gave it, rounded to two decimals."""


@pytest.mark.parametrize(("w", "factor"), SIMULATED.items())
def test_factors_are_those_of_a_large_simulation(w: int, factor: float) -> None:
    assert worst_case_factor(w, 0.95) == pytest.approx(factor, abs=0.02)


@pytest.mark.parametrize(("w", "confidence"), [(8, 0.98), (24, 0.98), (8, 0.995)])
def test_a_factor_is_exceeded_as_often_as_stated(w: int, confidence: float) -> None:
    rng = np.random.default_rng(w)
    runs = 40_000
    x = np.empty((runs, w))
    x[:, 0] = rng.standard_normal(runs)
    for t in range(1, w):
        x[:, t] = 0.8 * x[:, t - 1] + 0.6 * rng.standard_normal(runs)
    beyond = x.mean(axis=1) > worst_case_factor(w, confidence) * x.std(axis=1, ddof=1)
    tail = 1.0 - confidence
    assert beyond.mean() == pytest.approx(tail, abs=3.0 * math.sqrt(tail / runs))


@pytest.mark.parametrize(("w", "c"), [(6, 4.0), (8, 3.25), (24, 1.57)])
def test_the_probability_is_that_of_imhof(w: int, c: float) -> None:
    """P(Q > 0) by the characteristic function of the quadratic form, from its eigenvalues."""
    t = np.arange(w)
    covariance = 0.8 ** np.abs(t[:, None] - t[None, :])
    ones = np.ones((w, w))
    form = ones / w**2 - c * c / (w - 1) * (np.eye(w) - ones / w)
    eigenvalues = np.linalg.eigvals(form @ covariance).real

    def integrand(u: float) -> float:
        angle = 0.5 * np.arctan(eigenvalues * u).sum()
        size = u * ((1.0 + (eigenvalues * u) ** 2) ** 0.25).prod()
        return float(np.sin(angle) / size)

    area, _ = integrate.quad(integrand, 0.0, np.inf, limit=2000, epsabs=1e-10)
    assert exceeding(c, w) == pytest.approx(0.5 * (0.5 + area / np.pi), abs=1e-7)


def test_independent_values_would_have_the_t_quantile() -> None:
    stats = pytest.importorskip("scipy.stats")
    c = float(stats.t.ppf(0.98, 7)) / math.sqrt(8)
    assert exceeding(c, 8, phi=1e-9) == pytest.approx(0.02, rel=1e-6)


def test_factors_fall_with_the_window_and_rise_with_the_confidence() -> None:
    factors = [worst_case_factor(w, 0.98) for w in range(6, 60)]
    assert factors == sorted(factors, reverse=True)
    assert worst_case_factor(8, 0.5) == worst_case_factor(8, 0.98)
    assert worst_case_factor(8, 0.99) > worst_case_factor(8, 0.98)
    assert worst_case_factor(2304, 0.98) * 2.0 == pytest.approx(
        worst_case_factor(576, 0.98), rel=0.01
    )
    assert math.isfinite(worst_case_factor(6, 1.0 - 1e-15))


@pytest.mark.parametrize(("w", "confidence"), [(5, 0.98), (8, 0.0), (8, 1.0)])
def test_a_factor_refuses_few_values_and_impossible_confidences(w: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        worst_case_factor(w, confidence)
