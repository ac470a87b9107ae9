"""What pytest reports for a soak: the criteria of the gate, trouble with it, and error texts."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_soak.canonical import escaped, escaped_lines
from pytest_soak.loop.model import Verdict
from pytest_soak.masking import Masker
from pytest_soak.report.criterion_figures import criterion_figures
from pytest_soak.session.limit_places import LimitPlaces, Location
from pytest_soak.store.errors import StoreError

if TYPE_CHECKING:
    from pytest_soak.gate.criteria import CriterionResult
    from pytest_soak.gate.judge import LaneJudgement, RunJudgement

GATE_ATTRIBUTE = "soak_gate"
_LETTERS: Final = {
    Verdict.PASS: ("passed", ".", ("PASSED", {"green": True})),
    Verdict.WARN: ("warned", "w", ("WARN", {"yellow": True})),
    Verdict.INCONCLUSIVE: ("inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})),
    Verdict.FAIL: ("failed", "F", ("FAILED", {"red": True})),
}


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


def trouble_report(name: str, text: str) -> pytest.TestReport:
    """A failed report for what went wrong with the gate itself."""
    return _report(name, "failed", text, "call")


def _pair(
    lane: LaneJudgement, result: CriterionResult, location: Location | None, *, strict: bool
) -> list[pytest.TestReport]:
    name = f"{lane.lane_id}/{result.name}"
    fails = result.verdict is Verdict.FAIL or (strict and result.verdict is not Verdict.PASS)
    text = escaped(f"{result.verdict}: {' '.join(result.reason.split())}")
    outcome, shown = ("failed", text) if fails else ("passed", None)
    call = _report(name, outcome, shown, "call", location)
    if not fails:
        call.sections.append(("soak gate", text))
    setattr(call, GATE_ATTRIBUTE, str(result.verdict) if result.applicable else "N/A")
    teardown = _report(name, "passed", None, "teardown", location)
    figures = criterion_figures(lane, result)
    for report in (call, teardown):
        report.user_properties.append(("soak_gate", text))
        report.user_properties.extend((f"soak_{key}", value) for key, value in figures.items())
    return [call, teardown]


def _report(
    name: str, outcome: Any, longrepr: str | None, when: Any, location: Location | None = None
) -> pytest.TestReport:
    file, line = location or ("soak", None)
    return pytest.TestReport(
        nodeid=f"soak::gate[{name}]",
        location=(file, line, f"gate[{name}]"),
        keywords={},
        outcome=outcome,
        longrepr=None if longrepr is None else escaped_lines(longrepr),
        when=when,
    )


def status_of_gate(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Category, letter and word of a gate report; None for any other report."""
    verdict = getattr(report, GATE_ATTRIBUTE, None)
    if verdict is None or report.when != "call":
        return None
    if report.failed and verdict != Verdict.FAIL:
        return "failed", "F", ("FAILED", {"red": True})
    if verdict == "N/A":
        return "passed", ".", ("N/A", {})
    return _LETTERS[Verdict(verdict)]


def error_text(error: BaseException, mask: Masker) -> str:
    """The text of an error of a lane, and the way through the target's own code that led to it."""
    cause, text = error.__cause__, escaped(mask(str(error)))
    if cause is None or isinstance(cause, StoreError):
        return text  # of a file, it says what is wrong and what to do
    own = str(Path(__file__).parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(cause.__traceback__)
        if not frame.filename.startswith(own) or "targets" in Path(frame.filename).parts
    ]
    # The lines of its text are indented: they must not look like lines of the session.
    raised = "".join(traceback.format_exception_only(cause)).rstrip().replace("\n", "\n    ")
    way = "".join([*traceback.format_list(frames), raised])
    return f"{text}\n\n{mask(way)}"
