from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.statistics import (
    PHI_MAX,
    Alarm,
    KpiSeries,
    drift,
    first_quarter_figure,
    slope_test,
    throughput_drift,
)
from tests.unit.gate.histories import noise
from tests.unit.statistics import oracle
from tests.unit.statistics.series_of_noise import random_series


def of(values: list[float], first: int = 1) -> KpiSeries:
    return KpiSeries(tuple(range(first, first + len(values))), tuple(values))


def rising(n: int, slope: float, seed: int, sd: float = 1.0) -> list[float]:
    return [slope * t + sd * x for t, x in enumerate(noise(n, 0.0, random.Random(seed)))]


@pytest.mark.parametrize("seed", range(60))
def test_the_slope_is_that_of_the_formulas(seed: int) -> None:
    rng = random.Random(f"slope {seed}")
    kpi = random_series(rng, rng.choice((16, 24, 37, 60)))
    slope = slope_test(kpi.numbers, kpi.values)
    if slope is None:
        assert len(kpi.present) < 12
        return
    times = np.array([kpi.numbers[i] for i in kpi.present], dtype=float)
    expected = oracle.slope_parts(times, np.array(kpi.present_values))
    assert slope.slope == pytest.approx(expected.slope, rel=1e-7, abs=1e-10)
    assert slope.error == pytest.approx(expected.error, rel=1e-9)
    assert slope.df == pytest.approx(expected.df)
    assert slope.phi == pytest.approx(expected.phi)
    for alpha in (0.05, 0.01):
        assert slope.rises(alpha) == expected.proves(1, alpha)
        assert slope.falls(alpha) == expected.proves(-1, alpha)


def test_the_variance_of_a_slope_is_exact_for_a_known_phi() -> None:
    """I against the variance ``τ' R τ / (τ' τ)²`` of a least-squares slope, with a gap."""
    values: list[float | None] = list(noise(30, 0.7, random.Random(1)))
    values[7] = values[8] = values[20] = None
    slope = slope_test(range(1, 31), values)
    assert slope is not None
    t = np.array([i + 1.0 for i, x in enumerate(values) if x is not None])
    tau = t - t.mean()
    correlation = slope.phi ** np.abs(t[:, None] - t[None, :])
    exact = tau @ correlation @ tau / (tau @ tau) ** 2
    present = np.array([x for x in values if x is not None])
    s2 = (oracle.residuals(t, present) ** 2).sum() / 25
    c = max(slope.n_eff, 2.5) / max(slope.n_eff - 2, 0.5) * 25 / 27
    assert slope.error == pytest.approx(math.sqrt(exact * s2 * c))


def test_no_slope_of_eleven_values_and_none_significant_if_phi_is_unknown() -> None:
    assert slope_test(range(11), [float(t) for t in range(11)]) is None
    lonely = slope_test(range(0, 48, 2), [float(t * t) for t in range(24)])
    assert lonely is not None
    assert lonely.phi == PHI_MAX
    assert lonely.wanders
    assert not lonely.rises(0.05)


def test_a_line_without_noise_is_significant_and_a_constant_is_not() -> None:
    line = slope_test(range(24), [2.0 + 0.5 * t for t in range(24)])
    assert line is not None
    assert (line.slope, line.error, line.rises(0.01), line.falls(0.05)) == (0.5, 0.0, True, False)
    assert line.low(0.05) == line.high(0.05) == 0.5
    gaps = [t for t in range(40) if t % 3]
    constant = slope_test(gaps, [0.36] * len(gaps))
    assert constant is not None
    assert (constant.slope, constant.error, constant.rises(0.05)) == (0.0, 0.0, False)


def test_short_runs_have_no_stretch_and_long_ones_up_to_three() -> None:
    values = noise(72, 0.0, random.Random(2))
    names = [s.name for s in drift(of(values), limit=9.0, upper=True, last_change=30).stretches]
    assert names == ["run", "last half", "since the last change"]
    assert not drift(of(values[:23]), limit=9.0, upper=True).stretches
    assert drift(of(values[:23]), limit=9.0, upper=True).alarm is Alarm.NONE
    assert drift(of(values[:23]), limit=9.0, upper=True).worst is None
    assert len(drift(of(values[:35]), limit=9.0, upper=True).stretches) == 1
    half = drift(of(values[:36]), limit=9.0, upper=True).stretches[1]
    assert (half.first, half.last, half.slope.n, half.length) == (13, 36, 24, 24)
    half = drift(of(values), limit=9.0, upper=True).stretches[1]
    assert (half.first, half.last, half.alpha) == (37, 72, 0.01)
    since = drift(of(values), limit=9.0, upper=True, last_change=48).stretches[-1]
    assert (since.first, since.slope.n) == (49, 24)
    assert len(drift(of(values), limit=9.0, upper=True, last_change=49).stretches) == 2
    assert len(drift(of(values), limit=9.0, upper=True, last_change=0).stretches) == 2


def test_a_drift_that_reaches_the_limit_soon_fails() -> None:
    """Mean of the last 8 of 24 is 4 · 20.5 + 200 = 282; 58 / 4 = 14.5; less 3.5 since then."""
    values = [200.0 + 4.0 * t for t in range(1, 25)]
    rises = drift(of(values), limit=340.0, upper=True)
    (stretch,) = rises.stretches
    assert stretch.remaining == pytest.approx((340.0 - 282.0) / 4.0 - 3.5)
    assert stretch.last_figure == 282.0
    assert stretch.first_figure == 214.0
    assert rises.alarm is Alarm.FAIL
    assert rises.worst is stretch
    later = drift(of(values), limit=282.0 + 4.0 * 20.0, upper=True)
    assert later.stretches[0].remaining == pytest.approx(16.5)
    assert later.alarm is Alarm.WARN
    never = drift(of(values), limit=282.0 + 4.0 * 28.0, upper=True)
    assert never.stretches[0].remaining == pytest.approx(24.5)
    assert never.alarm is Alarm.NONE
    beyond = drift(of(values), limit=100.0, upper=True)
    assert beyond.stretches[0].remaining == 0.0
    away = drift(of(values), limit=100.0, upper=False)
    assert away.alarm is Alarm.NONE
    assert away.stretches[0].remaining is None


def test_a_slope_significant_at_five_percent_only_warns() -> None:
    for seed in range(200):
        result = drift(of(rising(24, 0.06, seed)), limit=1.5, upper=True)
        stretch = result.stretches[0]
        if stretch.proved and not stretch.surely:
            assert result.alarm is Alarm.WARN
            return
    raise AssertionError("no such series")


def test_the_last_half_warns_at_one_percent_and_never_fails() -> None:
    values = [0.0] * 36 + [1.0 * t for t in range(36)]
    values = [x + e for x, e in zip(values, noise(72, 0.0, random.Random(3)), strict=True)]
    whole, half = drift(of(values), limit=42.0, upper=True).stretches
    assert half.proved
    assert half.surely
    assert half.remaining is not None
    assert half.remaining < 18
    assert half.alarm is Alarm.WARN
    assert whole.slope.slope < half.slope.slope


def test_remaining_counts_from_the_end_of_the_run_past_iterations_without_data() -> None:
    values: list[float | None] = [200.0 + 4.0 * t for t in range(1, 25)]
    series = KpiSeries(tuple(range(1, 29)), (*values, None, None, None, None))
    (stretch,) = drift(series, limit=340.0, upper=True).stretches
    assert stretch.remaining == pytest.approx((340.0 - 282.0) / 4.0 - 7.5)


def test_a_wandering_series_is_marked() -> None:
    rng = random.Random(4)
    walk, position = [], 0.0
    for _ in range(200):
        position += rng.gauss(0.3, 1.0)
        walk.append(position)
    wandering = drift(of(walk), limit=80.0, upper=True)
    assert wandering.wanders == any(s.slope.phi == PHI_MAX for s in wandering.stretches)
    assert all(s.alarm is Alarm.NONE for s in wandering.stretches if s.slope.wanders)


def test_throughput_warns_when_half_is_lost() -> None:
    def fills(lost: float) -> KpiSeries:
        return of([900.0 * (1.0 - lost * t / 71) + 5.0 * x for t, x in enumerate(quiet)])

    quiet = noise(72, 0.0, random.Random(5))
    assert throughput_drift(fills(0.9)).alarm is Alarm.WARN
    assert throughput_drift(fills(0.5)).alarm is Alarm.NONE
    assert throughput_drift(fills(-0.9)).alarm is Alarm.NONE
    (whole, *_) = throughput_drift(fills(0.9)).stretches
    assert whole.lost == pytest.approx(1 - (1 - 0.9 * 59.5 / 71) / (1 - 0.9 * 8.5 / 71), abs=0.01)
    assert throughput_drift(fills(0.5), most_lost=0.3).alarm is Alarm.WARN
    assert throughput_drift(of([0.0] * 72)).stretches[0].lost is None


def test_the_first_quarter_is_what_a_budget_starts_from() -> None:
    assert first_quarter_figure(of([float(t) for t in range(24)])) == 2.5
    assert first_quarter_figure(of([3.0])) == 3.0
    assert first_quarter_figure(of([])) is None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), n=st.sampled_from((24, 36, 72)))
def test_a_lower_limit_is_the_mirror_of_an_upper_one(seed: int, n: int) -> None:
    kpi = random_series(random.Random(seed), n)
    mirror = replace(kpi, values=tuple(None if x is None else -x for x in kpi.values))
    up = drift(kpi, limit=101.0, upper=True, last_change=n // 4)
    down = drift(mirror, limit=-101.0, upper=False, last_change=n // 4)
    assert up.alarm is down.alarm
    for a, b in zip(up.stretches, down.stretches, strict=True):
        assert a.remaining == pytest.approx(b.remaining)
        assert (a.proved, a.surely) == (b.proved, b.surely)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.none(),
            st.floats(-1e100, 1e100),
            st.floats(-1.0, 1.0),
            st.sampled_from([0.0, 1.0, 1e100, 1e-300]),
        ),
        max_size=90,
    ),
    limit=st.floats(-1e100, 1e100),
    upper=st.booleans(),
)
def test_any_figures_can_be_tested(values: list[float | None], limit: float, upper: bool) -> None:
    kpi = KpiSeries(tuple(range(len(values))), tuple(values))
    for result in (
        drift(kpi, limit=limit, upper=upper, last_change=20),
        throughput_drift(kpi, last_change=20),
    ):
        for stretch in result.stretches:
            assert math.isfinite(stretch.slope.slope)
            assert math.isfinite(stretch.slope.error)
            assert stretch.remaining is None or stretch.remaining >= 0.0
        assert result.worst is None or result.worst.alarm is result.alarm


def test_five_thousand_iterations_take_one_pass() -> None:
    """φ^k is negligible long before 5,000: the figures are finite, and gaps change little."""
    rng = random.Random(6)
    values: list[float | None] = list(noise(5000, 0.9, rng))
    whole = slope_test(range(5000), values)
    values[100] = None
    gap = slope_test(range(5000), values)
    assert whole is not None
    assert gap is not None
    assert gap.error == pytest.approx(whole.error, rel=0.01)
