"""One attempt of one iteration: the reports of one source, each judged as it comes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_soak.live.belonging import By, Expected, channel_after, judge
from pytest_soak.live.channels import LARGEST_SEQ, ChannelFault, Reader
from pytest_soak.live.clock import Span
from pytest_soak.live.faults import LOSES, Fault, LiveHalt
from pytest_soak.live.state import Channel

_AFTER_END_S = 0.05
"""From the end of the span on a file is read again after so many seconds."""
_ASK_AGAIN_S = 1.0
"""The same for a URL, and for a command."""


class Collected:
    """What one source gave in one attempt."""

    def __init__(
        self, reader: Reader, expected: Expected, span: Span, before: Channel, *, take: str
    ) -> None:
        self.reader = reader
        self.reports: list[Mapping[str, Any]] = []
        """Those that belong: all of them to merge, else the newest alone."""
        self.by: By = "replaced"
        self.channel = before
        self.problem: Fault | None = None
        """Why the newest thing that was read is no report of this iteration."""
        self.raw = b""
        """The bytes of the newest report that belongs."""
        self.seen = 0
        """How many reports were read, whether they belong or not."""
        self.applied = 0
        """The largest number of a delivery that a report named, whosever delivery that was."""
        self._expected = expected
        self._span = span
        self._take = take
        self._applied = 0
        """How many belonged by that word, also if they were left out."""
        self._newest: Mapping[str, Any] | None = None
        self._next_poll = span.measured

    @property
    def has_report(self) -> bool:
        return bool(self.reports)

    def next_poll(self) -> float:
        """When to call :meth:`poll` again, in seconds of the clock."""
        if self._covers_span and self.has_report:
            return math.inf
        if self.reader.every_s is None:
            return max(self._next_poll, self._span.end)
        return self._next_poll

    def poll(self, now: float) -> None:
        """Read what is there, if it is time. Raises LiveHalt."""
        if now < self.next_poll():
            return
        self._next_poll = now + self._pause_s(now)
        try:
            report = self.reader.poll()
        except ChannelFault as fault:
            if fault.name not in LOSES:
                raise LiveHalt(fault.name, _TEXTS.get(fault.name, ""), [str(fault)]) from None
            self.problem = Fault(fault.name, str(fault))
            return
        if report is not None and not (self._covers_span and now < self._span.end):
            self._offer(report, now)

    def _pause_s(self, now: float) -> float:
        every_s = self.reader.every_s
        if every_s is None:
            return _ASK_AGAIN_S
        if now < self._span.end:
            # Not beyond the end, so that the last poll of the span is the first after it.
            return min(every_s, max(self._span.end - now, _AFTER_END_S))
        return min(every_s, _AFTER_END_S if self._is_file else _ASK_AGAIN_S)

    @property
    def _covers_span(self) -> bool:
        """Whether a report is of the whole span, so that an earlier poll has less than it."""
        return getattr(self.reader, "covers_span", False) is True

    @property
    def _is_file(self) -> bool:
        return any(source.startswith("file:") for source in self.reader.sources)

    def _offer(self, report: Mapping[str, Any], now: float) -> None:
        if self._take == "merge" and not self._is_file and report == self._newest:
            return  # a URL that has nothing new answers as before; a file that is replaced is new
        self._newest = report
        self.seen += 1
        applied = report.get("applied_seq")
        if type(applied) is int and self.applied < applied <= LARGEST_SEQ:
            self.applied = applied
        belonging = judge(report, self._expected, now, self.channel, is_first=self._applied == 0)
        self.channel = channel_after(report, self.channel)
        if belonging.fault:
            self.problem = Fault(belonging.fault, f"{self.reader.place}: {belonging.detail}")
            return
        self._applied += belonging.by == "applied_seq"
        if belonging.mixes:
            detail = "the only report may have begun before the parameters were delivered"
            self.problem = Fault("wrong_iteration", f"{self.reader.place}: {detail}")
            return
        others = self.reports if self._take == "merge" else []
        self.by = "replaced" if others and self.by == "replaced" else belonging.by
        self.problem = None
        self.reports = [*others, report]
        self.raw = getattr(self.reader, "raw", b"")


_TEXTS: Mapping[str, str] = {
    "command_failed": "the command that makes the report failed",
    "not_delivered": "the parameters could not be delivered",
}
