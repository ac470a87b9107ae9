"""The verdict of an iteration: the outcome of its item, and the input of freeze and panic (§8)."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.loop.conditions import evaluate, first_means
from pytest_soak.loop.kpis import FAULT_WHY
from pytest_soak.loop.model import IterationVerdict, Readings, Verdict
from pytest_soak.profile.model import Condition, Profile


def judge(profile: Profile, readings: Readings, first: Sequence[Readings] = ()) -> IterationVerdict:
    """FAIL or WARN by the profile's limits, INCONCLUSIVE if a limited KPI has no data.

    ``first`` has the readings of the lane's first iterations, including this one if it is one of
    them. A condition on a first mean that is not known yet is no reason to FAIL or WARN. A
    placeholder is no data. The reasons are those of the verdict itself, and the missing KPIs.
    """
    limits = profile.verdict
    fails = _exceeded(limits.fail, readings, first)
    warns = _exceeded(limits.warn, readings, first)
    limited = dict.fromkeys(condition.kpi for condition in (*limits.fail, *limits.warn))
    missing = _missing(readings, tuple(limited))
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


def all_hold(
    conditions: Sequence[Condition], readings: Readings, first: Sequence[Readings] = ()
) -> bool:
    """Whether every condition holds on these readings.

    A condition does not hold if its KPI has no data, or its first mean is not known yet.
    """
    firsts = first_means(conditions, first)
    return all(
        evaluate(item, usable_value(readings, item.kpi), firsts=firsts, unknown_first=False).holds
        for item in conditions
    )


def _exceeded(
    conditions: Sequence[Condition], readings: Readings, first: Sequence[Readings]
) -> tuple[str, ...]:
    firsts = first_means(conditions, first)
    reasons = []
    for condition in conditions:
        value = usable_value(readings, condition.kpi)
        result = evaluate(condition, value, firsts=firsts, unknown_first=False)
        if result.holds and value is not None:
            reasons.append(f"{condition.kpi} {condition.shown(value)} {result.text}")
    return tuple(reasons)
