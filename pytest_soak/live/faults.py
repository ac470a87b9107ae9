"""The faults of a live target: their names, what each does to the lane, and how many it may have.

The table is that of docs/live.md. A fault that loses an iteration leaves it without data
(NODATA); the lane goes on until too many are lost. Any other halts the lane at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

LOSES: Final[Mapping[str, str]] = {
    "stale": "no new report came after the time to settle, up to the deadline",
    "half_written": "the report was not written to its end",
    "wrong_iteration": "every report was of other parameters than those delivered",
    "not_json": "the report is no JSON",
    "not_a_report": "the report is no mapping with a mapping 'totals', or with a field of a KPI; "
    "or it is no text of metrics",
    "metric_missing": "the service shows none of the metrics that are read",
    "too_large": "the report is larger than is read",
    "not_a_file": "the report is a link, a pipe, a device or a directory",
    "hung": "the process is alive, and wrote neither report nor log nor audit",
    "stopped": "a signal or a debugger stopped the process",
    "reported": "the report names a fault of the target",
    "unreachable": "nothing answered at the address of the report",
    "refused": "the address of the report answered with an error",
    "dead": "the process ended by itself, and was started again",
}
"""Faults that lose an iteration, and what each means."""

HALTS: Final[Mapping[str, str]] = {
    "never_written": "there never was a report",
    "not_ready": "the process did not become ready",
    "port_taken": "another program listens where the process should",
    "not_delivered": "the parameters could not be delivered",
    "command_failed": "the command of parameters or report failed",
    "seq_went_back": "the report's seq went back without another boot_id",
    "dead": "the process ended by itself, and its restarts are used up",
    "too_many_lost": "too many iterations had no data",
    "closed": "the processes were being ended",
    "log_failed": "the log of the process could not be written",
    "not_ended": "a process could not be ended",
    "not_started": "the program is missing, or may not be run",
    "record_unreadable": "the record of the lane's earlier processes is damaged",
    "supervisor_lost": "all processes were ended, because their supervisor was killed",
    "unsupported": "this operating system cannot run processes of a target",
    "variable_missing": "a variable of the process is not set in the environment",
}
"""Faults that halt the lane, and what each means: every kind of ProcessError is one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What kept an iteration without data. ``name`` and ``process`` are journaled, no more."""

    name: str
    detail: str = ""
    """Place, ages and numbers, for the log."""
    process: str = ""
    """The process that it concerns, if it is one."""

    @property
    def label(self) -> str:
        """As it stands in the journal: ``dead (bot)``."""
        return f"{self.name} ({self.process})" if self.process else self.name


class LiveHalt(Exception):  # noqa: N818 - it ends the lane
    """A fault that halts the lane.

    The text, which is journaled, has no number that differs from run to run. What has, such as
    ages and the last lines of logs, are its notes.
    """

    def __init__(self, name: str, text: str, notes: Iterable[str] = ()) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        for note in notes:
            self.add_note(note)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many iterations a lane may lose."""

    in_a_row: int
    ratio: float
    planned: int

    @property
    def most(self) -> float:
        """More lost iterations than this halt the lane."""
        return max(float(self.in_a_row), self.ratio * self.planned)


def too_many(lost: Mapping[int, str], newest: int, limits: Limits) -> str:
    """Why the lane halts after iteration ``newest``; empty if it goes on.

    ``lost`` is iteration to fault.
    """
    streak = 0
    while newest - streak in lost:
        streak += 1
    if streak >= limits.in_a_row:
        names = ", ".join(lost[newest - back] for back in reversed(range(limits.in_a_row)))
        return f"{limits.in_a_row} iterations in a row had no data: {names}"
    if len(lost) > limits.most:
        counts = _counted(lost.values())
        return (
            f"{len(lost)} of {limits.planned} planned iterations had no data ({counts}); "
            f"at most {limits.most:g} may"
        )
    return ""


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))
