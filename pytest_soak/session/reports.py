"""Reports of pytest that carry a soak: the progress of an item, and the criteria of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped, escaped_lines
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import RunJudgement
from pytest_soak.loop.model import Halt, Iteration, Verdict
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane
from pytest_soak.report.layout import WIDTH
from pytest_soak.report.table import INDENT, iteration_line

GATE_ATTRIBUTE = "soak_gate"
_LETTERS: Final = {
    Verdict.PASS: ("passed", ".", ("PASSED", {"green": True})),
    Verdict.WARN: ("warned", "w", ("WARN", {"yellow": True})),
    Verdict.INCONCLUSIVE: ("inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})),
    Verdict.FAIL: ("failed", "F", ("FAILED", {"red": True})),
}


def gate_reports(run: RunJudgement, strict: bool) -> list[pytest.TestReport]:
    """A call and a teardown report per lane and criterion, in the order of the lanes."""
    reports: list[pytest.TestReport] = []
    for lane in run.lanes:
        for result in lane.criteria:
            if not result.binding:
                continue
            reports.extend(_pair(f"{lane.lane_id}/{result.name}", result, strict))
    return reports


def trouble_report(name: str, text: str) -> pytest.TestReport:
    """A failed report for what went wrong with the gate itself."""
    return _report(name, "failed", text, "call")


def _pair(name: str, result: CriterionResult, strict: bool) -> list[pytest.TestReport]:
    fails = result.verdict is Verdict.FAIL or (strict and result.verdict is not Verdict.PASS)
    text = escaped(f"{result.verdict}: {' '.join(result.reason.split())}")
    call = _report(name, "failed" if fails else "passed", text if fails else None, "call")
    if not fails:
        call.sections.append(("soak gate", text))
    setattr(call, GATE_ATTRIBUTE, str(result.verdict) if result.applicable else "N/A")
    call.user_properties.append(("soak_gate", text))
    teardown = _report(name, "passed", None, "teardown")
    teardown.user_properties.append(("soak_gate", text))
    return [call, teardown]


def _report(name: str, outcome: Any, longrepr: str | None, when: Any) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=f"soak::gate[{name}]",
        location=("soak", None, f"gate[{name}]"),
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


REPORT_ATTRIBUTE = "soak"


@dataclass(frozen=True, slots=True)
class ItemProgress:
    lane_id: str
    verdict: str
    line: str
    """The line of ``-v``; empty without ``-v``, and until the iteration is decided."""
    fresh_from: int | None = None
    """Set when the lane was resumed with a target that could not be restored."""

    def attach(self, report: pytest.TestReport) -> None:
        """Put it on a report as a dict of JSON values, which xdist can serialise."""
        progress: dict[str, Any] = {"lane": self.lane_id, "verdict": self.verdict}
        # pytest keeps every report until the session ends: what says nothing is left out.
        if self.line and report.when == "teardown":
            progress["line"] = self.line
        if self.fresh_from:
            progress["fresh_from"] = self.fresh_from
        setattr(report, REPORT_ATTRIBUTE, progress)


def progress_line(iteration: Iteration, profile: Profile, lane_id: str = "") -> str:
    """The line of a decided iteration, with columns left for the ``lane_id`` before it."""
    width = WIDTH - INDENT - (len(f"{lane_id}: ") if lane_id else 0)
    return iteration_line(iteration, width=width, profile=profile)


def properties_of(lane: Lane, iteration: Iteration) -> list[tuple[str, object]]:
    """Properties of the item in JUnit XML."""
    return [
        ("soak_lane", lane.id),
        ("soak_iteration", iteration.number),
        ("soak_verdict", str(iteration.verdict)),
        *(
            (f"soak_{name}", float(reading.value))
            for name, reading in iteration.readings.items()
            if reading.value is not None
        ),
    ]


HALT_ATTRIBUTE = "soak_halt"


def attach_halt(report: pytest.TestReport, lane_id: str, halt: Halt) -> None:
    """Put a halt that the lane's journal could not take on the report of its item."""
    data = {"iteration": halt.iteration, "kind": halt.kind, "text": halt.text}
    setattr(report, HALT_ATTRIBUTE, {"lane": lane_id, "halt": data})


def carried_halt(report: pytest.TestReport) -> tuple[str, Halt] | None:
    """Lane and halt that :func:`attach_halt` put on a report, or None."""
    value = getattr(report, HALT_ATTRIBUTE, None)
    return None if value is None else (value["lane"], Halt(**value["halt"]))


def carried(report: pytest.TestReport) -> dict[str, Any] | None:
    """What :meth:`ItemProgress.attach` put on a report, or None."""
    value: dict[str, Any] | None = getattr(report, REPORT_ATTRIBUTE, None)
    return value
