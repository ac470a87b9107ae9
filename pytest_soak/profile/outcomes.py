"""Whether conditions can hold at all, and whether they hold for all values. Pure.

The conditions are written as *ways*: sets of limits, each for one KPI or parameter, any of which is
enough. A way without a value that meets all of its limits is dropped; so conditions without a way
can never hold, and conditions whose negation has none always hold. Both are safe: where something
is too much to write out, or depends on the past (``rising``, ``of_first``), it counts as possible
either way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from pytest_soak.profile.condition import AnyOf, Condition, Not, ParameterCondition, When
from pytest_soak.profile.intervals import Interval, common, interval_of, outside_of
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter

_MOST_WAYS = 2000
"""Conditions with more ways are not written out further: they count as possible."""
_MOST_LIMITS = 200_000
"""So many limits are written out for a profile, some tenths of a second of work. The conditions
that come after them count as possible."""


def extent_of(kpi: Kpi) -> Interval:
    """Where the values of a KPI can lie: its ``range``, and 0 to 1 for a share of blocks."""
    low, high = kpi.range
    declared = Interval(
        -math.inf if low is None else float(low), math.inf if high is None else float(high)
    )
    return declared.within(Interval(0.0, 1.0)) if kpi.block_ratio else declared


@dataclass(slots=True)
class Work:
    """How many limits may still be written out."""

    left: int = _MOST_LIMITS

    def allows(self, cost: int) -> bool:
        """Whether so many more may be; they are counted."""
        self.left -= cost
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Space:
    """The values that the KPIs and the parameters of a profile can have."""

    extents: Mapping[str, Interval]
    parameters: Mapping[str, Parameter]
    past_known: bool = True
    """False: the course of a KPI may be unknown, as in the first iterations; then neither a
    condition on it nor its negation holds."""
    work: Work = field(default_factory=Work, compare=False)
    """The same for all warnings of a profile."""

    @classmethod
    def of(cls, profile: Profile) -> Space:
        extents = {name: extent_of(kpi) for name, kpi in profile.kpis.items()}
        return cls(extents, profile.parameters)

    def extent(self, kpi: str) -> Interval:
        return self.extents.get(kpi, Interval())


@dataclass(frozen=True, slots=True)
class Way:
    """Limits that hold together."""

    kpis: Mapping[str, Interval] = field(default_factory=dict)
    keys: Mapping[str, Interval] = field(default_factory=dict)
    """Parameter to where its value lies."""
    among: Mapping[str, frozenset[float]] = field(default_factory=dict)
    """Switch or choice to the values that it may have."""
    rising: frozenset[str] = frozenset()
    falling: frozenset[str] = frozenset()
    of_past: bool = False
    """It has conditions on earlier iterations too."""


_ANYTHING = Way(of_past=True)
"""In place of too many ways."""


def can_hold(conditions: Sequence[When], space: Space) -> bool:
    """False: they never hold, whatever the values are."""
    return bool(ways_of(conditions, space))


def always_hold(conditions: Sequence[When], space: Space) -> bool:
    """True: they hold for all values, if every KPI has data; also in the first iterations."""
    return not _negated(conditions, replace(space, past_known=False))


def ways_of(conditions: Sequence[When], space: Space) -> list[Way]:
    """The ways in which all ``conditions`` hold; none if they cannot."""
    ways = [Way()]
    for condition in conditions:
        ways = _together(ways, _ways_of_one(condition, space), space)
    return ways


def _ways_of_one(condition: When, space: Space) -> list[Way]:
    if isinstance(condition, Condition):
        return _possible([_of_kpi(condition)], space)
    if isinstance(condition, ParameterCondition):
        return _possible([_of_parameter(condition)], space)
    if isinstance(condition, AnyOf):
        ways = (way for option in condition.options for way in ways_of(option, space))
        return _limited(ways, space)
    return _negated(condition.conditions, space)


def _negated(conditions: Sequence[When], space: Space) -> list[Way]:
    """The ways in which at least one of the conditions does not hold."""
    return _limited((way for item in conditions for way in _opposite(item, space)), space)


def _opposite(condition: When, space: Space) -> list[Way]:
    if isinstance(condition, Condition):
        return _possible(_beyond(condition), space)
    if isinstance(condition, ParameterCondition):
        return _possible(_otherwise(condition, space), space)
    if isinstance(condition, Not):
        return ways_of(condition.conditions, space)
    ways = [Way()]
    for option in condition.options:
        ways = _together(ways, _negated(option, space), space)
    return ways


def _limited(ways: Iterable[Way], space: Space) -> list[Way]:
    if not space.work.allows(1):
        return [_ANYTHING]
    result = list(islice(ways, _MOST_WAYS + 1))
    return result if len(result) <= _MOST_WAYS else [_ANYTHING]


def _together(first: Sequence[Way], second: Sequence[Way], space: Space) -> list[Way]:
    """Every way of the first with every way of the second, if there are not too many."""
    if not first or not second:
        return []
    if first[0] is _ANYTHING:
        return [_ANYTHING]
    count = len(first) * len(second)
    limits = 1 + len(first[0].kpis) + len(second[0].kpis)
    if count > _MOST_WAYS or not space.work.allows(count * limits):
        return [_ANYTHING]
    return _possible((_merged(a, b) for a in first for b in second), space)


# -- one condition ---------------------------------------------------------------------------------


def _of_kpi(condition: Condition) -> Way:
    kpi = condition.kpi
    return Way(
        kpis={kpi: common(map(interval_of, condition.comparisons))},
        rising=frozenset([kpi] if condition.rising else ()),
        falling=frozenset([kpi] if condition.falling else ()),
        of_past=bool(condition.of_first or condition.rising or condition.falling),
    )


def _beyond(condition: Condition) -> list[Way]:
    """The ways in which the condition of a KPI does not hold."""
    ways = [Way(kpis={condition.kpi: outside_of(item)}) for item in condition.comparisons]
    has_past = condition.of_first or condition.rising or condition.falling
    return [*ways, Way(of_past=True)] if has_past else ways


def _of_parameter(condition: ParameterCondition) -> Way:
    if condition.among:
        return Way(among={condition.key: frozenset(condition.among)})
    return Way(keys={condition.key: common(map(interval_of, condition.comparisons))})


def _otherwise(condition: ParameterCondition, space: Space) -> list[Way]:
    if condition.among:
        parameter = space.parameters[condition.key]
        others = frozenset(map(float, range(len(parameter.choices)))) - set(condition.among)
        return [Way(among={condition.key: others})]
    return [Way(keys={condition.key: outside_of(item)}) for item in condition.comparisons]


# -- ways ------------------------------------------------------------------------------------------


def _merged(first: Way, second: Way) -> Way:
    among = dict(first.among)
    for key, values in second.among.items():
        among[key] = among[key] & values if key in among else values
    return Way(
        kpis=_both(first.kpis, second.kpis),
        keys=_both(first.keys, second.keys),
        among=among,
        rising=first.rising | second.rising,
        falling=first.falling | second.falling,
        of_past=first.of_past or second.of_past,
    )


def _both(first: Mapping[str, Interval], second: Mapping[str, Interval]) -> dict[str, Interval]:
    result = dict(first)
    for name, interval in second.items():
        result[name] = result[name].within(interval) if name in result else interval
    return result


def _possible(ways: Iterable[Way], space: Space) -> list[Way]:
    return [way for way in ways if _is_possible(way, space)]


def _is_possible(way: Way, space: Space) -> bool:
    if space.past_known and way.rising & way.falling:
        return False  # both are about the newest iteration and the one before it
    if not all(way.among.values()):
        return False
    if any(interval.within(space.extent(kpi)).is_empty for kpi, interval in way.kpis.items()):
        return False
    return all(
        has_value(space.parameters[key], interval)
        for key, interval in way.keys.items()
        if key in space.parameters
    )


def has_value(parameter: Parameter, interval: Interval) -> bool:
    """Whether the parameter may have a value in the interval."""
    within = interval.within(Interval(parameter.minimum, parameter.maximum))
    if within.is_empty or not parameter.step:
        return not within.is_empty
    first = math.floor((within.low - parameter.minimum) / parameter.step)
    nearest = (parameter.minimum + (first + more) * parameter.step for more in range(3))
    return any(within.has(parameter.fitted(value)) for value in nearest)
