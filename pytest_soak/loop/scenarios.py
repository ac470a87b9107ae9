"""The scenarios that fired, read from a report. A report comes from outside and is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.loop.model import History, Iteration
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.scenarios import Scheduled

FIELD = "scenarios"
"""``report["scenarios"]``: one mapping for each scenario that fired."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One entry of ``report["scenarios"]``, times in seconds from the start of the iteration."""

    iteration: int
    name: str
    started_s: float
    ended_s: float
    measured: Mapping[str, Any]
    """All other fields of the entry, as the target wrote them."""


def fired_in(iteration: Iteration) -> tuple[Fired, ...]:
    """The scenarios that fired according to an iteration's report.

    An entry is ignored if it has no name, or no finite times of which the second is the later one.
    """
    given = iteration.report.get(FIELD)
    if not isinstance(given, (list, tuple)):
        return ()
    fired = []
    for entry in given:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            continue
        started, ended = number(entry.get("started_s")), number(entry.get("ended_s"))
        if started is None or ended is None or ended <= started:
            continue
        rest = {
            key: value
            for key, value in entry.items()
            if key not in ("name", "started_s", "ended_s")
        }
        fired.append(Fired(iteration.number, entry["name"], started, ended, rest))
    return tuple(fired)


def fired_of(history: History, scheduled: Scheduled) -> tuple[Fired, ...]:
    """What the reports have of this scheduled scenario, in the iterations that it reaches into."""
    last = scheduled.last(history.lane.interval_s)
    return tuple(
        fired
        for item in history.iterations
        if scheduled.at <= item.number <= last
        for fired in fired_in(item)
        if fired.name == scheduled.name
    )


def is_excluded(state: LaneState, iteration: Iteration) -> bool:
    """Whether a scheduled scenario with ``gate: exclude`` ran in this iteration."""
    names = {
        scheduled.name
        for scheduled in state.scenarios
        if scheduled.gate == "exclude"
        and scheduled.at <= iteration.number <= scheduled.last(state.lane.interval_s)
    }
    return bool(names) and any(fired.name in names for fired in fired_in(iteration))
