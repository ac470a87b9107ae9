"""The result of one criterion of the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_soak.loop.model import Verdict


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """The result of one criterion. ``reason`` is a text with criterion, value, limit and cause."""

    name: str
    verdict: Verdict
    value: float | None = None
    limit: str = ""
    margin: float | None = None
    """Distance to the limit in the criterion's own unit, positive inside the limit."""
    n: int = 0
    """The number of values of the run that it is based on."""
    n_eff: float | None = None
    """The effective number of independent values in the window."""
    phi: float | None = None
    reason: str = ""
    lane: str = ""
    low: float | None = None
    """One-sided lower bound of the value."""
    high: float | None = None
    applicable: bool = True
    """False if there was nothing to judge: it counts as PASS and is shown as n/a."""
    binding: bool = True
    """False if it is shown but does not count for the verdict (the KPIs of a sweep)."""
    marginal: bool = False
    """It is a FAIL by less than its noise."""


def kpi_of(name: str) -> str:
    """The KPI whose unit the value of the criterion ``name`` has; an unknown name as it is.

    A share of iterations has no unit, whatever its KPI is.
    """
    kind, _, kpi = name.partition(":")
    return kpi if kind in _OF_A_KPI else name


_OF_A_KPI = ("drift", "relative", "median", "p95", "max", "min", "last")


def judged(lane_id: str, name: str, judge: Callable[[], CriterionResult]) -> CriterionResult:
    """The result of ``judge``; INCONCLUSIVE with the error's text if it raises."""
    try:
        return judge()
    except Exception as error:
        return unjudged(lane_id, name, error)


def unjudged(lane_id: str, name: str, error: Exception) -> CriterionResult:
    """The criterion ``name``, INCONCLUSIVE because judging it raised ``error``."""
    reason = f"{name}: could not be judged: {type(error).__name__}: {error}"
    return CriterionResult(name, Verdict.INCONCLUSIVE, reason=reason, lane=lane_id)
