"""The figures of a KPI over several iterations, and the text form of a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_soak.loop.model import Iteration
from pytest_soak.loop.pooling import figure_of
from pytest_soak.profile.condition import Comparison


def series_of(iterations: Sequence[Iteration], kpi: str) -> list[float | None]:
    """The usable values of the KPI, one per iteration; None for NODATA and for a placeholder."""
    readings = [iteration.readings.get(kpi) for iteration in iterations]
    return [None if reading is None else reading.usable for reading in readings]


def mean_of(iterations: Sequence[Iteration], kpi: str) -> float | None:
    """The KPI over these iterations; None without any data (``loop.pooling.figure_of``)."""
    return figure_of(iteration.readings.get(kpi) for iteration in iterations)


def figure(value: float | None) -> str:
    """A number as a text: three decimals in the usual range, an exponent far outside of it."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "inf" if value > 0 else "-inf" if value < 0 else "nan"
    size = abs(value)
    if size != 0.0 and size < 0.001:
        return f"{value:.2e}"
    if size < 100.0:
        return f"{value:.3f}"
    return f"{value:.1f}" if size < 1e6 else f"{value:.2e}"


def figure_by(value: float | None, limit: Comparison) -> str:
    """A figure with enough digits to show on which side of its limit it is: 340.04, not 340.0."""
    if value is None:
        return "-"
    text = figure(value)
    for digits in range(3, 18):
        shown = float(text)
        if limit.holds(shown) == limit.holds(value) and (shown != limit.limit or value == shown):
            return text
        text = f"{value:.{digits}g}"
    return repr(value)


def with_unit(unit: str) -> str:
    """`` ms``: the unit after a figure; empty for ratios and plain numbers."""
    return "" if unit in ("1", "share", "") else f" {unit}"
