"""The criteria of the gate as test reports: verdict, figures, and the line of the limit.

Not on workers: it imports the gate and its reports.
"""

from __future__ import annotations

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import Verdict
from pytest_soak.report.criterion_figures import criterion_figures
from pytest_soak.session.limit_places import LimitPlaces, Location
from pytest_soak.session.reports import GATE_ATTRIBUTE, gate_report


def gate_reports(
    run: RunJudgement, places: LimitPlaces, *, strict: bool
) -> list[pytest.TestReport]:
    """A call and a teardown report per lane and criterion, in the order of the lanes.

    Their location is the line of the profile that has the limit. JUnit XML and annotations of CI
    read it; the names of the reports stay those of lane and criterion.
    """
    reports: list[pytest.TestReport] = []
    for lane in run.lanes:
        for result in lane.criteria:
            if not result.binding:
                continue
            location = places.location(lane.lane_id, result.name, mock=lane.mock)
            reports.extend(_pair(lane, result, location, strict=strict))
    return reports


def _pair(
    lane: LaneJudgement, result: CriterionResult, location: Location | None, *, strict: bool
) -> list[pytest.TestReport]:
    name = f"{lane.lane_id}/{result.name}"
    fails = result.verdict is Verdict.FAIL or (strict and result.verdict is not Verdict.PASS)
    text = escaped(f"{result.verdict}: {' '.join(result.reason.split())}")
    outcome, shown = ("failed", text) if fails else ("passed", None)
    call = gate_report(name, outcome, shown, "call", location)
    if not fails:
        call.sections.append(("soak gate", text))
    setattr(call, GATE_ATTRIBUTE, str(result.verdict) if result.applicable else "N/A")
    teardown = gate_report(name, "passed", None, "teardown", location)
    figures = criterion_figures(lane, result)
    for report in (call, teardown):
        report.user_properties.append(("soak_gate", text))
        report.user_properties.extend((f"soak_{key}", value) for key, value in figures.items())
    return [call, teardown]
