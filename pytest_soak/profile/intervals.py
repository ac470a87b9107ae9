"""Intervals of numbers, with open and closed ends: what a comparison leaves of a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_soak.profile.condition import Comparison

SAME = 1e-9
"""Two ends that differ by less than this part of them are one: limits are sums of decimals."""


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from ``low`` to ``high``; an open end is not one of them."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    @property
    def is_empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    @property
    def has_width(self) -> bool:
        """It is more than one number, and more than a rounding error."""
        if self.low >= self.high:
            return False
        return not math.isclose(self.low, self.high, rel_tol=SAME, abs_tol=1e-300)

    def has(self, value: float) -> bool:
        above = value > self.low or (value == self.low and not self.low_open)
        below = value < self.high or (value == self.high and not self.high_open)
        return above and below

    def within(self, other: Interval) -> Interval:
        """The numbers of both."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, is_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not is_closed)

    def __str__(self) -> str:
        """``0 to 1``, ``400 and above``, ``any number``."""
        if math.isinf(self.low) and math.isinf(self.high):
            return "any number"
        if math.isinf(self.high):
            return f"{self.low:.12g} and above"
        if math.isinf(self.low):
            return f"{self.high:.12g} and below"
        return f"{self.low:.12g} to {self.high:.12g}"


def interval_of(comparison: Comparison) -> Interval:
    """The numbers that are beyond the limit by its margin."""
    is_open = "=" not in comparison.op
    if comparison.upper:
        return Interval(high=comparison.limit - comparison.margin, high_open=is_open)
    return Interval(low=comparison.limit + comparison.margin, low_open=is_open)


def outside_of(comparison: Comparison) -> Interval:
    """All other numbers."""
    inside = interval_of(comparison)
    if comparison.upper:
        return Interval(low=inside.high, low_open=not inside.high_open)
    return Interval(high=inside.low, high_open=not inside.low_open)


def common(intervals: Iterable[Interval]) -> Interval:
    """The numbers of all of them."""
    result = Interval()
    for interval in intervals:
        result = result.within(interval)
    return result
