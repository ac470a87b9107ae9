"""The criteria of one lane that are not KPIs: pass count, delta quality, completeness, checks."""

from __future__ import annotations

from collections import Counter

from pytest_soak.gate.delta import DeltaReport
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Verdict

__all__ = [
    "CriterionResult",
    "checks_criterion",
    "completeness_criterion",
    "delta_criterion",
    "pass_count_criterion",
]


def pass_count_criterion(lane: LaneWindow) -> CriterionResult:
    """Whether enough iterations of the window are PASS or WARN."""
    limits, window, bad = lane.limits, lane.last, lane.not_passing
    least = limits.window - limits.pass_count_slack
    name = f"pass_count_last{limits.window}"
    verdict = Verdict.PASS
    text = f"{name}: {lane.pass_count} of the last {len(window)} are PASS or WARN, limit >= {least}"
    if len(bad) > limits.pass_count_slack:
        verdict = Verdict.FAIL
        text += f"; not: {', '.join(str(item.number) for item in bad)}"
        reasons = Counter(reason for item in bad for reason in item.reasons)
        text += "".join(f"; {reason} ({times})" for reason, times in reasons.most_common(2))
    elif len(window) < limits.window:
        verdict = Verdict.INCONCLUSIVE
        text += f"; {len(window)} measured, {limits.window} are needed"
    return CriterionResult(
        name,
        verdict,
        float(lane.pass_count),
        f">= {least}",
        float(lane.pass_count - least),
        len(window),
        reason=text + lane.left_out,
        lane=lane.history.lane.id,
    )


def delta_criterion(lane: LaneWindow, delta: DeltaReport) -> CriterionResult:
    """Delta quality as a criterion."""
    limit = lane.limits.delta.full
    ratio = delta.full_apply_ratio
    return CriterionResult(
        "delta_quality",
        delta.verdict,
        ratio,
        f">= {limit:g}",
        None if ratio is None else ratio - limit,
        delta.counted,
        reason=delta.reason,
        lane=lane.history.lane.id,
        applicable=delta.applicable or delta.verdict is not Verdict.PASS,
    )


def checks_criterion(lane: LaneWindow) -> CriterionResult:
    """Whether the user's checks passed in every iteration."""
    failing = [item for item in lane.history.iterations if item.failed_checks]
    text = "checks: no check failed"
    if failing:
        names = Counter(name for item in failing for name in item.failed_checks)
        which = ", ".join(f"{name} ({times})" for name, times in names.most_common(3))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        first, plural = failing[0].number, "s" * (len(failing) > 1)
        text = (
            f"checks: failed in {len(failing)} iteration{plural}, first in {first}: {which}{more}"
        )
    return CriterionResult(
        "checks",
        Verdict.FAIL if failing else Verdict.PASS,
        float(len(failing)),
        "<= 0",
        float(-len(failing)),
        len(lane.history.iterations),
        reason=text,
        lane=lane.history.lane.id,
    )


def completeness_criterion(lane: LaneWindow) -> CriterionResult:
    """Whether all planned iterations were measured, and why not."""
    history = lane.history
    planned, measured = history.lane.iterations, len(lane.measured)
    halt = history.halt
    text = f"completeness: {measured} of {planned} iterations measured"
    verdict = Verdict.PASS
    if measured < planned:
        verdict = Verdict.FAIL
        if halt is None:
            text += "; the rest was not run (interrupted, deselected, or not collected)"
        elif halt.kind == "end_of_data":
            # A lane without any measured iteration FAILs, even if only the data ended.
            verdict = Verdict.INCONCLUSIVE if measured else Verdict.FAIL
            text += f"; the data ended at iteration {halt.iteration}"
            text += f": {halt.text}" if halt.text else ""
        else:
            text += f"; halted at iteration {halt.iteration} ({halt.kind}): {halt.text}"
    elif halt is not None and halt.kind != "end_of_data":
        # Planning fewer iterations does not undo a crash.
        verdict = Verdict.FAIL
        text += f", but it halted at iteration {halt.iteration} ({halt.kind}): {halt.text}"
    if earlier := [item for item in history.halts if item != halt]:
        where = ", ".join(f"{item.iteration} ({item.kind})" for item in earlier[:4])
        where += f" and {len(earlier) - 4} more" if len(earlier) > 4 else ""
        text += f"; it was resumed after it halted at iteration {where}"
    return CriterionResult(
        "completeness",
        verdict,
        float(measured),
        f">= {planned}",
        float(measured - planned),
        measured,
        reason=text,
        lane=history.lane.id,
    )
