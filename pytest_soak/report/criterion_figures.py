"""The figures of a criterion as numbers, for programs that read the reports of the gate."""

from __future__ import annotations

from pytest_soak.canonical import number
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.gate.result import CriterionResult
from pytest_soak.profile.condition import Comparison
from pytest_soak.report.layout import nearest_side


def criterion_figures(lane: LaneJudgement, item: CriterionResult) -> dict[str, float]:
    """``value``, ``limit``, ``bound`` and ``margin`` of a criterion, each in its own unit.

    ``bound`` is the one on the side of the limit, which decides between PASS and WARN. What is not
    known, not finite or not there (a drift has no limit of its own) is left out.
    """
    limit = comparison_of(lane, item)
    bound = None
    if limit is not None:
        bound = item.high if limit.upper else item.low
    figures = {
        "value": item.value,
        "limit": None if limit is None else limit.limit,
        "bound": bound,
        "margin": item.margin,
    }
    finite = {name: number(value) for name, value in figures.items()}
    return {name: value + 0.0 for name, value in finite.items() if value is not None}


def comparison_of(lane: LaneJudgement, item: CriterionResult) -> Comparison | None:
    """The limit of a criterion: that of the profile, which its text may have rounded."""
    if item.name == "delta_quality":
        return Comparison(">=", lane.window.limits.delta.full)
    return lane.window.comparison(item.name) or nearest_side(item)
