"""FAILURES.md: every failed iteration, error and failed check."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.gate.echo import echo_lines
from pytest_soak.gate.judge import RunJudgement
from pytest_soak.loop.model import PROPOSER_FAILED, History, Iteration, Verdict
from pytest_soak.profile.model import Profile
from pytest_soak.report.layout import iteration_limits, shown_by
from pytest_soak.report.markdown import cell


def failures(histories: Sequence[History], judgement: RunJudgement) -> str:
    """The text of the file; it says so when nothing failed."""
    lines = [f"# Failures ({judgement.verdict})", ""]
    for history, lane in zip(histories, judgement.lanes, strict=True):
        lines += [f"## Lane {cell(lane.lane_id)}: {lane.verdict}", ""]
        entries = [
            f"- {'gate' if result.binding else 'not binding'}: {cell(result.reason or result.name)}"
            for result in lane.criteria
            if result.verdict is Verdict.FAIL
        ]
        for item in history.iterations:
            entries += _of_iteration(item, history.profile)
        entries += [
            f"- the target ran with other values: {cell(line)}"
            for line in echo_lines(history.iterations)
        ]
        if history.halt is not None:
            halt = history.halt
            entries.append(f"- iteration {halt.iteration}: {halt.kind}: {cell(halt.text)}")
        lines += entries or ["No failures."]
        lines.append("")
    return "\n".join(lines)


def _of_iteration(item: Iteration, profile: Profile) -> list[str]:
    start, entries = f"- iteration {item.number}", []
    if item.verdict is Verdict.INCONCLUSIVE:
        entries.append(f"{start}: INCONCLUSIVE: {cell('; '.join(item.reasons))}")
    if item.verdict is Verdict.FAIL:
        readings = ((gated.kpi, item.readings.get(gated.kpi)) for gated in profile.gate.criteria)
        shown = ", ".join(
            f"{kpi} {shown_by(reading.usable, iteration_limits(profile, kpi))}"
            for kpi, reading in readings
            if reading is not None
        )
        entries.append(f"{start}: FAIL: {cell('; '.join(item.reasons))} ({shown})")
    if item.decision is not None and PROPOSER_FAILED in item.decision.note:
        entries.append(f"{start}: {cell(item.decision.note)}")
    if item.failed_checks:
        entries.append(f"{start}: failed checks: {cell(', '.join(item.failed_checks))}")
    return entries
