"""One KPI over the judged iterations of a lane, and its figure over a part of them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import lt, mul


@dataclass(frozen=True, slots=True)
class KpiSeries:
    """One KPI over the judged iterations, in order: one item per iteration in every tuple.

    ``numbers``: rising iteration numbers; a number that is missing (an excluded iteration) is a
    gap. ``values``: in the KPI's unit, None without data; a value that is not finite counts as
    None. ``weights``: the denominators of a ratio of sums, or weights; None for a plain mean.
    ``numerators``: present if a figure is a ratio of sums; the weights are then the denominators.
    Raises ValueError if the lengths differ or the numbers do not rise.
    """

    numbers: tuple[int, ...]
    values: tuple[float | None, ...]
    weights: tuple[float | None, ...] | None = None
    numerators: tuple[float | None, ...] | None = None

    present: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Positions of the iterations that have a value."""

    def __post_init__(self) -> None:
        for name in ("values", "weights", "numerators"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.numbers):
                raise ValueError(f"{len(self.numbers)} numbers, but {len(column)} {name}")
        if not all(map(lt, self.numbers, self.numbers[1:])):
            raise ValueError("iteration numbers must rise")
        given = tuple([i for i, x in enumerate(self.values) if x is not None])
        if not all(map(math.isfinite, self._entries(self.values, given))):
            given = tuple([i for i in given if math.isfinite(self.values[i] or 0.0)])
        object.__setattr__(self, "present", given)

    def __len__(self) -> int:
        """The number of iterations, including those without data."""
        return len(self.numbers)

    def last(self, count: int) -> KpiSeries:
        """The last ``count`` iterations, at most all."""
        return self._slice(max(0, len(self.numbers) - count), len(self.numbers))

    def first(self, count: int) -> KpiSeries:
        """The first ``count`` iterations, at most all."""
        return self._slice(0, count)

    def after(self, number: int) -> KpiSeries:
        """The iterations with a number greater than ``number``."""
        return self._slice(bisect_right(self.numbers, number), len(self.numbers))

    def last_values(self, count: int) -> KpiSeries:
        """The shortest end of the series that has ``count`` values, at most all."""
        if count >= len(self.present):
            return self
        return self.last(len(self) - self.present[-count]) if count > 0 else self.last(0)

    def first_values(self, count: int) -> KpiSeries:
        """The shortest beginning of the series that has ``count`` values, at most all."""
        if count >= len(self.present):
            return self
        return self.first(self.present[count - 1] + 1) if count > 0 else self.first(0)

    def figure(self) -> float | None:
        """Ratio of sums, weighted mean, or mean of the values; None without data.

        Weights and numerators are used only if every iteration with a value has them; else the
        figure is the mean. None too if the weights sum to 0 or the ratio is too large for a float.
        """
        values = self.present_values
        if not values:
            return None
        weights = self._complete(self.weights)
        numerators = self._complete(self.numerators)
        if weights is None:
            return _ratio(values, [1.0] * len(values))
        if numerators is not None:
            return _ratio(numerators, weights)
        scaled, _ = scale(weights)
        return _ratio(list(map(mul, values, scaled)), scaled)

    def kish(self) -> float | None:
        """Kish's effective size ``(Σ u)² / Σ u²`` of the weights (Kish 1965).

        None if the figure is a plain mean.
        """
        weights = self._complete(self.weights)
        if not weights:
            return None
        scaled, _ = scale(weights)
        squares = math.fsum(map(mul, scaled, scaled))
        return math.fsum(scaled) ** 2 / squares if squares > 0.0 else None

    @property
    def present_values(self) -> list[float]:
        """The values of the iterations that have one."""
        return self._entries(self.values, self.present)

    def _complete(self, column: tuple[float | None, ...] | None) -> list[float] | None:
        """The entries of the iterations with a value; None if any of them has no entry."""
        if column is None:
            return None
        entries = self._entries(column, self.present)
        complete = len(entries) == len(self.present) and all(map(math.isfinite, entries))
        return entries if complete else None

    @staticmethod
    def _entries(column: tuple[float | None, ...], positions: tuple[int, ...]) -> list[float]:
        """The entries at these positions, without those that are None."""
        picked = column if len(positions) == len(column) else [column[i] for i in positions]
        return [entry for entry in picked if entry is not None]

    def _slice(self, start: int, end: int) -> KpiSeries:
        return KpiSeries(
            self.numbers[start:end],
            self.values[start:end],
            None if self.weights is None else self.weights[start:end],
            None if self.numerators is None else self.numerators[start:end],
        )


def scale(values: Sequence[float]) -> tuple[list[float], int]:
    """Values times ``2^-exponent``, the largest of them from .5 to below 1 in size.

    A power of 2 changes no digit, and squares and cubes of the result do not overflow.
    """
    largest = max(map(abs, values), default=0.0)
    exponent = math.frexp(largest)[1]
    if -900 < exponent < 900:
        factor = 2.0**-exponent
        return [x * factor for x in values], exponent
    return [math.ldexp(x, -exponent) for x in values], exponent


def unscale(value: float, exponent: int) -> float | None:
    """``value · 2^exponent``; None if that is not a finite number."""
    try:
        result = math.ldexp(value, exponent)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def _ratio(above: Sequence[float], below: Sequence[float]) -> float | None:
    """The ratio of two sums; None if it is not finite."""
    above_scaled, above_exponent = scale(above)
    below_scaled, below_exponent = scale(below)
    whole = math.fsum(below_scaled)
    if whole == 0.0:
        return None
    return unscale(math.fsum(above_scaled) / whole, above_exponent - below_exponent)
