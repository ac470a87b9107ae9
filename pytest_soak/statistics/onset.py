"""Where a steady level turns into a rising or falling line.

The model is a level up to iteration k and a line from k on, ``a + b·max(0, t - k)`` (two-phase
regression, Hinkley 1969). k is the iteration that leaves the smallest sum of squares. It is an
estimate for people, without an interval: no verdict depends on it.
"""

from __future__ import annotations

import math

from pytest_soak.statistics.kpi_series import KpiSeries, scale

FEWEST = 12
"""Fewer values show no level and no line."""
_LEAST_LINE = 3
"""The line has at least this many values after k."""


def onset(series: KpiSeries) -> int | None:
    """The number of the last iteration at the level; None for fewer than 12 values.

    It is the first iteration with a value if the whole series is one line.
    """
    present = series.present
    n = len(present)
    if n < FEWEST:
        return None
    numbers = [series.numbers[i] for i in present]
    values, _ = scale(series.present_values)
    mean = math.fsum(values) / n
    best, gain = numbers[0], -1.0
    # With h = max(0, t - k) and y the values around their mean, the line takes
    # (Σ y h)² / (Σ h² - (Σ h)² / n) off the sum of squares. k goes down from the last iteration.
    sum_y = sum_h = sum_hh = sum_yh = 0.0
    for count, position in enumerate(range(n - 1, -1, -1)):
        step = float(numbers[position + 1] - numbers[position]) if count else 0.0
        sum_hh += 2.0 * step * sum_h + count * step * step
        sum_h += count * step
        sum_yh += step * sum_y
        spread = sum_hh - sum_h * sum_h / n
        if count >= _LEAST_LINE and spread > 0.0:
            taken = sum_yh * sum_yh / spread
            if taken >= gain:
                best, gain = numbers[position], taken
        sum_y += values[position] - mean
    return best
