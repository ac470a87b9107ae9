"""The verdict of an iteration: the outcome of its item, and the input of freeze and panic (§8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pytest_soak.loop.conditions import Facts, evaluate, first_means
from pytest_soak.loop.kpis import FAULT_WHY
from pytest_soak.loop.model import IterationVerdict, Readings, Verdict
from pytest_soak.profile.condition import When
from pytest_soak.profile.conditions import kpis_in
from pytest_soak.profile.model import Profile


def judge(
    profile: Profile,
    readings: Readings,
    first: Sequence[Readings] = (),
    *,
    before: Sequence[Readings] = (),
    values: Mapping[str, float] = MappingProxyType({}),
) -> IterationVerdict:
    """FAIL or WARN by the profile's limits, INCONCLUSIVE if a limited KPI has no data.

    ``first`` has the readings of the lane's first iterations, including this one if it is one of
    them, and ``before`` those of the iterations just before it. ``values`` are in force. A
    condition on a first mean that is not known yet is no reason to FAIL or WARN. A placeholder is
    no data. The reasons are those of the verdict itself, and the missing KPIs.
    """
    limits = profile.verdict
    conditions = (*limits.fail, *limits.warn)
    facts = facts_of(profile, conditions, (*before, readings), first, values)
    fails = _exceeded(limits.fail, facts)
    warns = _exceeded(limits.warn, facts)
    missing = _missing(readings, kpis_in(conditions))
    if fails:
        return IterationVerdict(Verdict.FAIL, fails + missing)
    if missing:
        return IterationVerdict(Verdict.INCONCLUSIVE, missing + warns)
    return IterationVerdict(Verdict.WARN, warns) if warns else IterationVerdict(Verdict.PASS, ())


def _missing(readings: Readings, limited: Sequence[str]) -> tuple[str, ...]:
    """A reason for each limited KPI without data; one for all if the target had a fault."""
    missing = [kpi for kpi in limited if not has_data(readings, kpi)]
    for kpi in missing:
        if kpi in readings and readings[kpi].why.startswith(FAULT_WHY):
            return (f"no data: {readings[kpi].why}",)
    return tuple(no_data_text(readings, kpi) for kpi in missing)


def usable_value(readings: Readings, kpi: str) -> float | None:
    """The value of a KPI that rules and limits may use; None if there is none."""
    reading = readings.get(kpi)
    return reading.usable if reading is not None else None


def has_data(readings: Readings, kpi: str) -> bool:
    """Whether the KPI has data that rules and limits may use."""
    return usable_value(readings, kpi) is not None


def no_data_text(readings: Readings, kpi: str) -> str:
    """``p95_ms has no data: totals.p95_ms is a text, '300ms'``."""
    reading = readings.get(kpi)
    why = reading.why if reading is not None else ""
    return f"{kpi} has no data" + (f": {why}" if why else "")


def facts_of(
    profile: Profile,
    conditions: Sequence[When],
    recent: Sequence[Readings],
    first: Sequence[Readings],
    values: Mapping[str, float],
) -> Facts:
    """What ``conditions`` are evaluated on in one iteration alone, the last of ``recent``."""
    usable = ((kpi, usable_value(recent[-1], kpi)) for kpi in kpis_in(conditions))
    return Facts(
        figures={kpi: value for kpi, value in usable if value is not None},
        firsts=first_means(conditions, first),
        recent=recent,
        values=values,
        parameters=profile.parameters,
    )


def all_hold(conditions: Sequence[When], facts: Facts) -> bool:
    """Whether every condition holds on these facts.

    A condition does not hold if its KPI has no data, or its first mean is not known yet.
    """
    return all(evaluate(item, facts, unknown_first=False).holds for item in conditions)


def _exceeded(conditions: Sequence[When], facts: Facts) -> tuple[str, ...]:
    results = (evaluate(condition, facts, unknown_first=False) for condition in conditions)
    return tuple(result.sentence for result in results if result.holds)
