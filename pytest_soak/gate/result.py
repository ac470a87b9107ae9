"""One line of the gate: what a criterion says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_soak.loop.model import Verdict


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One line of the gate. ``reason`` says it all for people: criterion, value, limit, why."""

    name: str
    verdict: Verdict
    value: float | None = None
    limit: str = ""
    margin: float | None = None
    """Distance to the limit in the criterion's own unit, positive on the right side."""
    n: int = 0
    """How many values of the run it rests on."""
    n_eff: float | None = None
    """How many independent ones the window is worth."""
    phi: float | None = None
    reason: str = ""
    lane: str = ""
    low: float | None = None
    """One-sided lower bound of the value."""
    high: float | None = None
    applicable: bool = True
    """False: there was nothing to judge; it counts as PASS and is shown as n/a."""
    binding: bool = True
    """False: shown, but without a say in the verdict (the KPIs of a sweep)."""
    marginal: bool = False
    """A FAIL by less than its noise."""


def judged(lane_id: str, name: str, judge: Callable[[], CriterionResult]) -> CriterionResult:
    """What ``judge`` answers; INCONCLUSIVE with the error's text where it raises."""
    try:
        return judge()
    except Exception as error:
        return unjudged(lane_id, name, error)


def unjudged(lane_id: str, name: str, error: Exception) -> CriterionResult:
    """The criterion ``name``, INCONCLUSIVE because judging it raised ``error``."""
    reason = f"{name}: could not be judged: {type(error).__name__}: {error}"
    return CriterionResult(name, Verdict.INCONCLUSIVE, reason=reason, lane=lane_id)
