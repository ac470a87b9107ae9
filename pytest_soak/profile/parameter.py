"""A parameter: one tunable value, the values that it may have, and how moves of it are measured.

Everywhere in the loop a value is a number. The *outer* value is what the target, the profile and
people see: a whole number, true or false, or one of the choices. The number of a choice is its
place in the list, from 0 on; true is 1.

Moves of a parameter with ``log`` scale are measured as ratios: its *place* is the logarithm of the
value, so a cap of 2 lets it double or halve. Otherwise the place is the value itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_soak.canonical import number

Kind = Literal["float", "int", "bool", "choice"]
Outer = float | int | bool | str

SLACK = 1e-9
"""Part of a parameter's span by which rounding errors may miss a bound, a cap or a value."""
SMALLEST_SHARE = 0.001
"""A move below this part of the parameter's range is too small for a change and is dropped."""
_SIGNIFICANT = 12
_LARGEST_WHOLE = 2.0**53
_LARGEST_SIZE = 700.0
"""The logarithm of the largest ratio that is a float."""


_SWITCHES = {"true": 1.0, "on": 1.0, "yes": 1.0, "false": 0.0, "off": 0.0, "no": 0.0}
"""How programs write the two values of a switch."""


def round_value(value: float) -> float:
    """``value`` at 12 significant digits, without a negative zero."""
    return float(f"{value:.{_SIGNIFICANT}g}") + 0.0


@dataclass(frozen=True, slots=True)
class Coupling:
    """A limit that another parameter sets: at most, or at least, ``factor`` times its value."""

    other: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tunable value and everything that limits it."""

    key: str
    path: tuple[str, ...]
    """Where it lives in the runtime, e.g. ``("risk", "base_spread_bps")``."""
    unit: str
    start: float
    minimum: float
    maximum: float
    cap_per_hour: float
    """Largest sum of the sizes of moves in one hour of target time: in the parameter's unit, with
    ``log`` the logarithm of a ratio."""
    safer: Literal["up", "down"]
    kind: Kind = "float"
    step: float = 0.0
    """Distance of the values that it may have, counted from ``minimum``; 0: any value."""
    choices: tuple[Outer, ...] = ()
    log: bool = False
    cap_per_iteration: float = math.inf
    """Largest size of one move, as ``cap_per_hour``."""
    at_most: tuple[Coupling, ...] = ()
    at_least: tuple[Coupling, ...] = ()
    restart: bool = False
    """The target is stopped and started for a change."""
    description: str = ""

    @property
    def span(self) -> float:
        """The size of a move over the whole range; 0 for a constant."""
        return self.size(self.minimum, self.maximum)

    @property
    def slack(self) -> float:
        """Sizes up to this are rounding errors."""
        return SLACK * self.span

    def size(self, before: float, after: float) -> float:
        """The size of a move: the distance of the two places."""
        if not self.log:
            return abs(after - before)
        if not (before > 0.0 < after):
            return math.nan if math.isnan(before + after) else math.inf
        low, high = min(before, after), max(before, after)
        return math.log1p((high - low) / low)

    def share(self, before: float, after: float) -> float:
        """The size of a move as a part of the span; 0 for a constant."""
        return self.size(before, after) / self.span if self.span else 0.0

    def same(self, a: float, b: float) -> bool:
        """Whether the two values differ by rounding errors only."""
        return a == b or self.size(a, b) <= self.slack

    def is_too_small(self, value: float, delta: float) -> bool:
        """Whether a change of ``value`` by ``delta`` is dropped: less than half a step, or than a
        thousandth of the range."""
        if self.step:
            return abs(delta) < 0.5 * self.step
        smallest = (SMALLEST_SHARE - SLACK) * self.span
        return (self.size(value, value + delta) if self.log else abs(delta)) < smallest

    def moved(self, value: float, size: float, *, up: bool) -> float:
        """The value after a move of this size, on no grid and within no bounds."""
        if math.isinf(size):
            return math.inf if up else (0.0 if self.log else -math.inf)
        if self.log:
            factor = math.exp(min(size, _LARGEST_SIZE))
            return value * factor if up else value / factor
        return value + (size if up else -size)

    def fitted(self, value: float) -> float:
        """The nearest value that the parameter may have, and exactly on a bound within the slack.

        A value beyond the bounds stays there: to refuse it is the part of a guard. NaN stays NaN.
        """
        if not math.isfinite(value):
            return math.nan
        rounded = self._on_grid(value, round) if self.step else round_value(value)
        inside = min(max(rounded, self.minimum), self.maximum)
        # To round a value must not carry it out of its bounds, however narrow they are.
        if self.minimum <= value <= self.maximum or self.same(rounded, inside):
            return inside
        return rounded

    def toward(self, value: float, end: float) -> float:
        """The last value on the way from ``value`` to ``end`` that the parameter may have.

        The way does not reach beyond ``end``; ``value`` itself if there is none on it.
        """
        if not self.step or not math.isfinite(end):
            return self.fitted(end)
        nearest = self.fitted(end)
        if self.same(nearest, end):
            return nearest
        inner = self._on_grid(end, math.floor if end > value else math.ceil)
        return inner if (inner - value) * (end - value) > 0.0 else value

    def part_of_way(self, value: float, end: float, share: float) -> float:
        """The change that goes this part of the way to ``end``, measured by the sizes of moves."""
        if self.log and value > 0.0 < end:
            return value * math.pow(end / value, share) - value
        return share * (end - value)

    def _on_grid(self, value: float, whole: Callable[[float], int]) -> float:
        steps = round_value((value - self.minimum) / self.step)
        if not math.isfinite(steps):
            return value  # far beyond the bounds, where no grid is
        value = self.minimum + whole(steps) * self.step
        # Whole numbers need no rounding, and may have more digits.
        exact = self.step.is_integer() and self.minimum.is_integer()
        return value if exact else round_value(value)

    # -- outer values ----------------------------------------------------------------------------

    def outer(self, value: float) -> Outer:
        """What the target and people see of a value; a value off the grid stays a number."""
        if self.kind == "float" or not abs(value) <= _LARGEST_WHOLE:
            return value
        whole = round(value)
        if not self.same(value, float(whole)):
            return value
        if self.kind == "int":
            return whole
        return self.choices[whole] if 0 <= whole < len(self.choices) else value

    def inner(self, given: Any) -> float | None:
        """The number of an outer value; None for what is none of this kind.

        A number may come as an integer or as a float that is whole; a choice as its text.
        """
        if self.kind in ("bool", "choice"):
            return self._place_of(given)
        return number(given)

    def _place_of(self, given: Any) -> float | None:
        if isinstance(given, bool):
            return float(given) if self.kind == "bool" else None
        if isinstance(given, str):
            if self.kind == "bool":
                return _SWITCHES.get(given.lower())
            texts = [outer_text(choice, _SIGNIFICANT) for choice in self.choices]
            return float(texts.index(given)) if given in texts else None
        finite = number(given)
        if finite is None:
            return None
        places = [place for place, choice in enumerate(self.choices) if choice == finite]
        return float(places[0]) if places else None

    def limits(self, values: Mapping[str, float]) -> tuple[float, float]:
        """The lowest and the highest value while the other parameters have these ``values``."""
        if not self.at_least and not self.at_most:
            return self.minimum, self.maximum
        lows = (coupling.factor * values[coupling.other] for coupling in self.at_least)
        highs = (coupling.factor * values[coupling.other] for coupling in self.at_most)
        return max((self.minimum, *lows)), min((self.maximum, *highs))

    def is_within(self, value: float, values: Mapping[str, float]) -> bool:
        """Whether ``value`` is within the limits beside these values of the other parameters."""
        low, high = self.limits(values)
        return low <= value <= high or self.same(value, low) or self.same(value, high)

    def is_allowed(self, value: float) -> bool:
        """Whether the parameter may have this value: within its bounds and on its grid."""
        if not math.isfinite(value) or not (
            self.minimum <= value <= self.maximum
            or self.same(value, self.minimum)
            or self.same(value, self.maximum)
        ):
            return False
        return not self.step or self.same(value, self.fitted(value))

    def text(self, value: float | None) -> str:
        """A value for people: a float with up to 6 digits."""
        digits = _SIGNIFICANT if self.choices else 6
        return "unknown" if value is None else outer_text(self.outer(value), digits)

    def exact(self, value: float) -> str:
        """A value for people who compare it: with up to 12 digits."""
        return outer_text(self.outer(value), _SIGNIFICANT)

    def allowed_text(self) -> str:
        """Which values it may have, for messages: ``1 to 32, whole numbers``."""
        if self.choices:
            return "one of " + ", ".join(
                outer_text(choice, _SIGNIFICANT) for choice in self.choices
            )
        if self.minimum == self.maximum:
            return f"only {self.text(self.minimum)}, a constant"
        ends = f"{self.text(self.minimum)} to {self.text(self.maximum)}"
        if self.kind == "int" and self.step == 1.0:
            return f"{ends}, whole numbers"
        return f"{ends} in steps of {self.text(self.step)}" if self.step else ends


def same_in(table: Mapping[str, Parameter], key: str, a: float, b: float) -> bool:
    """Whether two values are the same, also of a key that is no parameter."""
    return table[key].same(a, b) if key in table else a == b


def exact_in(table: Mapping[str, Parameter], key: str, value: float) -> str:
    """A value with up to 12 digits, also of a key that is no parameter."""
    return table[key].exact(value) if key in table else outer_text(value, _SIGNIFICANT)


def outer_text(outer: Outer, digits: int = 6) -> str:
    """An outer value for people and programs: ``true``, a whole number, a choice, 0.25."""
    if isinstance(outer, bool):
        return "true" if outer else "false"
    if isinstance(outer, int):
        return str(outer)
    return outer if isinstance(outer, str) else f"{outer:.{digits}g}"
