"""The figure of a KPI over several iterations: the ratio of the sums if they are known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pytest_soak.loop.model import Reading


def figure_of(readings: Iterable[Reading | None]) -> float | None:
    """The KPI over these iterations, without those that have no data; None if none has data.

    A ratio whose sums are known in all iterations is the ratio of the sums, so that an iteration
    with few fills does not weigh as much as one with many. All readings must come from the same
    source, since volumes cannot be added to counts.
    """
    usable = [item for item in readings if item is not None and item.usable is not None]
    if not usable:
        return None
    ratio = _ratio_of_sums(usable)
    values = [item.usable for item in usable if item.usable is not None]
    return mean(values) if ratio is None else ratio


def window_figure(readings: Sequence[Reading | None]) -> float | None:
    """Like :func:`figure_of`, but None if any iteration has no data."""
    if any(reading is None or reading.usable is None for reading in readings):
        return None
    return figure_of(readings)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, never outside the values. ``values`` is not empty.

    Figures are bounded (``loop.kpis.LARGEST``), so their sum is finite.
    """
    return min(max(math.fsum(values) / len(values), min(values)), max(values))


def _ratio_of_sums(readings: Sequence[Reading]) -> float | None:
    above = [item.numerator for item in readings if item.numerator is not None]
    below = [item.denominator for item in readings if item.denominator is not None]
    if not len(above) == len(below) == len(readings):
        return None
    if len({item.source for item in readings}) > 1:
        return None
    whole = math.fsum(below)
    return math.fsum(above) / whole if whole > 0.0 else None
