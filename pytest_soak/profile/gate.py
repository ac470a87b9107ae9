"""The gate of a profile, from its section ``gate``: what several fields say together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import UNSET

from pytest_soak.profile.comparisons import comparison
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import Between, Criterion, DriftLimits, GateLimits, Limit, Relative
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import CriterionFields, GateSection

_AT = ("gate",)


def gate(
    section: GateSection,
    criteria: Mapping[str, Criterion],
    rules: Collection[str],
    kpis: Mapping[str, Kpi],
) -> GateLimits:
    """The limits of ``section``, with its ``criteria`` in the order for people. Raises Invalid."""
    for name in ("pass_count_slack", "freeze_ready_pass_count"):
        count = getattr(section, name)
        if count is not UNSET and count > section.window:
            raise Invalid(
                (*_AT, name), f"{count} is more than the window of {section.window} iterations"
            )
    delta = section.delta
    if delta.relaxed > delta.full:
        raise Invalid(
            (*_AT, "delta", "relaxed"), f"{delta.relaxed:g} is above full, {delta.full:g}"
        )
    if delta.needed is not None:
        check_known(delta.needed.rule, rules, "rule", (*_AT, "delta", "needed", "rule"))
    if section.throughput is not None:
        check_known(section.throughput, kpis, "KPI", (*_AT, "throughput"))
    for item in criteria.values():
        if item.relative is not None and item.relative.to == "warmup":
            _check_base(section, item.kpi)
    return GateLimits(
        window=section.window,
        pass_from=section.pass_from,
        confidence=section.confidence,
        no_data_ratio=section.no_data_ratio,
        criteria=tuple(criteria.values()),
        pass_count_slack=section.pass_count_slack,
        freeze_ready_pass_count=(
            None if section.freeze_ready_pass_count is UNSET else section.freeze_ready_pass_count
        ),
        delta=delta,
        drift=_drift(section, criteria, kpis),
        throughput=section.throughput,
        warmup_iterations=section.warmup_iterations,
    )


LEAST_BASE = 24
"""A warm-up or a reference is a base for a relative limit from this many iterations on."""


def _check_base(section: GateSection, kpi: str) -> None:
    if section.warmup_iterations < LEAST_BASE:
        raise Invalid(
            (*_AT, "criteria", kpi, "relative_to"),
            f"a warm-up is a base from {LEAST_BASE} iterations on; gate.warmup_iterations is "
            f"{section.warmup_iterations}",
        )


def criterion(
    name: str, given: str | tuple[str, str] | CriterionFields, kpis: Mapping[str, Kpi]
) -> Criterion:
    """The criterion of the KPI ``name``. Raises Invalid."""
    at = (*_AT, "criteria", name)
    check_known(name, kpis, "KPI", at)
    if not isinstance(given, CriterionFields):
        limit = _limit(given, at)
        _check_range(limit, kpis[name], at)
        return Criterion(kpi=name, production=limit, mock=limit)
    warning = None if given.warn is UNSET else _limit(given.warn, (*at, "warn"))
    fails = _limits(given, at)
    production, mock = fails if fails is not None else (warning, warning)
    if production is None or mock is None:
        raise Invalid(at, "has no limit: give 'limit', or 'production' and 'mock', or 'warn'")
    if fails is not None and warning is not None:
        for limit in fails:
            _check_warning(warning, limit, (*at, "warn"))
    for limit in dict.fromkeys((production, mock, warning or production)):
        _check_range(limit, kpis[name], at)
    _check_statistic(given, production, at)
    return Criterion(
        kpi=name,
        production=production,
        mock=mock,
        warning=warning,
        fails=fails is not None,
        statistic="mean" if given.statistic is UNSET else given.statistic,
        share=None if given.share is UNSET else given.share,
        window=None if given.window is UNSET else given.window,
        optional=given.optional,
        relative=_relative(given, production, at),
    )


def _limits(given: CriterionFields, at: tuple[str, ...]) -> tuple[Limit, Limit] | None:
    """The limits beyond which the criterion FAILs, of production and mock; None without any."""
    sets = [name for name in ("production", "mock") if getattr(given, name) is not UNSET]
    names = [name for name in ("limit", "fail") if getattr(given, name) is not UNSET]
    if len(names) + bool(sets) > 1:
        raise Invalid(
            at,
            f"has {' and '.join((*names, *sets))}; give one limit, or one per set (null removes an "
            "inherited one)",
        )
    if len(sets) == 1:
        missing = "mock" if sets == ["production"] else "production"
        raise Invalid((*at, missing), f"is missing; one limit for both sets is 'limit', not {sets}")
    if given.production is not UNSET and given.mock is not UNSET:
        production = _limit(given.production, (*at, "production"))
        mock = _limit(given.mock, (*at, "mock"))
        if [side.upper for side in production.sides] != [side.upper for side in mock.sides]:
            raise Invalid(
                (*at, "mock"), f"{mock} looks the other way than production, {production}"
            )
        return production, mock
    for name, limit in (("limit", given.limit), ("fail", given.fail)):
        if limit is not UNSET:
            both = _limit(limit, (*at, name))
            return both, both
    return None


def _limit(given: str | tuple[str, str], at: tuple[str, ...]) -> Limit:
    if isinstance(given, str):
        return comparison(given, at)
    sides = [comparison(text, (*at, str(place))) for place, text in enumerate(given)]
    low, high = sorted(sides, key=lambda side: side.upper)
    if low.upper or not high.upper:
        raise Invalid(at, f"{sides[0]} and {sides[1]} look the same way; one of them is enough")
    if low.limit >= high.limit:
        raise Invalid(at, f"no value is {low} and {high}")
    return Between(low, high)


def _check_warning(warning: Limit, limit: Limit, at: tuple[str, ...]) -> None:
    """A value at the limit must be beyond the warning, on each side of the warning."""
    ends = {side.upper: side.limit for side in limit.sides}
    for side in warning.sides:
        if side.upper not in ends:
            raise Invalid(at, f"{side} looks the other way than the limit, {limit}")
        end = ends[side.upper]
        if side.limit >= end if side.upper else side.limit <= end:
            raise Invalid(at, f"{side} is not inside the limit, {limit}, so it would never WARN")
    if isinstance(limit, Between) and not all(limit.holds(side.limit) for side in warning.sides):
        raise Invalid(at, f"{warning} is not inside the limit, {limit}")


def _check_range(limit: Limit, kpi: Kpi, at: tuple[str, ...]) -> None:
    low, high = kpi.range
    for side in limit.sides:
        end = high if side.upper else low
        # A range must not end before the limit: a value beyond the limit would be *no data*.
        if end is not None and (end <= side.limit if side.upper else end >= side.limit):
            raise Invalid(
                at,
                f"the range of {kpi.name} ends at {end:g}, so no value could break the limit "
                f"{side}; a range is for values that cannot be",
            )


_ONE_WAY: Mapping[str, tuple[bool, str]] = {
    "p95": (True, "an upper limit; for a lower one give 'share: 0.95'"),
    "max": (True, "an upper limit; for a lower one give 'statistic: min'"),
    "min": (False, "a lower limit; for an upper one give 'statistic: max'"),
}
"""Statistic to whether its limit is an upper one, and what is right."""


def _check_statistic(given: CriterionFields, limit: Limit, at: tuple[str, ...]) -> None:
    statistic = given.statistic
    if statistic is not UNSET and given.share is not UNSET:
        raise Invalid((*at, "share"), f"is a statistic itself: leave out 'statistic: {statistic}'")
    if statistic == "last" and given.window is not UNSET:
        raise Invalid((*at, "window"), "is for several iterations, and 'last' is a single one")
    if statistic is not UNSET and statistic in _ONE_WAY:
        upper, right = _ONE_WAY[statistic]
        if [side.upper for side in limit.sides] != [upper]:
            raise Invalid((*at, "statistic"), f"{statistic} has {right}; here is {limit}")


def _relative(given: CriterionFields, limit: Limit, at: tuple[str, ...]) -> Relative | None:
    ratio = None if given.ratio is UNSET else given.ratio
    amount = None if given.amount is UNSET else given.amount
    if given.relative_to is UNSET:
        for name in ("ratio", "amount"):
            if getattr(given, name) is not UNSET:
                raise Invalid((*at, name), "belongs to 'relative_to: warmup' (or reference)")
        return None
    if (ratio is None) == (amount is None):
        raise Invalid(
            (*at, "relative_to"),
            "needs 'ratio' or 'amount', one of them: how much worse the KPI may be",
        )
    if len(limit.sides) != 1 or given.share is not UNSET or given.statistic not in (UNSET, "mean"):
        raise Invalid((*at, "relative_to"), "is for the mean of a KPI with one limit")
    return Relative(given.relative_to, ratio, amount)


def _drift(
    section: GateSection, gated: Collection[str], kpis: Mapping[str, Kpi]
) -> dict[str, DriftLimits]:
    """The limits of each gated KPI and of those in ``drift``; null there switches a KPI off."""
    for name, limits in section.drift.items():
        at = (*_AT, "drift", name)
        check_known(name, kpis, "KPI", at)
        if limits is None:
            continue
        if limits.budget is None and name not in gated:
            raise Invalid(at, "has no limit to drift to; give it a budget, or gate it")
        if limits.budget is not None and kpis[name].better == "none":
            raise Invalid((*at, "budget"), f"{name} is better neither up nor down")
    given = {**dict.fromkeys(gated, DriftLimits()), **section.drift}
    return {name: limits for name, limits in given.items() if limits is not None}
