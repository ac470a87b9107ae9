"""What pytest reports for a soak: a report of the gate, trouble with it, and error texts."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped, escaped_lines
from pytest_soak.loop.model import Verdict
from pytest_soak.masking import Masker
from pytest_soak.session.limit_places import Location
from pytest_soak.store.errors import StoreError

GATE_ATTRIBUTE = "soak_gate"
_LETTERS: Final = {
    Verdict.PASS: ("passed", ".", ("PASSED", {"green": True})),
    Verdict.WARN: ("warned", "w", ("WARN", {"yellow": True})),
    Verdict.INCONCLUSIVE: ("inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})),
    Verdict.FAIL: ("failed", "F", ("FAILED", {"red": True})),
}


def trouble_report(name: str, text: str) -> pytest.TestReport:
    """A failed report for what went wrong with the gate itself."""
    return gate_report(name, "failed", text, "call")


def gate_report(
    name: str, outcome: Any, longrepr: str | None, when: Any, location: Location | None = None
) -> pytest.TestReport:
    """A report of the gate; ``name`` is lane and criterion, ``location`` where its limit is."""
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
