"""The conditions of a profile: what must hold for KPIs and parameters, and how that is combined.

A mapping of KPI to limits, all of which must hold. Three keys are no KPI: ``any``, ``not`` and
``parameter`` (docs/profiles.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET

from pytest_soak.messages import shown
from pytest_soak.profile.comparisons import comparison
from pytest_soak.profile.condition import (
    AnyOf,
    Comparison,
    Condition,
    Not,
    Operator,
    ParameterCondition,
    When,
)
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.parameter import Outer, Parameter
from pytest_soak.profile.reading import check_known, read
from pytest_soak.profile.sections import (
    Conditions,
    ConditionsOfParameters,
    LimitFields,
    LimitsOfKpi,
    Options,
    SomeConditions,
)
from pytest_soak.profile.tunable import value_of

Path = tuple[str, ...]

ANY, NOT, PARAMETER = "any", "not", "parameter"


@dataclass(frozen=True, slots=True)
class Names:
    """What conditions may be about."""

    kpis: Mapping[str, Kpi]
    parameters: Mapping[str, Parameter]


def conditions(given: Conditions, names: Names, path: Path) -> tuple[When, ...]:
    """The conditions at ``path``, sorted by key: their order has no meaning. Raises Invalid."""
    result: list[When] = []
    for key, value in sorted(given.items()):
        at = (*path, key)
        if key == ANY:
            options = read(value, Options, at)
            result.append(
                AnyOf(
                    tuple(
                        conditions(option, names, (*at, str(place)))
                        for place, option in enumerate(options)
                    )
                )
            )
        elif key == NOT:
            result.append(Not(conditions(read(value, SomeConditions, at), names, at)))
        elif key == PARAMETER:
            limits = read(value, ConditionsOfParameters, at)
            result += (
                _of_parameter(name, limit, names.parameters, (*at, name))
                for name, limit in sorted(limits.items())
            )
        else:
            check_known(key, names.kpis, "KPI", at)
            result.append(_of_kpi(key, read(value, LimitsOfKpi, at), at))
    return tuple(result)


def _of_kpi(kpi: str, limits: Any, at: Path) -> Condition:
    if isinstance(limits, LimitFields):
        return _of_fields(kpi, limits, at)
    return Condition(kpi=kpi, comparisons=_comparisons(limits, at))


def _comparisons(limits: str | tuple[str, ...], at: Path) -> tuple[Comparison, ...]:
    if isinstance(limits, str):
        return (comparison(limits, at),)
    return tuple(comparison(text, (*at, str(place))) for place, text in enumerate(limits))


def _of_fields(kpi: str, limits: LimitFields, at: Path) -> Condition:
    of_first = limits.of_first is not UNSET
    forms = {
        "between": limits.between is not UNSET,
        "of_first": of_first,
        "rising": limits.rising is not UNSET,
        "falling": limits.falling is not UNSET,
    }
    for name in ("at_least", "at_most"):
        if getattr(limits, name) is not UNSET and not of_first:
            raise Invalid((*at, name), "needs 'of_first', the number of the first iterations")
    given = [name for name, is_there in forms.items() if is_there]
    if len(given) != 1:
        named = " and ".join(given) or "none"
        raise Invalid(at, f"a limit has one of {', '.join(forms)}; here is {named}")
    if of_first and limits.at_least is UNSET and limits.at_most is UNSET:
        raise Invalid(at, "of_first needs 'at_least' or 'at_most', a share of the first mean")
    if limits.between is not UNSET:
        low, high = limits.between
        if low >= high:
            raise Invalid((*at, "between"), f"{low:g} is not below {high:g}")
        return Condition(kpi, comparisons=(Comparison(">=", low), Comparison("<=", high)))
    first = limits.of_first or 0
    return Condition(
        kpi,
        share_of_first=(limits.at_least, first) if limits.at_least is not UNSET else None,
        most_of_first=(limits.at_most, first) if limits.at_most is not UNSET else None,
        rising=limits.rising or 0,
        falling=limits.falling or 0,
    )


def _of_parameter(
    key: str, limit: Any, parameters: Mapping[str, Parameter], at: Path
) -> ParameterCondition:
    check_known(key, parameters, "parameter", at)
    parameter = parameters[key]
    listed: tuple[Outer, ...] = limit if isinstance(limit, tuple) else (limit,)
    if parameter.choices:
        return ParameterCondition(
            key, among=tuple(value_of(item, parameter, at) for item in listed)
        )
    texts = []
    for item in listed:
        if not isinstance(item, str):
            given = f"{item:g}" if isinstance(item, float) else shown(item)
            raise Invalid(at, f'{given} is no comparison such as "< 40"')
        texts.append(item)
    return ParameterCondition(key, comparisons=_comparisons(tuple(texts), at))


def leaves(given: Iterable[When], *, negated: bool = False) -> Iterator[tuple[Condition, bool]]:
    """The conditions on KPIs inside, each with whether it is inside an odd number of ``not``."""
    for item in given:
        if isinstance(item, Condition):
            yield item, negated
        elif isinstance(item, AnyOf):
            for option in item.options:
                yield from leaves(option, negated=negated)
        elif isinstance(item, Not):
            yield from leaves(item.conditions, negated=not negated)


def kpis_in(given: Iterable[When]) -> tuple[str, ...]:
    """The KPIs that the conditions are about, each once, in order."""
    return tuple(dict.fromkeys(condition.kpi for condition, _ in leaves(given)))


def with_margins(
    given: tuple[When, ...], margins: Mapping[str, Mapping[Operator, float]], path: Path
) -> tuple[When, ...]:
    """The conditions with ``margins``: KPI to operator to the distance beyond that limit.

    A margin belongs to every such comparison, but for those inside ``not``. Raises Invalid, with
    ``path`` of the margins in front, for one that belongs to none.
    """
    plain = [condition for condition, negated in leaves(given) if not negated]
    for kpi, distances in margins.items():
        own = [condition for condition in plain if condition.kpi == kpi]
        ops = {item.op for condition in own for item in condition.comparisons}
        for op in distances:
            if op in ops:
                continue
            if not own:
                problem = "there is no condition on this KPI to which a margin could belong"
            elif not ops:
                problem = "only a comparison has a margin"
            else:
                problem = f"there is no {op} comparison of {kpi} in 'when'"
            raise Invalid((*path, kpi, op), problem)

    def added(condition: Condition) -> Condition:
        distances = margins.get(condition.kpi, {})
        compared = (
            replace(item, margin=distances.get(item.op, 0.0)) for item in condition.comparisons
        )
        return replace(condition, comparisons=tuple(compared))

    return _changed(given, added) if margins else given


def _changed(given: tuple[When, ...], change: Callable[[Condition], Condition]) -> tuple[When, ...]:
    result: list[When] = []
    for item in given:
        if isinstance(item, Condition):
            result.append(change(item))
        elif isinstance(item, AnyOf):
            result.append(AnyOf(tuple(_changed(option, change) for option in item.options)))
        else:
            result.append(item)
    return tuple(result)
