"""The verdict of an iteration: it colours the item and feeds freeze and panic (§8)."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.loop.model import Judged, Readings, Verdict
from pytest_soak.profile.model import Condition, Profile


def judge(profile: Profile, readings: Readings) -> Judged:
    """FAIL or WARN by the profile's limits, INCONCLUSIVE where a limited KPI has no data.

    A placeholder is no data. The reasons are those of the verdict itself, and the missing KPIs.
    """
    limits = profile.verdict
    fails = _exceeded(limits.fail, readings)
    warns = _exceeded(limits.warn, readings)
    limited = dict.fromkeys(condition.kpi for condition in (*limits.fail, *limits.warn))
    missing = tuple(f"{kpi} has no data" for kpi in limited if evidence(readings, kpi) is None)
    if fails:
        return Judged(Verdict.FAIL, fails + missing)
    if missing:
        return Judged(Verdict.INCONCLUSIVE, missing + warns)
    return Judged(Verdict.WARN, warns) if warns else Judged(Verdict.PASS, ())


def evidence(readings: Readings, kpi: str) -> float | None:
    """The value of a KPI as rules and limits may use it; None where there is none."""
    reading = readings.get(kpi)
    return reading.evidence if reading is not None else None


def all_hold(conditions: Sequence[Condition], readings: Readings) -> bool:
    """Whether every condition holds on these readings; a KPI without data holds for none."""
    return all(_holds(condition, evidence(readings, condition.kpi)) for condition in conditions)


def _holds(condition: Condition, value: float | None) -> bool:
    return value is not None and all(
        comparison.holds(value) for comparison in condition.comparisons
    )


def _exceeded(conditions: Sequence[Condition], readings: Readings) -> tuple[str, ...]:
    reasons = []
    for condition in conditions:
        value = evidence(readings, condition.kpi)
        if value is not None and _holds(condition, value):
            limits = " and ".join(str(comparison) for comparison in condition.comparisons)
            reasons.append(f"{condition.kpi} {value:.6g} {limits}")
    return tuple(reasons)
