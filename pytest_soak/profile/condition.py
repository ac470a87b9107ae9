"""Conditions as frozen data: what must hold for KPIs and parameters, and comparisons."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Operator = Literal["<", "<=", ">", ">="]

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """``"<= 0.40"``, parsed. ``margin`` is how far beyond the limit a rule's evidence must lie."""

    op: Operator
    limit: float
    margin: float = 0.0

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.op](value, self.limit)

    def holds_with_margin(self, value: float) -> bool:
        beyond = self.margin if self.op.startswith(">") else -self.margin
        return _OPERATORS[self.op](value, self.limit + beyond)

    @property
    def upper(self) -> bool:
        """It is an upper limit: larger is worse."""
        return self.op.startswith("<")

    @property
    def sides(self) -> tuple[Comparison, ...]:
        """Itself: a limit with two sides has two (:class:`Between`)."""
        return (self,)

    def distance(self, value: float) -> float:
        """From the value to the limit; negative beyond it."""
        return self.limit - value if self.upper else value - self.limit

    def shown(self, value: float) -> str:
        """``value`` in 6 digits, or in as many as show on which side of the limit it lies."""
        for digits in range(6, 18):
            text = f"{value:.{digits}g}"
            rounded = float(text)
            if (
                self.holds(rounded) == self.holds(value)
                and self.holds_with_margin(rounded) == self.holds_with_margin(value)
                and (rounded != self.limit or rounded == value)
            ):
                return text
        return repr(value)

    def __str__(self) -> str:
        return f"{self.op} {self.limit:.12g}"


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for one KPI: all of its comparisons, or one of the other fields."""

    kpi: str
    comparisons: tuple[Comparison, ...] = ()
    share_of_first: tuple[float, int] | None = None
    """``(share, n)``: at least *share* of the KPI's mean over the first *n* iterations; holds
    while that mean is not known."""
    most_of_first: tuple[float, int] | None = None
    """``(share, n)``: at most *share* of that mean."""
    rising: int = 0
    """In each of the last so many iterations it was above the iteration before."""
    falling: int = 0

    def shown(self, value: float) -> str:
        """``value`` in as many digits as all comparisons need (:meth:`Comparison.shown`)."""
        texts = [comparison.shown(value) for comparison in self.comparisons]
        return max(texts, key=len, default=f"{value:.6g}")

    @property
    def of_first(self) -> int:
        """How many of the first iterations it refers to; 0 for none."""
        return (self.share_of_first or self.most_of_first or (0.0, 0))[1]


@dataclass(frozen=True, slots=True)
class ParameterCondition:
    """What must hold for the value of one parameter, the one in force."""

    key: str
    comparisons: tuple[Comparison, ...] = ()
    among: tuple[float, ...] = ()
    """Of a switch or a choice: the values, one of which it must have."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the options must hold: all of its conditions."""

    options: tuple[tuple[When, ...], ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The conditions must not all hold. What is unknown stays unknown."""

    conditions: tuple[When, ...]


When = Condition | ParameterCondition | AnyOf | Not
