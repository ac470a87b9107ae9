"""What the report of an item carries of the soak: the progress of its iteration, or a halt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest

from pytest_soak.loop.missing import missing_kpis
from pytest_soak.loop.model import Halt, Iteration
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane

REPORT_ATTRIBUTE = "soak"
_ETA_COLUMNS = len(" | ETA 59 min 59 s")


@dataclass(frozen=True, slots=True)
class ItemProgress:
    lane_id: str
    verdict: str
    line: str
    """Empty until the iteration is decided, and without ``-v`` in a run that does not wait."""
    waits: bool = False
    """The run really waits (``session.waiting``)."""
    kpi: str = ""
    """The main KPI against its limit, in a run that waits, when the iteration is decided."""
    fresh_from: int | None = None
    """Set when the lane was resumed with a target that could not be restored."""
    notes: tuple[str, ...] = ()
    """Lines about the first measured iteration, when it is decided."""

    def attach(self, report: pytest.TestReport) -> None:
        """Put it on a report as a dict of JSON values, which xdist can serialise."""
        progress = _plain(self.lane_id, self.verdict, self.waits)
        if self.line and report.when == "teardown":
            progress = {**progress, "line": self.line}
            if self.kpi:
                progress["kpi"] = self.kpi
        if self.notes and report.when == "teardown":
            progress = {**progress, "notes": list(self.notes)}
        if self.fresh_from:
            progress = {**progress, "fresh_from": self.fresh_from}
        setattr(report, REPORT_ATTRIBUTE, progress)


@lru_cache(maxsize=256)
def _plain(lane_id: str, verdict: str, waits: bool) -> dict[str, Any]:  # noqa: FBT001
    """What most reports carry. They share it: pytest keeps every report until the session ends."""
    progress: dict[str, Any] = {"lane": lane_id, "verdict": verdict}
    return {**progress, "waits": True} if waits else progress


def progress_line(
    iteration: Iteration, profile: Profile, lane_id: str = "", planned: int = 0
) -> str:
    """The line of a decided iteration, with columns left for the ``lane_id`` before it.

    With ``planned``, the number of iterations, it is that of a run that waits: columns are left for
    the ETA behind it, too.
    """
    # Only where a line is shown: a worker without one starts sooner.
    from pytest_soak.report.layout import WIDTH
    from pytest_soak.report.table import INDENT, iteration_line

    width = WIDTH - INDENT - (len(f"{lane_id}: ") if lane_id else 0)
    width -= _ETA_COLUMNS if planned else 0
    return iteration_line(iteration, width=width, profile=profile, planned=planned)


def notes_of(
    iteration: Iteration, profile: Profile, first_measured: int, lane_id: str = ""
) -> tuple[str, ...]:
    """What the first measured iteration of a lane lacks; empty for every other iteration."""
    if iteration.number != first_measured:
        return ()
    missing = missing_kpis(profile, iteration.readings)
    if not missing:
        return ()
    from pytest_soak.report.missing_kpis import missing_lines

    return tuple(missing_lines(missing, iteration.number, lane_id))


def main_kpi(iteration: Iteration, profile: Profile, *, mock: bool) -> str:
    """The KPI of the status line (``report.status_line.kpi_text``)."""
    from pytest_soak.report.status_line import kpi_text

    return kpi_text(iteration, profile, mock=mock)


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
