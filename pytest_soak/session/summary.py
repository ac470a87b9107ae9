"""The end of the session on the terminal: the table of the gate, the verdict, the artifacts."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import Final

import pytest

from pytest_soak.loop.model import History, Verdict
from pytest_soak.report.layout import cut
from pytest_soak.report.notices import notice_lines
from pytest_soak.report.sweep import sweeps_of
from pytest_soak.report.sweep_text import sweep_table
from pytest_soak.report.table import final_table
from pytest_soak.session.judging import RunResult
from pytest_soak.session.plan import Plan
from pytest_soak.session.terminal import WIDTH, show
from pytest_soak.store import names

_MOST_UNKNOWN: Final = 5
_COLOUR: Final = {
    Verdict.PASS: {"green": True},
    Verdict.WARN: {"yellow": True},
    Verdict.INCONCLUSIVE: {"yellow": True},
    Verdict.FAIL: {"red": True},
}


def summary(
    reporter: pytest.TerminalReporter, plan: Plan, judged: RunResult, warnings: Sequence[str]
) -> None:
    """The final table, its last line (the verdict) loud, and where the artifacts are."""
    reporter.write_sep("=", "soak")
    verdict = judged.run.verdict
    if plan.settings.sweep:
        for line in sweep_table(sweeps_of(judged.histories, mock=plan.settings.mock)):
            show(reporter, line)
    *table, last = final_table(judged.run)
    for line in table:
        show(reporter, line)
    unknown = notice_lines(judged.histories, _MOST_UNKNOWN)
    if unknown:
        show(reporter, "the profile does not know, and no figure uses:", yellow=True)
        for line in unknown:
            show(reporter, cut(f"  {line}", WIDTH))
    show(reporter, last, **_COLOUR[verdict], bold=True)
    for line in textwrap.wrap(_meaning(verdict, plan), WIDTH - 2):
        show(reporter, f"  {line}")
    for warning in warnings:
        heading = warning.partition("\n")[0].rstrip(":")
        show(reporter, f"warning: {heading}, as named above", yellow=True)
    if any(_can_go_on(history) for history in judged.histories):
        show(reporter, "to go on with this run: the same command with --soak-resume")
    advice = plan.run_path / names.RECOMMENDATIONS
    if verdict is not Verdict.PASS and advice.is_file():
        show(reporter, f"what to do: {_shown(plan)}{os.sep}{advice.name}")
    show(reporter, f"artifacts: {_shown(plan)}")
    if (plan.run_path / names.REPORT).is_file():
        show(reporter, f"report: {_shown(plan)}{os.sep}{names.REPORT}")


def _can_go_on(history: History) -> bool:
    """Iterations are left, and the data did not end."""
    ended = history.halt is not None and history.halt.kind == "end_of_data"
    return not ended and len(history.iterations) < history.lane.iterations


def _meaning(verdict: Verdict, plan: Plan) -> str:
    if verdict in (Verdict.PASS, Verdict.FAIL):
        return ""
    if plan.settings.sweep and not plan.settings.strict and verdict is Verdict.WARN:
        return "the deltas of some lanes are in doubt, as said above; does not fail the session"
    why = {
        Verdict.WARN: "nothing failed, but not everything that a PASS takes is there: see the "
        "WARN lines above",
        Verdict.INCONCLUSIVE: "this run is too short, or lacks the data, to pass or to fail",
    }[verdict]
    end = (
        "fails the session (--soak-strict)" if plan.settings.strict else "does not fail the session"
    )
    return f"{why}; {end}"


def _shown(plan: Plan) -> str:
    try:
        return str(plan.run_path.relative_to(plan.run_path.cwd()))
    except ValueError:
        return str(plan.run_path)
