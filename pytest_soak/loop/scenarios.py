"""What a report says of scenarios that fired. A report is anybody's, so nothing is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.loop.model import History, Iteration
from pytest_soak.profile.scenarios import Scheduled

FIELD = "scenarios"
"""``report["scenarios"]``: one mapping for each scenario that really fired."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One entry of ``report["scenarios"]``, times in seconds from the start of the iteration."""

    iteration: int
    name: str
    started_s: float
    ended_s: float
    measured: Mapping[str, Any]
    """All else that the target measured, as it wrote it."""


def fired_in(iteration: Iteration) -> tuple[Fired, ...]:
    """The scenarios that an iteration's report shows fired.

    An entry without a name, or without finite times of which the second is the later one, shows
    nothing.
    """
    given = iteration.report.get(FIELD)
    if not isinstance(given, (list, tuple)):
        return ()
    found = []
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
        found.append(Fired(iteration.number, entry["name"], started, ended, rest))
    return tuple(found)


def fired_of(history: History, scheduled: Scheduled) -> tuple[Fired, ...]:
    """Where the reports show this occurrence, in the iterations that it reaches into."""
    last = scheduled.last(history.lane.interval_s)
    return tuple(
        fired
        for item in history.iterations
        if scheduled.at <= item.number <= last
        for fired in fired_in(item)
        if fired.name == scheduled.name
    )
