"""FAILURES.md: every failed iteration, error and failed check."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.gate.echo import echo_lines
from pytest_soak.gate.figures import figure
from pytest_soak.gate.judge import RunJudgement
from pytest_soak.loop.model import PROPOSER_FAILED, History, Iteration, Verdict
from pytest_soak.report.markdown import cell


def failures(histories: Sequence[History], judgement: RunJudgement) -> str:
    """The text of the file; says so when there is nothing to tell."""
    lines = [f"# Failures ({judgement.verdict})", ""]
    for history, lane in zip(histories, judgement.lanes, strict=True):
        lines += [f"## Lane {lane.lane_id}: {lane.verdict}", ""]
        told = [
            f"- {'gate' if result.binding else 'not binding'}: {cell(result.reason or result.name)}"
            for result in lane.criteria
            if result.verdict is Verdict.FAIL
        ]
        for item in history.iterations:
            told += _of_iteration(item, tuple(c.kpi for c in history.profile.gate.criteria))
        told += [
            f"- the target ran with other values: {cell(line)}"
            for line in echo_lines(history.iterations)
        ]
        if history.halt is not None:
            halt = history.halt
            told.append(f"- iteration {halt.iteration}: {halt.kind}: {cell(halt.text)}")
        lines += told or ["No failures."]
        lines.append("")
    return "\n".join(lines)


def _of_iteration(item: Iteration, kpis: Sequence[str]) -> list[str]:
    told = []
    if item.verdict is Verdict.INCONCLUSIVE:
        told.append(f"- iteration {item.number}: INCONCLUSIVE: {cell('; '.join(item.reasons))}")
    if item.verdict is Verdict.FAIL:
        readings = ((kpi, item.readings.get(kpi)) for kpi in kpis)
        shown = ", ".join(
            f"{kpi} {figure(reading.usable)}" for kpi, reading in readings if reading is not None
        )
        told.append(f"- iteration {item.number}: FAIL: {cell('; '.join(item.reasons))} ({shown})")
    if item.decision is not None and PROPOSER_FAILED in item.decision.note:
        told.append(f"- iteration {item.number}: {cell(item.decision.note)}")
    if item.failed_checks:
        told.append(f"- iteration {item.number}: failed checks: {', '.join(item.failed_checks)}")
    return told
