"""The status line of a run that goes on: where it is, how it does, and how long it still takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_soak.loop.model import Iteration, Reading, Verdict
from pytest_soak.profile.model import Profile
from pytest_soak.report.columns import columns, cut_to
from pytest_soak.report.eta import duration_text
from pytest_soak.report.layout import SHORT_NAMES, main_kpis, reading

_SEPARATOR: Final = " | "
_LONGEST_KPI: Final = 48
_LATE_S: Final = 2.0
"""An iteration that is late by less is due now: starts and reports take a moment."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What is known of a run at one moment."""

    done: int
    """Iterations behind the run, in all lanes."""
    planned: int
    """Iterations of all lanes."""
    lanes: int
    lanes_done: int
    running: tuple[tuple[str, int], ...] = ()
    """Lane and iteration of each that runs now."""
    lane_index: int = 0
    """The place of the first lane that runs, from 1."""
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    """How many iterations of this session have each verdict."""
    kpi: str = ""
    """The main KPI of the newest iteration against its limit (:func:`kpi_text`)."""
    running_s: float | None = None
    """How long the current iteration runs, seconds."""
    interval_s: float | None = None
    """Seconds from the start of an iteration to that of the next; None if the target decides."""
    eta_s: float | None = None
    """Seconds until the end of the run; None if unknown."""
    end: str = ""
    """The planned end as a time of day."""


def status_text(status: RunStatus, width: int) -> str:
    """The status line in at most ``width`` columns.

    What does not fit is left out, the least important part first: the name of the lane, the planned
    end, the KPI, the counts of verdicts, the time of the iteration, the ETA.
    """
    eta = f"ETA {duration_text(status.eta_s)}" if status.eta_s is not None else ""
    parts = [
        _where(status, name=True),
        _verdicts(status.verdicts),
        cut_to(status.kpi, _LONGEST_KPI),
        _pace(status),
        f"{eta} ({status.end})" if eta and status.end else eta,
    ]
    shorter = ((0, _where(status, name=False)), (4, eta), (2, ""), (1, ""), (3, ""), (4, ""))
    for index, text in shorter:
        line = _SEPARATOR.join(part for part in parts if part)
        if columns(line) <= width:
            return line
        parts[index] = text
    return cut_to(parts[0], width)


def kpi_text(iteration: Iteration, profile: Profile, *, mock: bool) -> str:
    """The first of the gated KPIs in the newest iteration, with the limit of the gate.

    ``net 3.12 >= 2.7``; empty if the gate limits no KPI.
    """
    limits = {item.kpi: item.limit(mock=mock) for item in profile.gate.criteria}
    names = [name for name in main_kpis(iteration.readings) if name in limits] or list(limits)
    if not names:
        return ""
    name = names[0]
    limit = limits[name]
    given: Reading | None = iteration.readings.get(name)
    figure = reading(None if given is None else given.usable, *limit.sides)
    shown = limit if len(limit.sides) > 1 else f"{limit.sides[0].op} {limit.sides[0].limit:g}"
    return f"{SHORT_NAMES.get(name, name)} {figure} ({shown})"


def _where(status: RunStatus, *, name: bool) -> str:
    if len(status.running) == 1 or status.lanes == 1:
        lane, number = status.running[0] if status.running else ("", status.done)
        text = f"iteration {number}/{status.planned // max(1, status.lanes)}"
        if status.lanes > 1:
            text += f" of lane {status.lane_index} of {status.lanes}"
            text += f" {lane}" if name else ""
        return text
    return (
        f"{status.done}/{status.planned} iterations, {status.lanes_done} of {status.lanes} lanes "
        "done"
    )


def _verdicts(counts: Mapping[Verdict, int]) -> str:
    return " ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts.get(verdict))


def _pace(status: RunStatus) -> str:
    if status.running_s is None:
        return ""
    if status.interval_s is None:
        return f"runs for {duration_text(status.running_s)}"
    left = status.interval_s - status.running_s
    if left > -_LATE_S:
        left = max(0.0, left)
        return f"next in {duration_text(left)}"
    return f"next is late by {duration_text(-left)}"
