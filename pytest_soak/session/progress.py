"""What an item's report carries to the controller: plain values only, also through xdist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pytest_soak.loop.model import Iteration
from pytest_soak.protocol import Lane
from pytest_soak.report.layout import WIDTH
from pytest_soak.report.table import INDENT, iteration_line

REPORT_ATTRIBUTE = "soak"


@dataclass(frozen=True, slots=True)
class ItemProgress:
    lane_id: str
    number: int
    verdict: str
    line: str
    """The line of ``-v``; empty until the iteration is decided."""
    kpis: tuple[tuple[str, float], ...]
    fresh_from: int | None = None
    """Set when the lane was resumed with a target that could not be restored."""

    def attach(self, report: pytest.TestReport) -> None:
        """Put it on a report as a dict of JSON values, which xdist can serialise."""
        setattr(
            report,
            REPORT_ATTRIBUTE,
            {
                "lane": self.lane_id,
                "iteration": self.number,
                "verdict": self.verdict,
                "line": self.line if report.when == "teardown" else "",
                "fresh_from": self.fresh_from,
            },
        )

    def properties(self) -> list[tuple[str, object]]:
        """Properties of the item in JUnit XML."""
        return [
            ("soak_lane", self.lane_id),
            ("soak_iteration", self.number),
            ("soak_verdict", self.verdict),
            *((f"soak_{name}", value) for name, value in self.kpis),
        ]


def progress_of(
    lane: Lane, iteration: Iteration, fresh_from: int | None = None, *, named: bool = False
) -> ItemProgress:
    """The progress of an iteration observed, or decided.

    ``named`` leaves room for the name of the lane, which is printed before the line.
    """
    width = WIDTH - INDENT - (len(f"{lane.id}: ") if named else 0)
    return ItemProgress(
        lane_id=lane.id,
        number=iteration.number,
        verdict=str(iteration.verdict),
        line=iteration_line(iteration, width=width) if iteration.decision else "",
        kpis=tuple(
            (name, float(reading.value))
            for name, reading in iteration.readings.items()
            if reading.value is not None
        ),
        fresh_from=fresh_from,
    )


def carried(report: pytest.TestReport) -> dict[str, Any] | None:
    """What :meth:`ItemProgress.attach` put on a report, or None."""
    value: dict[str, Any] | None = getattr(report, REPORT_ATTRIBUTE, None)
    return value
