"""The reports of a live target, as they come without a session: how often, how old, how fast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pytest_soak.doctor.clocks import OFF_S
from pytest_soak.doctor.finding import Finding
from pytest_soak.live.channels import ChannelFault, Reader
from pytest_soak.live.clock import Clock
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.sections import ReportFields

ENOUGH = 3
"""After so many new reports the time between them is known well enough."""
_SLOW_PART = 0.5
"""A read that takes more than this part of its timeout is near it."""
_PAUSE_S = 0.05


@dataclass
class Source:
    """What one source gave while it was watched."""

    fields: ReportFields
    reader: Reader
    report: Mapping[str, Any] | None = None
    """The newest report."""
    came: list[float] = field(default_factory=list)
    """When a report was read that was not there before, in seconds of the clock."""
    slowest_s: float = 0.0
    """The longest read."""
    fault: str = ""
    """Why the newest read failed."""
    reads: int = 0

    @property
    def every_s(self) -> float | None:
        """The usual time between two new reports; None with fewer than two of them."""
        gaps = [later - earlier for earlier, later in zip(self.came, self.came[1:], strict=False)]
        return median(gaps) if gaps else None

    @property
    def is_answer(self) -> bool:
        """Each read gives a report, of a URL or of a program."""
        fields = self.fields
        is_url = isinstance(fields.http, str) or isinstance(fields.prometheus, str)
        return is_url or isinstance(fields.command, tuple)

    def look(self, clock: Clock) -> None:
        """Read once."""
        begin = clock.now()
        try:
            report = self.reader.poll()
        except ChannelFault as fault:
            self.fault, report = str(fault), None
        else:
            self.fault = self.fault if report is None else ""
        now = clock.now()
        self.slowest_s = max(self.slowest_s, now - begin)
        self.reads += 1
        if report is None:
            return
        # A URL and a program answer each time; only another answer is a new report.
        if self.report is not None and (not self.is_answer or report != self.report):
            self.came.append(now)
        self.report = report


def watched(plan: LivePlan, clock: Clock, wait_s: float) -> list[Source]:
    """Every source, read until each has given enough new reports, at most ``wait_s`` seconds.

    A program is run twice, at the begin and at the end.
    """
    sources = [Source(fields, reader) for fields, reader in plan.readers]
    begin = clock.now()
    due = dict.fromkeys(range(len(sources)), begin)
    while True:
        now = clock.now()
        for place, source in enumerate(sources):
            if now >= due[place]:
                source.look(clock)
                every_s = source.reader.every_s
                due[place] = math.inf if every_s is None else clock.now() + every_s
        if clock.now() - begin >= wait_s or all(len(item.came) > ENOUGH for item in sources):
            break
        clock.sleep(max(_PAUSE_S, min(begin + wait_s, *due.values()) - clock.now()))
    for source in sources:
        if source.reader.every_s is None:
            source.look(clock)
    return sources


def source_findings(
    plan: LivePlan, sources: Sequence[Source], wait_s: float, ages: Sequence[float | None]
) -> Iterator[Finding]:
    """What was measured, against the interval and the timeouts. ``ages``: seconds since each
    report was written, None where that is not known."""
    for number, (source, age_s) in enumerate(zip(sources, ages, strict=True), start=1):
        name = "report" if len(sources) == 1 else f"report {number}"
        place = source.reader.place
        if source.report is None:
            yield _without(name, source)
            continue
        yield _read(name, source)
        if age_s is not None:
            yield _age(name, age_s, plan.lane.interval_s, place)
        yield _pace(name, source, plan, wait_s)


def _without(name: str, source: Source) -> Finding:
    if source.fault:
        advice = "see the table of faults in docs/live.md; a session would have no data"
        return Finding(name, "FAIL", source.fault.partition("\n")[0], advice)
    text = f"{source.reader.place} does not exist"
    return Finding(name, "FAIL", text, "start the service, or correct the section target")


def _read(name: str, source: Source) -> Finding:
    timeout_s = source.fields.timeout_s
    limit = f" (timeout_s: {timeout_s:g})" if source.is_answer else ""
    text = f"{source.reader.place}: read in {source.slowest_s * 1000:.0f} ms{limit}"
    if source.is_answer and source.slowest_s > _SLOW_PART * timeout_s:
        return Finding(name, "WARN", text, "give a longer timeout_s, or a faster report")
    return Finding(name, "OK", text)


def _age(name: str, age_s: float, interval_s: float, place: str) -> Finding:
    name = f"{name} age"
    if age_s < -OFF_S:
        advice = "synchronize the clocks of the two machines"
        return Finding(name, "WARN", f"{place} is {-age_s:.1f} s in the future", advice)
    if age_s > interval_s:
        text = f"the newest is {age_s:.0f} s old, and the interval is {interval_s:g} s"
        return Finding(name, "WARN", text, "see that the service writes reports at all")
    return Finding(name, "OK", f"the newest is {max(age_s, 0.0):.1f} s old")


def _pace(name: str, source: Source, plan: LivePlan, wait_s: float) -> Finding:
    """The time between reports against the part of the interval in which one must come."""
    name, interval_s = f"{name} pace", plan.lane.interval_s
    measured_s, deadline_s = interval_s - plan.settle_s, plan.section.timing.deadline_s
    every_s = source.every_s
    if every_s is None:
        came = f"{len(source.came)} new report{'' if len(source.came) == 1 else 's'}"
        text = f"{came} in {wait_s:g} s; the interval is {interval_s:g} s"
        if source.came:
            return Finding(name, "OK", text)
        if wait_s > interval_s + deadline_s:
            advice = "the interval must be longer than the time between two reports"
            return Finding(name, "FAIL", text, advice)
        advice = f"look longer: --wait {2 * interval_s + deadline_s:g}"
        return Finding(name, "WARN", f"{text}, so the time between reports is not known", advice)
    text = f"a new report each {every_s:.3g} s; {measured_s:g} s of each interval are measured"
    if every_s <= measured_s:
        return Finding(name, "OK", text)
    advice = f"give an interval of {every_s + plan.settle_s:.3g} s and more"
    if every_s > measured_s + deadline_s:
        return Finding(name, "FAIL", f"{text}, and {deadline_s:g} s are waited for a late one",
                       advice)  # fmt: skip
    return Finding(name, "WARN", f"{text}, so each iteration waits for a late one", advice)
