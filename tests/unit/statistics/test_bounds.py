from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.statistics import (
    Bounds,
    KpiSeries,
    Noise,
    clipped,
    effective_size,
    judge_bounds,
    student_t_quantile,
    worst_case_factor,
)
from tests.unit.gate.histories import noise
from tests.unit.statistics import oracle
from tests.unit.statistics.series_of_noise import random_series

LENGTHS = (8, 12, 24, 25, 36, 71, 72, 100)


def series(*values: float | None, first: int = 1) -> KpiSeries:
    return KpiSeries(tuple(range(first, first + len(values))), values)


def of(values: list[float], **changes: object) -> KpiSeries:
    return replace(series(*values), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(160))
def test_bounds_are_those_of_the_formulas(seed: int) -> None:
    pytest.importorskip("scipy.stats")
    rng = random.Random(f"bounds {seed}")
    kpi = random_series(rng, rng.choice(LENGTHS))
    if len(kpi.present) < 6 or len(kpi.last(8).present) < 6:
        pytest.skip("too few values")
    noise_known = rng.random() < 0.25
    confidence = rng.choice((0.9, 0.95, 0.99))
    factor = {w: worst_case_factor(w, confidence) for w in range(6, 40)}
    given_noise = Noise(0.5, 20.0 * rng.random(), 60) if noise_known else None
    expected = oracle.judge(
        kpi.numbers,
        kpi.values,
        factor,
        kpi.weights,
        confidence=confidence,
        reference=oracle.Reference(0.5, given_noise.sd, 60) if given_noise else None,
    )
    bounds = judge_bounds(kpi, upper=True, confidence=confidence, reference=given_noise)
    assert bounds.figure == pytest.approx(expected.figure, rel=1e-9)
    assert bounds.fallback == expected.fallback
    assert bounds.estimated == pytest.approx(expected.estimated, rel=1e-7)
    assert bounds.worst_case == pytest.approx(expected.worst_case, rel=1e-9)


def test_the_random_series_reach_every_branch() -> None:
    """The random series of the test above reach the fall-back, the block variance and weights."""
    seen = set()
    for seed in range(160):
        rng = random.Random(f"bounds {seed}")
        kpi = random_series(rng, rng.choice(LENGTHS))
        bounds = judge_bounds(kpi, upper=True)
        seen |= {("fallback", bounds.fallback), ("worsens", bounds.worsens)}
        seen |= {("weights", kpi.weights is not None), ("long", bounds.n >= 72)}
    assert len(seen) == 8


def test_eight_white_values_by_hand() -> None:
    """1 … 8 alternating around 10: every step of the estimated bound, written out."""
    values = [11.0, 9.0, 9.0, 11.0, 11.0, 9.0, 9.0, 11.0]
    bounds = judge_bounds(of(values), upper=True)
    # Slope 0 by symmetry, e = ±1. Burg: 2(-1+1-1+1-1+1-1)/14 = -1/7; (-1/7 + 1/4)/(1 - 1/2) = 3/14.
    assert bounds.phi == pytest.approx(3 / 14)
    n_eff = effective_size(8, 3 / 14)
    assert bounds.n_eff == pytest.approx(n_eff)
    sd = math.sqrt(1.0 / (1.0 - 2.0 / n_eff))
    assert bounds.sd == pytest.approx(sd)
    q = student_t_quantile(0.95, n_eff - 2.0)
    assert bounds.estimated == pytest.approx(10.0 + q * sd / math.sqrt(n_eff))
    assert bounds.other == pytest.approx(10.0 - q * sd / math.sqrt(n_eff))
    # 4 values each at ±1: sd with ddof 1 is √(8/7), and there is no skewness.
    assert bounds.worst_case == pytest.approx(10.0 + 3.2627 * math.sqrt(8 / 7), abs=1e-3)


def test_the_window_is_the_last_third() -> None:
    values = noise(60, 0.0, random.Random(2))
    bounds = judge_bounds(of(values), upper=True)
    assert (bounds.iterations, bounds.values, bounds.long_iterations) == (20, 20, 20)
    assert bounds.figure == pytest.approx(math.fsum(values[-20:]) / 20)
    assert judge_bounds(of(values[:20]), upper=True).iterations == 8
    assert judge_bounds(of(values), upper=True, window=30).iterations == 30
    assert judge_bounds(of(values[:4]), upper=True).iterations == 4


def test_iterations_without_data_are_counted_in_the_long_window() -> None:
    values: list[float | None] = list(noise(24, 0.3, random.Random(2)))
    values[-2] = values[-5] = None
    bounds = judge_bounds(series(*values), upper=True)
    assert (bounds.no_data, bounds.values, bounds.n) == (2, 6, 22)
    assert bounds.worst_case is not None
    values[-6] = math.nan
    assert judge_bounds(series(*values), upper=True).no_data == 3
    assert judge_bounds(series(*values), upper=True).worst_case is None
    empty = judge_bounds(series(*[None] * 24), upper=True)
    assert (empty.figure, empty.estimated, empty.no_data) == (None, None, 8)


def test_no_bounds_for_few_iterations_or_few_values() -> None:
    short = judge_bounds(series(1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0), upper=True)
    assert short == Bounds(13 / 7, 7, 7, 7, 0, 7)
    few = judge_bounds(series(1.0, 2.0, None, None, None, None, 3.0, 1.0, 2.0), upper=True)
    assert few.n == 5
    assert few.best(upper=True) is None
    assert judge_bounds(series(), upper=True).figure is None


@pytest.mark.parametrize("level", [0.0, 2.0, 0.36, -1e100, 1e-300])
@pytest.mark.parametrize("n", [8, 24, 25, 80])
def test_bounds_of_a_constant_are_its_figure(level: float, n: int) -> None:
    bounds = judge_bounds(of([level] * n), upper=True)
    assert bounds.figure is not None
    assert bounds.figure == pytest.approx(level, rel=1e-15)
    assert bounds.estimated == bounds.other == bounds.worst_case == bounds.figure
    assert bounds.sd == 0.0


def test_a_window_without_spread_in_a_noisy_run_has_no_worst_case() -> None:
    values = noise(48, 0.0, random.Random(3))[:32] + [0.0] * 16
    assert judge_bounds(of(values), upper=True).worst_case is None


def test_the_worst_case_of_a_recovered_run_is_inside_and_the_estimated_bound_far_outside() -> None:
    rng = random.Random(4)
    level = noise(72, 0.0, rng)
    values = [x + 12.0 * max(0.0, 1.0 - t / 43.0) for t, x in enumerate(level)]
    bounds = judge_bounds(of(values), upper=True)
    assert bounds.fallback
    assert not bounds.worsens
    assert bounds.worst_case is not None
    assert bounds.estimated is not None
    assert bounds.worst_case < 2.0
    assert bounds.estimated > 3.0
    assert bounds.best(upper=True) == bounds.worst_case


def test_a_drift_towards_the_limit_takes_the_worse_of_both_windows() -> None:
    rng = random.Random(5)
    values = [x + 0.2 * t for t, x in enumerate(noise(48, 0.0, rng))]
    up = judge_bounds(of(values), upper=True)
    assert up.worsens
    assert up.fallback
    assert up.iterations == 8
    assert up.figure == pytest.approx(math.fsum(values[-8:]) / 8)
    assert up.long_iterations == 16
    last = values[-8:]
    sd = math.sqrt(math.fsum((x - math.fsum(last) / 8) ** 2 for x in last) / 7)
    assert up.worst_case is not None
    assert up.worst_case >= math.fsum(last) / 8 + worst_case_factor(8, 0.95) * sd
    down = judge_bounds(of(values), upper=False)
    assert down.fallback
    assert not down.worsens
    assert down.worst_case is not None
    assert down.worst_case > math.fsum(values[-16:]) / 16 - 6.0


def test_no_fallback_where_the_last_iterations_have_too_few_values() -> None:
    values: list[float | None] = [
        x + 0.2 * t for t, x in enumerate(noise(48, 0.0, random.Random(5)))
    ]
    values[-3] = values[-5] = values[-7] = None
    bounds = judge_bounds(series(*values), upper=True)
    assert bounds.worsens
    assert (bounds.iterations, bounds.estimated, bounds.worst_case) == (16, None, None)
    assert judge_bounds(series(*values), upper=False).worst_case is not None


def test_a_ratio_of_sums_is_the_figure_and_few_large_volumes_count_as_few() -> None:
    volumes = [1.0] * 23 + [1000.0]
    values = [0.5 + 0.01 * x for x in noise(24, 0.0, random.Random(6))]
    sums = tuple(x * u for x, u in zip(values, volumes, strict=True))
    kpi = KpiSeries(tuple(range(24)), tuple(values), tuple(volumes), sums)
    bounds = judge_bounds(kpi, upper=True)
    assert bounds.figure == pytest.approx(math.fsum(sums[-8:]) / math.fsum(volumes[-8:]))
    assert bounds.n_eff == pytest.approx(1007.0**2 / (7.0 + 1e6))
    assert not bounds.printable
    assert bounds.estimated is not None
    assert bounds.estimated > 0.55  # .3 degrees of freedom
    equal = judge_bounds(replace(kpi, weights=(3.0,) * 24, numerators=None), upper=True)
    plain = judge_bounds(of(values), upper=True)
    assert equal.estimated == pytest.approx(plain.estimated)
    assert equal.worst_case == pytest.approx(plain.worst_case)


def test_weights_that_sum_to_zero_are_no_data_and_missing_weights_give_the_mean() -> None:
    values = tuple(noise(24, 0.0, random.Random(7)))
    kpi = KpiSeries(tuple(range(24)), values, (0.0,) * 24)
    assert judge_bounds(kpi, upper=True).figure is None
    some: tuple[float | None, ...] = (*(2.0,) * 20, None, *(2.0,) * 3)
    partly = judge_bounds(replace(kpi, weights=some), upper=True)
    assert partly.figure == pytest.approx(math.fsum(values[-8:]) / 8)


def test_a_reference_replaces_phi_and_widens_but_never_narrows() -> None:
    values = noise(24, 0.0, random.Random(8))
    own = judge_bounds(of(values), upper=True)
    quiet = judge_bounds(of(values), upper=True, reference=Noise(0.0, 0.0, 72))
    loud = judge_bounds(of(values), upper=True, reference=Noise(0.0, 5.0, 72))
    assert own.sd is not None
    assert quiet.sd is not None
    assert quiet.sd <= own.sd * 1.2
    assert quiet.phi == 0.0
    assert loud.sd == 5.0
    assert loud.estimated is not None
    assert quiet.estimated is not None
    assert loud.estimated > quiet.estimated
    assert loud.worst_case == quiet.worst_case == own.worst_case


def test_a_shown_bound_stays_within_the_range_of_the_kpi() -> None:
    assert clipped(1.2, 0.0, 1.0) == 1.0
    assert clipped(-0.1, 0.0, None) == 0.0
    assert clipped(0.4, 0.0, 1.0) == 0.4
    assert clipped(7.0, None, None) == 7.0


FIGURES = st.one_of(
    st.none(),
    st.floats(-1e100, 1e100),
    st.floats(-10.0, 10.0),
    st.sampled_from([0.0, 1.0, 0.36, 1e100, -1e100, 1e-300]),
)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(FIGURES, max_size=90),
    volumes=st.none() | st.lists(st.floats(0.0, 1e100), min_size=90, max_size=90),
    upper=st.booleans(),
)
def test_any_figures_have_finite_bounds_or_none(
    values: list[float | None], volumes: list[float] | None, upper: bool
) -> None:
    weights = None if volumes is None else tuple(volumes[: len(values)])
    kpi = KpiSeries(tuple(range(len(values))), tuple(values), weights)
    bounds = judge_bounds(kpi, upper=upper)
    assert 0 <= bounds.values <= bounds.iterations <= len(values)
    for number in (bounds.figure, bounds.estimated, bounds.worst_case, bounds.other, bounds.sd):
        assert number is None or math.isfinite(number)
    if bounds.figure is not None:
        for bound in (bounds.estimated, bounds.worst_case):
            assert (
                bound is None
                or (bound >= bounds.figure if upper else bound <= bounds.figure)
                or bounds.fallback
            )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), n=st.sampled_from(LENGTHS))
def test_a_lower_limit_is_the_mirror_of_an_upper_one(seed: int, n: int) -> None:
    kpi = random_series(random.Random(seed), n)
    mirror = replace(kpi, values=tuple(None if x is None else -x for x in kpi.values))
    up, down = judge_bounds(kpi, upper=True), judge_bounds(mirror, upper=False)
    assert up.fallback == down.fallback
    assert up.worsens == down.worsens
    for name in ("figure", "estimated", "worst_case", "other"):
        value, mirrored = getattr(up, name), getattr(down, name)
        assert mirrored == pytest.approx(None if value is None else -value, rel=1e-12)
    assert (up.n_eff, up.phi, up.sd) == pytest.approx((down.n_eff, down.phi, down.sd))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    n=st.sampled_from(LENGTHS),
    factor=st.sampled_from([2.0**-30, 1024.0, 2.0**200]),
)
def test_bounds_scale_with_the_unit(seed: int, n: int, factor: float) -> None:
    kpi = random_series(random.Random(seed), n)
    scaled = replace(kpi, values=tuple(None if x is None else x * factor for x in kpi.values))
    plain, larger = judge_bounds(kpi, upper=True), judge_bounds(scaled, upper=True)
    for name in ("figure", "estimated", "worst_case", "other"):
        value = getattr(plain, name)
        assert getattr(larger, name) == (None if value is None else value * factor)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), n=st.sampled_from(LENGTHS))
def test_bounds_move_with_the_level(seed: int, n: int) -> None:
    kpi = random_series(random.Random(seed), n)
    moved = replace(kpi, values=tuple(None if x is None else x + 64.0 for x in kpi.values))
    plain, higher = judge_bounds(kpi, upper=True), judge_bounds(moved, upper=True)
    assert plain.fallback == higher.fallback
    for name in ("figure", "estimated", "worst_case", "other"):
        value = getattr(plain, name)
        expected = None if value is None else value + 64.0
        assert getattr(higher, name) == pytest.approx(expected, rel=1e-7)
