"""Limits that contradict: those of the verdict, of the gate and of the rules, one with another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_soak.profile.condition import AnyOf, Comparison, Condition, Not, When
from pytest_soak.profile.intervals import Interval, common, interval_of, outside_of
from pytest_soak.profile.model import Criterion, Limit, Profile
from pytest_soak.profile.outcomes import Space, always_hold, can_hold, ways_of
from pytest_soak.profile.rule_warnings import impossible
from pytest_soak.profile.warning import ProfileWarning


def limit_warnings(profile: Profile, space: Space) -> Iterator[ProfileWarning]:
    """The warnings about ``verdict`` and ``gate.criteria``."""
    fail, warn = profile.verdict.fail, profile.verdict.warn
    early = replace(space, past_known=False)
    yield from _of_verdict("fail", fail, space)
    yield from _of_verdict("warn", warn, space)
    for condition in warn:
        # An iteration that FAILs is not WARN.
        others = [Not((item,)) for item in fail]
        if fail and can_hold([condition], space) and not can_hold([condition, *others], early):
            key = _key(condition)
            yield ProfileWarning(
                "warn_within_fail",
                ("verdict", "warn", key),
                f"no iteration is WARN by {_limits_of(condition)}: wherever it holds, verdict.fail "
                f"holds too ({'; '.join(map(_limits_of, fail))})",
                "a limit of 'warn' lies before that of 'fail'",
            )
    for criterion in profile.gate.criteria:
        if criterion.optional:
            continue
        if unreachable := list(_reachable(criterion, space)):
            yield from unreachable
        else:
            yield from _fail_within(profile, criterion, space)
            yield from _weaker_rules(profile, criterion, space)


# -- the verdict -----------------------------------------------------------------------------------


def _of_verdict(word: str, conditions: Sequence[When], space: Space) -> Iterator[ProfileWarning]:
    """One of the conditions of a verdict is enough."""
    for condition in conditions:
        if not can_hold([condition], space):
            where, why = impossible([condition], space)
            yield ProfileWarning(
                "verdict_never",
                ("verdict", word, *(where or (_key(condition),))),
                f"it can never hold: {why}; comparisons in a list must hold together",
                "for a limit on each side write 'any', or change one of them",
            )
    if conditions and always_hold([AnyOf(tuple((item,) for item in conditions))], space):
        key = next((_key(item) for item in conditions if always_hold([item], space)), "")
        yield ProfileWarning(
            "verdict_always",
            ("verdict", word, *([key] if key else [])),
            f"every iteration is {word.upper()}: it holds for every value that the KPIs can have",
            "give it a limit that a good value does not meet",
        )


def _key(condition: When) -> str:
    """The key of the section that has the condition."""
    if isinstance(condition, Condition):
        return condition.kpi
    return {"AnyOf": "any", "Not": "not"}.get(type(condition).__name__, "parameter")


def _limits_of(condition: When) -> str:
    if isinstance(condition, Condition) and condition.comparisons:
        return f"{condition.kpi} {' and '.join(map(str, condition.comparisons))}"
    return f"'{_key(condition)}'"


# -- the gate --------------------------------------------------------------------------------------


def _inside(limit: Limit) -> Interval:
    return common(map(interval_of, limit.sides))


def _reachable(criterion: Criterion, space: Space) -> Iterator[ProfileWarning]:
    """A limit that all values of the KPI meet, or none."""
    kpi, extent = criterion.kpi, space.extent(criterion.kpi)
    path = ("gate", "criteria", kpi)
    limits = [criterion.production] if criterion.fails else []
    limits += [criterion.warning] if criterion.warning is not None else []
    for limit in limits:
        if _inside(limit).within(extent).is_empty:
            yield ProfileWarning(
                "criterion_never_passes",
                path,
                f"{kpi} can never PASS: it lies in {extent}, where no value is {limit}",
                "give a limit inside the range of the KPI, in its unit",
            )
        elif all(outside_of(side).within(extent).is_empty for side in limit.sides):
            yield ProfileWarning(
                "criterion_never_fails",
                path,
                f"{kpi} is always inside its limit {limit}: it lies in {extent}",
                "give a limit inside the range of the KPI, in its unit",
            )


def _fail_within(profile: Profile, criterion: Criterion, space: Space) -> Iterator[ProfileWarning]:
    """An iteration that is FAIL with a value that the gate passes."""
    kpi, accepted = criterion.kpi, criterion.warning or criterion.production
    inside = _inside(accepted).within(space.extent(kpi))
    for condition in profile.verdict.fail:
        for way in ways_of([condition], space):
            alone = [*way.kpis] == [kpi] and not (way.keys or way.among or way.of_past)
            overlap = way.kpis.get(kpi, inside).within(inside)
            if not alone or not overlap.has_width:
                continue
            panic = profile.guards.panic
            streak = "" if panic is None else f", and {panic.after} in a row are a panic"
            yield ProfileWarning(
                "fail_within_gate",
                ("verdict", "fail", _key(condition)),
                f"with {kpi} in {overlap} an iteration is FAIL{streak}, while the gate passes "
                f"{kpi} {accepted}",
                f"let 'fail' begin where the gate's limit ends, or tighten gate.criteria.{kpi}",
            )


def _weaker_rules(profile: Profile, criterion: Criterion, space: Space) -> Iterator[ProfileWarning]:
    """Values beyond the limit of the gate at which no rule that aims at the KPI fires yet."""
    for side in criterion.production.sides:
        aims = [
            (rule.name, _begin(interval, side))
            for rule in profile.rules
            for way in ways_of(rule.when, space)
            if (interval := way.kpis.get(criterion.kpi)) is not None and _aims(interval, side)
        ]
        if not aims:
            continue
        name, begin = min(aims, key=lambda item: abs(item[1] - side.limit))
        ends = min(side.limit, begin), max(side.limit, begin)
        gap = Interval(*ends).within(space.extent(criterion.kpi))
        if gap.has_width:
            yield ProfileWarning(
                "rule_weaker_than_gate",
                ("rules", name, "when", criterion.kpi),
                f"with {criterion.kpi} in {gap} the gate's limit, {side}, is not met, and no rule "
                f"that aims at it fires: {name} begins at {begin:.12g}, its margin included",
                f"let the rule begin at {side.limit:.12g} or before it",
            )


def _aims(interval: Interval, side: Comparison) -> bool:
    """The rule fires because the KPI is on the wrong side of a limit of its own, and in a part of
    the values that are beyond the gate's limit."""
    own_end = interval.low if side.upper else interval.high
    return math.isfinite(own_end) and not interval.within(outside_of(side)).is_empty


def _begin(interval: Interval, side: Comparison) -> float:
    """Where the rule begins: the limit itself, if it begins before that."""
    return max(interval.low, side.limit) if side.upper else min(interval.high, side.limit)
