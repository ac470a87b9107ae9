"""Where a level turns into a line, on series whose turn is known."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

import pytest

from pytest_soak.statistics import KpiSeries, onset
from pytest_soak.statistics.onset import FEWEST


def series(values: Sequence[float | None], first: int = 1) -> KpiSeries:
    return KpiSeries(tuple(range(first, first + len(values))), tuple(values))


def turning(n: int, at: int, slope: float) -> list[float]:
    return [5.0 + slope * max(0, number - at) for number in range(1, n + 1)]


@pytest.mark.parametrize("at", [1, 5, 20, 40, 55])
@pytest.mark.parametrize("slope", [-0.05, 0.2, 1e9, -1e-12])
def test_without_noise_the_turn_is_exact(at: int, slope: float) -> None:
    assert onset(series(turning(60, at, slope))) == at


def test_it_is_the_least_sum_of_squares_of_all_turns() -> None:
    """Against a slow search, with gaps."""
    rng = random.Random(1)
    for _ in range(20):
        n = rng.randint(12, 40)
        values: list[float | None] = [
            None if rng.random() < 0.2 else rng.gauss(0.0, 1.0) + 0.1 * t for t in range(n)
        ]
        points = [(t + 1, value) for t, value in enumerate(values) if value is not None]
        if len(points) < FEWEST:
            continue

        def rest(k: int, points: list[tuple[int, float]] = points) -> float:
            h = [float(max(0, t - k)) for t, _ in points]
            y = [value for _, value in points]
            mean_h, mean_y = statistics.fmean(h), statistics.fmean(y)
            spread = sum((x - mean_h) ** 2 for x in h)
            slope = sum((x - mean_h) * (v - mean_y) for x, v in zip(h, y, strict=True)) / spread
            return sum((v - mean_y - slope * (x - mean_h)) ** 2 for x, v in zip(h, y, strict=True))

        best = min((t for t, _ in points[:-3]), key=rest)
        given = onset(series(values))
        assert given is not None
        assert rest(given) == pytest.approx(rest(best))


def test_with_noise_the_turn_is_near() -> None:
    misses = []
    for seed in range(100):
        rng = random.Random(seed)
        values: list[float | None] = [
            value + rng.gauss(0.0, 0.1) for value in turning(72, 40, -0.05)
        ]
        given = onset(series(values))
        assert given is not None
        misses.append(given - 40)
    assert abs(statistics.median(misses)) <= 1
    assert sum(abs(miss) <= 6 for miss in misses) >= 90


def test_few_values_and_constants() -> None:
    assert onset(series([1.0] * (FEWEST - 1))) is None
    assert onset(series([None] * 30)) is None
    assert onset(series([2.5] * 30)) is not None
    assert onset(series([1e300 * (t % 2) for t in range(30)])) is not None
