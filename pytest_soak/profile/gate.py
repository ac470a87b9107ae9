"""The gate of a profile, from its section ``gate``: what several fields say together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pytest_soak.profile.comparisons import comparison
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import Criterion, DriftLimits, GateLimits
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
        if count > section.window:
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
    return GateLimits(
        window=section.window,
        pass_from=section.pass_from,
        confidence=section.confidence,
        no_data_ratio=section.no_data_ratio,
        criteria=tuple(criteria.values()),
        pass_count_slack=section.pass_count_slack,
        freeze_ready_pass_count=section.freeze_ready_pass_count,
        delta=delta,
        drift=_drift(section, criteria, kpis),
        throughput=section.throughput,
    )


def criterion(name: str, limits: str | CriterionFields, kpis: Mapping[str, Kpi]) -> Criterion:
    """The criterion of the KPI ``name``. Raises Invalid."""
    at = (*_AT, "criteria", name)
    check_known(name, kpis, "KPI", at)
    if isinstance(limits, str):
        production = mock = comparison(limits, at)
    else:
        production = comparison(limits.production, (*at, "production"))
        mock = comparison(limits.mock, (*at, "mock"))
    if production.op[0] != mock.op[0]:
        raise Invalid((*at, "mock"), f"{mock} looks the other way than production, {production}")
    low, high = kpis[name].range
    for limit in (production, mock):
        end = high if limit.upper else low
        # A range must not end before the limit: a value beyond the limit would be *no data*.
        if end is not None and (end <= limit.limit if limit.upper else end >= limit.limit):
            raise Invalid(
                at,
                f"the range of {name} ends at {end:g}, so no value could break the limit {limit}; "
                "a range is for values that cannot be",
            )
    return Criterion(kpi=name, production=production, mock=mock)


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
