"""The calibration's numpy replica judges as the product does: 640 random runs, holes and ratios."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("scipy.special")

from benchmarks.calibration import replica
from pytest_soak.statistics import (
    KpiSeries,
    Noise,
    ar1_coefficient,
    drift,
    judge_bounds,
    mean_interval,
    slope_test,
    throughput_drift,
)
from tests.unit.statistics.series_of_noise import random_series

RUNS = 80
CASES = [(n, weighted) for n in (12, 24, 48, 100) for weighted in (False, True)]


def batch(n: int, weighted: bool) -> list[KpiSeries]:
    """Runs of consecutive iterations, all with weights or none, with 6 values in the last 8."""
    rng = random.Random(f"replica {n} {weighted}")
    runs: list[KpiSeries] = []
    while len(runs) < RUNS:
        kpi = random_series(rng, n)
        if (kpi.weights is not None) == weighted and len(kpi.last(8).present) >= 6:
            runs.append(KpiSeries(tuple(range(1, n + 1)), kpi.values, kpi.weights))
    return runs


def arrays(runs: list[KpiSeries]) -> tuple[replica.Floats, replica.Floats | None]:
    values = np.array([[np.nan if x is None else x for x in kpi.values] for kpi in runs])
    if runs[0].weights is None:
        return values, None
    return values, np.array([kpi.weights for kpi in runs], dtype=float)


@pytest.mark.parametrize(("n", "weighted"), CASES)
@pytest.mark.parametrize("with_reference", [False, True])
def test_bounds_are_those_of_the_product(n: int, weighted: bool, with_reference: bool) -> None:
    runs = batch(n, weighted)
    values, weights = arrays(runs)
    rng = random.Random(f"reference {n}")
    noise = [Noise(rng.uniform(0.0, 0.9), rng.uniform(0.0, 20.0), 72) for _ in runs]
    references = None
    if with_reference:
        phi, sd = np.array([x.phi for x in noise]), np.array([x.sd for x in noise])
        references = replica.References(phi, sd, 72)
    judged = replica.judge(values, weights=weights, reference=references)
    for i, kpi in enumerate(runs):
        bounds = judge_bounds(kpi, upper=True, reference=noise[i] if with_reference else None)
        assert (judged.fallback[i], judged.worsens[i]) == (bounds.fallback, bounds.worsens)
        for name in ("figure", "estimated", "worst_case", "other", "n_eff"):
            expected = getattr(bounds, name)
            ours = float(getattr(judged, name)[i])
            assert ours == pytest.approx(np.inf if expected is None else expected, rel=1e-9), name


@pytest.mark.parametrize("n", [24, 36, 48, 100])
def test_drift_is_that_of_the_product(n: int) -> None:
    runs = [kpi for weighted in (False, True) for kpi in batch(n, weighted)]
    values = np.array([[np.nan if x is None else x for x in kpi.values] for kpi in runs])
    slopes = replica.slopes_of(replica.fit_lines(values))
    limit = float(np.nanmedian(values)) * 1.02
    alarms = replica.drift(values, limit, last_change=n // 4)
    seen = set()
    for i, kpi in enumerate(runs):
        slope = slope_test(kpi.numbers, kpi.values)
        assert slope is not None
        assert slopes.slope[i] == pytest.approx(slope.slope, rel=1e-9, abs=1e-12)
        assert slopes.error[i] == pytest.approx(slope.error, rel=1e-9)
        assert slopes.df[i] == pytest.approx(slope.df, rel=1e-9)
        plain = KpiSeries(kpi.numbers, kpi.values)
        result = drift(plain, limit=limit, upper=True, last_change=n // 4)
        assert alarms.alarm[i] == result.alarm
        assert alarms.proved[i] == any(stretch.proved for stretch in result.stretches)
        seen.add(result.alarm)
    assert len(seen) >= 2


@pytest.mark.parametrize("n", [24, 48])
def test_throughput_alarms_are_those_of_the_product(n: int) -> None:
    rng = np.random.default_rng(n)
    lost = rng.uniform(0.3, 1.0, (60, 1))
    values = 900.0 * (1.0 - lost * np.arange(n) / n) + 40.0 * rng.standard_normal((60, n))
    alarms = replica.throughput_alarms(values)
    assert 0 < alarms.sum() < 60
    for row, alarm in zip(values, alarms, strict=True):
        kpi = KpiSeries(tuple(range(n)), tuple(map(float, row)))
        assert bool(throughput_drift(kpi).alarm) == alarm


@pytest.mark.parametrize("n", [24, 72])
def test_the_earlier_rule_is_the_mean_interval_of_the_last_eight(n: int) -> None:
    runs = batch(n, False)
    values, _ = arrays(runs)
    figure, bound = replica.earlier_bound(values)
    for i, kpi in enumerate(runs):
        interval = mean_interval(kpi.last(8).present_values, ar1_coefficient(kpi.values))
        assert (figure[i], bound[i]) == pytest.approx((interval.mean, interval.high), rel=1e-9)
