from __future__ import annotations

import math
import random

import pytest

from pytest_soak.statistics import (
    PHI_MAX,
    ar1_coefficient,
    effective_size,
    mean_interval,
    standard_deviation,
    student_t_quantile,
)
from tests.unit.gate.histories import noise


@pytest.mark.parametrize("df", [0.05, 0.5, 1.0, 1.09, 1.5, 2.0, 3.7, 7.0, 23.0, 1000.0, 1e6])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.95, 0.975, 0.999, 0.05])
def test_quantile_is_that_of_scipy(p: float, df: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert student_t_quantile(p, df) == pytest.approx(float(stats.t.ppf(p, df)), rel=1e-8)


def test_quantile_has_closed_forms_for_one_and_two_degrees() -> None:
    assert student_t_quantile(0.95, 1.0) == pytest.approx(math.tan(math.pi * 0.45), rel=1e-12)
    assert student_t_quantile(0.9, 2.0) == pytest.approx(0.8 / math.sqrt(2 * 0.9 * 0.1), rel=1e-12)
    assert student_t_quantile(0.5, 3.0) == 0.0
    assert student_t_quantile(0.1, 3.0) == -student_t_quantile(0.9, 3.0)
    assert student_t_quantile(0.95, 0.001) == math.inf


@pytest.mark.parametrize(("p", "df"), [(0.0, 1.0), (1.0, 1.0), (0.9, 0.0), (0.9, math.nan)])
def test_quantile_refuses_invalid_arguments(p: float, df: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        student_t_quantile(p, df)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.7, 0.95])
def test_effective_size_is_the_variance_of_the_mean(phi: float) -> None:
    n = 8
    covariances = math.fsum(phi ** abs(i - j) for i in range(n) for j in range(n))
    assert effective_size(n, phi) == pytest.approx(n * n / covariances)


def test_effective_size_is_not_the_asymptotic_one() -> None:
    assert effective_size(8, 0.0) == 8.0
    assert effective_size(8, 0.7) > 1.3 * 8 * 0.3 / 1.7
    assert effective_size(1, 0.9) == 1.0
    with pytest.raises(ValueError, match="at least 1"):
        effective_size(0, 0.5)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5, 0.7])
def test_phi_is_found_without_much_bias(phi: float) -> None:
    rng = random.Random(3)
    estimates = [ar1_coefficient(noise(48, phi, rng)) for _ in range(400)]
    clipped = 0.06 if phi == 0.0 else 0.0  # negative ones count as 0, which lifts the mean
    assert math.fsum(estimates) / len(estimates) == pytest.approx(phi + clipped, abs=0.03)


def test_phi_does_not_count_a_trend_as_correlation() -> None:
    rng = random.Random(4)
    series = noise(72, 0.0, rng)
    steep = [value + 0.5 * t for t, value in enumerate(series)]
    assert ar1_coefficient(steep) == pytest.approx(ar1_coefficient(series), abs=1e-9)
    assert ar1_coefficient(steep) < 0.3


def test_phi_is_the_same_backwards_and_in_any_unit() -> None:
    series = noise(40, 0.6, random.Random(5))
    phi = ar1_coefficient(series)
    assert ar1_coefficient(series[::-1]) == pytest.approx(phi)
    assert ar1_coefficient([300.0 - 18.0 * value for value in series]) == pytest.approx(phi)


def test_phi_is_never_negative_nor_above_its_clip() -> None:
    assert ar1_coefficient([(-1.0) ** t for t in range(24)]) == 0.0
    walk, position = [], 0.0
    rng = random.Random(6)
    for _ in range(200):
        position += rng.gauss(0.0, 1.0)
        walk.append(position)
    assert 0.8 < ar1_coefficient(walk) <= PHI_MAX


def test_phi_compares_neighbours_only() -> None:
    series: list[float | None] = list(noise(400, 0.7, random.Random(7)))
    series[3::4] = [None] * 100
    assert ar1_coefficient(series) == pytest.approx(0.7, abs=0.1)
    lonely = [value if t % 2 else None for t, value in enumerate(series)]
    assert ar1_coefficient(lonely) == PHI_MAX


def test_phi_of_few_figures_is_the_largest_and_of_a_constant_is_zero() -> None:
    assert ar1_coefficient([1.0, 2.0, 1.0, 2.0, 1.0]) == PHI_MAX
    assert ar1_coefficient([3.0] * 24) == 0.0
    assert ar1_coefficient([0.36] * 24) == 0.0  # whose mean is not exactly .36
    assert ar1_coefficient([0.1 * t for t in range(24)]) == 0.0


def test_interval_of_independent_figures_is_the_t_interval() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = noise(8, 0.0, random.Random(8))
    interval = mean_interval(values, 0.0)
    expected = stats.t.interval(
        0.9, 7, loc=sum(values) / 8, scale=standard_deviation(values) / math.sqrt(8)
    )
    assert (interval.low, interval.high) == pytest.approx(tuple(map(float, expected)))


def test_interval_takes_the_larger_sd_and_a_center_of_its_own() -> None:
    own = mean_interval([1.0, 2.0, 3.0], 0.0)
    wider = mean_interval([1.0, 2.0, 3.0], 0.0, sd_floor=5.0)
    same = mean_interval([1.0, 2.0, 3.0], 0.0, sd_floor=0.5)
    assert (own.sd, wider.sd, same.sd) == (1.0, 5.0, 1.0)
    assert wider.low < own.low == same.low
    moved = mean_interval([1.0, 2.0, 3.0], 0.0, center=2.5)
    assert moved.low == pytest.approx(own.low + 0.5)


def test_interval_of_one_figure_is_unbounded_and_of_none_an_error() -> None:
    assert mean_interval([2.0], 0.0).low == -math.inf
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([], 0.0)


def test_interval_of_a_constant_is_a_point() -> None:
    interval = mean_interval([2.0] * 8, 0.5)
    assert interval.low == interval.high == 2.0
