"""The clock of a live target, and the spans of its iterations by that clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Monotonic time, and waiting; no other time decides anything."""

    def now(self) -> float:
        """Seconds of a clock that is never set."""

    def sleep(self, seconds: float) -> None: ...


class MonotonicClock:
    """The clock of the operating system."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Span:
    """One iteration, in seconds of the clock."""

    start: float
    measured: float
    """From here on figures count: the start and the time to settle."""
    end: float
    deadline: float
    """A report may arrive until here."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When iterations start: one after each interval, or as soon as the one before has ended."""

    interval_s: float
    settle_s: float
    deadline_s: float
    due: float | None = None
    """When the next one starts at the earliest; None: the first starts at once."""

    def next(self, now: float) -> tuple[Span, float, Schedule]:
        """The next span, by how many seconds it starts late, and the schedule after it.

        A late start moves all later ones: no iteration is made shorter.
        """
        start = now if self.due is None else max(self.due, now)
        late_s = 0.0 if self.due is None else start - self.due
        span = Span(
            start,
            start + self.settle_s,
            start + self.interval_s,
            start + self.interval_s + self.deadline_s,
        )
        return span, late_s, Schedule(self.interval_s, self.settle_s, self.deadline_s, span.end)
