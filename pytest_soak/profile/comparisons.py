"""Comparisons as data: ``"<= 0.40"`` is parsed by a pattern, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import cast

from pytest_soak.canonical import number
from pytest_soak.messages import shown
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.model import Comparison, Condition, Operator
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import A_COMPARISON, COMPARISON, Conditions, ShareOfFirst

_COMPARISON = re.compile(COMPARISON)
_OPPOSITE: Mapping[str, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def comparison(text: str, path: tuple[str, ...]) -> Comparison:
    """``text``, such as ``"<= 0.40"``, as a comparison. Raises Invalid."""
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise Invalid(path, f"{shown(text)} is no {A_COMPARISON}")
    limit = number(float(match["limit"]))
    if limit is None:
        raise Invalid(path, f"{match['limit']} is not a finite number")
    return Comparison(op=cast(Operator, match["op"]), limit=limit)


def opposite(text: str) -> str | None:
    """``"> 120"`` for ``"<= 120"``; None for a text that is no comparison."""
    match = _COMPARISON.fullmatch(text)
    return None if match is None else f"{_OPPOSITE[match['op']]} {match['limit']}"


def conditions(
    given: Conditions, kpis: Collection[str], path: tuple[str, ...]
) -> tuple[Condition, ...]:
    """The conditions at ``path``, sorted by KPI: their order has no meaning. Raises Invalid."""
    result = []
    for kpi, limits in sorted(given.items()):
        at = (*path, kpi)
        check_known(kpi, kpis, "KPI", at)
        if isinstance(limits, ShareOfFirst):
            share = (limits.at_least, limits.of_first)
            result.append(Condition(kpi=kpi, share_of_first=share))
        elif isinstance(limits, str):
            result.append(Condition(kpi=kpi, comparisons=(comparison(limits, at),)))
        else:
            parsed = (comparison(text, (*at, str(i))) for i, text in enumerate(limits))
            result.append(Condition(kpi=kpi, comparisons=tuple(parsed)))
    return tuple(result)


def with_margins(
    given: tuple[Condition, ...],
    margins: Mapping[str, Mapping[Operator, float]],
    path: tuple[str, ...],
) -> tuple[Condition, ...]:
    """The conditions with ``margins``: KPI to operator to the distance beyond that limit.

    Raises Invalid, with ``path`` of the margins in front, for one that belongs to no comparison.
    """
    by_kpi = {condition.kpi: condition for condition in given}
    for kpi, distances in margins.items():
        condition = by_kpi.get(kpi)
        for op in distances:
            if condition is None:
                problem = "there is no condition on this KPI to which a margin could belong"
            elif condition.share_of_first is not None:
                problem = "a share of the first iterations has no margin"
            elif op not in {item.op for item in condition.comparisons}:
                problem = f"there is no {op} comparison of {kpi} in 'when'"
            else:
                continue
            raise Invalid((*path, kpi, op), problem)
    return tuple(
        replace(
            condition,
            comparisons=tuple(
                replace(item, margin=margins.get(condition.kpi, {}).get(item.op, 0.0))
                for item in condition.comparisons
            ),
        )
        for condition in given
    )
