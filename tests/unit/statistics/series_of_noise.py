"""Random KPI series for the tests of the statistics: holes, gaps, weights, trends, tails."""

from __future__ import annotations

import math
import random

from pytest_soak.statistics import KpiSeries
from tests.unit.gate.histories import noise


def random_series(rng: random.Random, n: int, *, mirrored: bool = False) -> KpiSeries:
    """``n`` judged iterations of any kind; every part of them has enough values for a bound."""
    phi = rng.choice((0.0, 0.3, 0.6, 0.8, 0.9))
    values = noise(n, phi, rng)
    if rng.random() < 0.3:
        values = [math.exp(0.75 * value) for value in values]
    growth = rng.choice((0.0, 0.0, 0.0, 2.0, -4.0, 8.0))
    values = [value + growth * t / n for t, value in enumerate(values)]
    if rng.random() < 0.3:  # a recovery: a ramp, then constant
        height, end = rng.choice((4.0, 12.0)), 0.6 * n
        values = [value + height * max(0.0, 1.0 - t / end) for t, value in enumerate(values)]
    level, size = rng.choice((0.0, 100.0)), rng.choice((1.0, 18.0, 0.01))
    values = [level + size * (-value if mirrored else value) for value in values]
    numbers = list(range(3, n + 3))
    if rng.random() < 0.3:  # iterations that a scenario excludes are missing from the numbers
        numbers = sorted(rng.sample(range(3, n + n // 6 + 3), n))
    holes = rng.random() < 0.5
    kept: list[float | None] = [
        None if holes and i % 4 == 1 and rng.random() < 0.7 else value
        for i, value in enumerate(values)
    ]
    weights = None
    if rng.random() < 0.4:
        sigma = rng.choice((0.2, 1.0, 2.0))
        weights = tuple(math.exp(rng.gauss(0.0, sigma)) for _ in range(n))
    return KpiSeries(tuple(numbers), tuple(kept), weights)
