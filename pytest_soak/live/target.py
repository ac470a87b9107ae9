"""The live target: delivers parameters, waits for the report, and names what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pytest_soak.canonical import compute_json_hash
from pytest_soak.live.attempt import Collected
from pytest_soak.live.belonging import Expected
from pytest_soak.live.channels import LARGEST_SEQ, ChannelFault, Delivery, Writer
from pytest_soak.live.clock import Clock, MonotonicClock, Schedule, Span
from pytest_soak.live.edits import edits_of
from pytest_soak.live.faults import HALTS, Fault, Limits, LiveHalt, too_many
from pytest_soak.live.locks import DestinationInUse, Locks
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.raw_reports import RawReports
from pytest_soak.live.report import fault_in, lost_report, report_of, with_restarts
from pytest_soak.live.state import BridgeFile, Channel
from pytest_soak.live.watched import Watched
from pytest_soak.loop.blocks import CountedAudit, count_tally
from pytest_soak.profile.parameter import Outer
from pytest_soak.protocol import Report, Runtime
from pytest_soak.store import names
from pytest_soak.store.atomic import make_directory

_LONGEST_WAIT_S = 0.1
"""The longest pause between two looks at the processes."""

_LATE_S = 0.25
"""A smaller delay is not reported: the plugin itself takes that long between two iterations."""


class LiveTarget:
    """One lane of a system that runs outside this process (docs/live.md)."""

    def __init__(self, plan: LivePlan, clock: Clock | None = None) -> None:
        self._plan = plan
        self._clock = clock or MonotonicClock()
        timing = plan.section.timing
        self._schedule = Schedule(plan.lane.interval_s, plan.settle_s, timing.deadline_s)
        self._limits = Limits(
            plan.section.faults.in_a_row, plan.section.faults.ratio, plan.lane.iterations
        )
        self._lost: dict[int, str] = {}
        """Iteration to its fault, since this session began: a resume counts anew."""
        self._about_lost: list[str] = []
        """Lines for people on the newest lost iteration."""
        self._edits: dict[str, Outer] = {}
        """What :meth:`edits` returned since the last delivery."""
        self._applied = 0
        """The largest number of a delivery that a report named: one of an earlier run may not come
        again."""
        self._watched = Watched(plan)
        self._raw = RawReports(plan.folder / "reports")
        self._locks: Locks | None = None
        self._is_stopped = threading.Event()
        self._opened = False
        self._notes: list[str] = []
        """Lines for people on the iteration that runs."""
        self._about_start: list[str] = []
        """Those that the first iteration takes along."""
        self.stop_s = plan.stop_s

    # -- start and end -------------------------------------------------------------------------

    def start(self, runtime: Runtime) -> None:
        """Lock the destinations, deliver, and start the processes. Raises LiveHalt."""
        plan = self._plan
        make_directory(plan.folder)
        try:
            self._locks = Locks(plan.places, plan.run_id)
        except DestinationInUse as error:
            raise LiveHalt("not_delivered", "the destination is in use", [str(error)]) from None
        self._bridge = BridgeFile(plan.folder.parent / names.BRIDGE)
        if plan.audit is not None:
            plan.audit.position = self._bridge.state.audit or plan.audit.position
        if not plan.writer.needs_process:
            self._open(plan.writer)
            if self._bridge.state.destination not in ("", plan.writer.place):
                self._bridge.update(delivered={}, before={})  # what is there is no edit of it
            edits = self.edits()  # of the time between two sessions
            self.deliver(0, runtime)
            self._edits |= edits
        self._about_start = self._watched.start()
        if plan.processes:
            self._bridge.update(channels={})  # the seq of their reports may begin anew
        if plan.writer.needs_process and self._restores:
            self._open(plan.writer)  # it reads the original from the bot

    def stop(self) -> None:
        """End the processes, put the original back if the section says so, and unlock."""
        self._is_stopped.set()
        try:
            self._watched.close()
        finally:
            try:
                if self._opened and self._restores:
                    self._plan.writer.restore()
                    self._bridge.update(restore=False)
            finally:
                if self._locks is not None:
                    self._locks.release()

    def _open(self, writer: Writer) -> None:
        try:
            writer.open()
        except ChannelFault as fault:
            raise LiveHalt("not_delivered", HALTS["not_delivered"], [str(fault)]) from None
        self._opened = True
        self._bridge.update(restore=self._restores)

    @property
    def _restores(self) -> bool:
        return self._plan.section.parameters.on_end == "restore"

    # -- one iteration -------------------------------------------------------------------------

    def run(self, iteration: int, runtime: Runtime) -> Report:
        """Deliver, let it settle, measure, and read the report. Raises LiveHalt."""
        if why := too_many(self._lost, iteration - 1, self._limits):
            raise LiveHalt("too_many_lost", why, self._about_lost)
        self._notes, self._about_start = self._about_start, []
        self._wait_until_due()
        if revived := self._watched.revive():
            self._notes += revived
            self._bridge.update(channels={})  # its seq may begin anew
        now = self._clock.now()
        span, late_s, self._schedule = self._schedule.next(now)
        if late_s > max(_LATE_S, 0.05 * self._plan.lane.interval_s):
            self._notes.append(f"the iteration starts {late_s:.1f} s late; later ones move with it")
        expected = self.deliver(iteration, runtime)
        # With its number: two URLs that differ by their query have one place.
        names_of_channels = [
            f"{number} {reader.place}" for number, (_, reader) in enumerate(self._plan.readers, 1)
        ]
        collected = [
            Collected(
                reader, expected, span, self._bridge.state.channels.get(name, Channel()),
                take=fields.take,
            )
            for name, (fields, reader) in zip(names_of_channels, self._plan.readers, strict=True)
        ]  # fmt: skip
        audit = None
        try:
            fault = self._measure(collected, span)
            if fault is None:
                audit = self._audit()
        except ChannelFault as unusable:  # of the audit
            fault = Fault(unusable.name, str(unusable))
        channels = [item.channel for item in collected]
        self._bridge.update(channels=dict(zip(names_of_channels, channels, strict=True)))
        self._applied = max(self._applied, *(item.applied for item in collected))
        if fault is None:
            fault = self._fault_of(collected)
        if fault is None:
            self._raw.keep(iteration, [source.raw for source in collected])
            report = report_of(self._plan, collected, self._answer, audit, self._notes)
            return with_restarts(report, self._watched.take_restarts())
        self._lost[iteration] = fault.label
        described = self._described(fault, expected, collected)
        self._about_lost = [f"iteration {iteration}: {described[0]}", *described[1:]]
        if len(self._lost) == self._plan.lane.iterations:
            raise LiveHalt("too_many_lost", f"no iteration had data, {fault.label}", described)
        lost = lost_report(fault, [*self._notes, *described])
        return with_restarts(lost, self._watched.take_restarts())

    def _wait_until_due(self) -> None:
        due = self._schedule.due
        while due is not None and (left_s := due - self._clock.now()) > 0:
            self._sleep(left_s)

    def _measure(self, collected: Sequence[Collected], span: Span) -> Fault | None:
        """Wait to the end of the span, and for the reports. A fault if a process died."""
        has_begun = False
        while True:
            now = self._clock.now()
            if (died := self._watched.died()) is not None:
                return self._after_death(died, span)
            if now >= span.measured and not has_begun:
                has_begun = True
                self._begin(collected)
            if has_begun:
                for source in collected:
                    source.poll(now)
                if now >= span.end and all(source.has_report for source in collected):
                    return None
            if now >= span.deadline:
                return None
            self._sleep(min(self._next_times(collected, span, now, has_begun=has_begun)) - now)

    def _next_times(
        self, collected: Sequence[Collected], span: Span, now: float, *, has_begun: bool
    ) -> Iterator[float]:
        yield now + _LONGEST_WAIT_S
        if not has_begun:
            yield span.measured
            return
        yield span.end if now < span.end else span.deadline
        yield from (source.next_poll() for source in collected)

    def _begin(self, collected: Sequence[Collected]) -> None:
        for source in collected:
            source.reader.begin()
        if self._plan.audit is not None and (skipped := self._plan.audit.skip()):
            self._notes.append(f"{skipped} audit rows of the time before were left out")
        self._watched.mark()

    def _after_death(self, died: str, span: Span) -> Fault:
        """Start it again, and let the rest of the interval pass."""
        self._notes += self._watched.restart(died)
        self._bridge.update(channels={})  # its seq may begin anew
        while (left_s := span.end - self._clock.now()) > 0:
            self._sleep(left_s)
        return Fault("dead", "the rest of the interval was not measured", died)

    def _sleep(self, seconds: float) -> None:
        if self._is_stopped.is_set():
            raise LiveHalt("closed", HALTS["closed"])
        self._clock.sleep(max(0.001, min(seconds, _LONGEST_WAIT_S)))

    # -- parameters down -----------------------------------------------------------------------

    def deliver(self, iteration: int, runtime: Runtime) -> Expected:
        """Deliver once, with a number of its own. Raises LiveHalt."""
        plan, writer = self._plan, self._plan.writer
        values = self._values(runtime)
        present = None
        with suppress(ChannelFault):  # what is there cannot be read; it is replaced
            present = writer.present()
        present_seq = present.seq if present and 0 <= present.seq <= LARGEST_SEQ else 0
        seq = 1 + max(self._bridge.state.seq, present_seq, self._applied)
        # Synced first: a seq that may have been delivered is never used again.
        audit = self._plan.audit
        position = None if audit is None else audit.position
        before = self._bridge.state.delivered
        parameters = plan.profile.parameters
        delivered = {key: parameters[key].inner(value) for key, value in values.items()}
        self._bridge.update(
            seq=seq, delivered=delivered, before=before, destination=writer.place, audit=position
        )
        self._edits = {}
        delivery = Delivery(
            seq=seq,
            iteration=iteration,
            run_id=plan.run_id,
            lane=plan.lane.id,
            interval_s=plan.lane.interval_s,
            state_hash=compute_json_hash(runtime),
            runtime=runtime,
            values=values,
        )
        try:
            self._answer = writer.deliver(delivery)
        except ChannelFault as fault:
            raise LiveHalt(fault.name, _undelivered(fault), [str(fault), *fault.details]) from None
        if plan.notify is not None and iteration:
            self._watched.signal(plan.notify)
        longest_s = 2 * plan.lane.interval_s + plan.section.timing.deadline_s
        return Expected(seq, plan.run_id, self._clock.now(), longest_s)

    def _values(self, runtime: Runtime) -> dict[str, Outer]:
        """Flat: what the runtime has of each parameter."""
        values = {}
        for key, parameter in self._plan.profile.parameters.items():
            node: Any = runtime
            for step in parameter.path:
                node = node[step]
            values[key] = node
        return values

    def edits(self) -> Mapping[str, Outer]:
        """Parameters that an operator changed at the destination, with their values."""
        try:
            present = self._plan.writer.present()
        except ChannelFault:
            present = None
        if present is not None:
            self._edits |= edits_of(present, self._bridge.state, self._plan.profile.parameters)
        return dict(self._edits)

    # -- what came of it -----------------------------------------------------------------------

    def _audit(self) -> CountedAudit | None:
        """The audit events of the span, counted. Raises ChannelFault."""
        audit = self._plan.audit
        if audit is None:
            return None
        gaps = audit.gaps
        counts = count_tally(audit.tally(), self._plan.profile.block_reasons)
        if audit.gaps > gaps:
            self._notes.append(f"{audit.place} was truncated or removed; events may be missing")
        return CountedAudit(counts)

    def _fault_of(self, collected: Sequence[Collected]) -> Fault | None:
        """The first fault of a source without a report, or in a report. Raises LiveHalt."""
        for source in collected:
            if source.has_report:
                if (reported := fault_in(source.reports)) is not None:
                    return Fault("reported", f"{source.reader.place}: {reported}")
                continue
            if (stopped := self._watched.suspended()) is not None:
                return Fault("stopped", f"{source.reader.place}: no report", stopped)
            if source.problem is not None:
                return source.problem
            if not source.reader.exists():
                raise LiveHalt(
                    "never_written", HALTS["never_written"],
                    [f"{source.reader.place} does not exist", *self._watched.log_lines()],
                )  # fmt: skip
            if (silent := self._watched.silent()) is not None:
                return Fault("hung", f"{source.reader.place}: no report", silent)
            return Fault("stale", f"{source.reader.place}: not replaced in time")
        return None

    def _described(
        self, fault: Fault, expected: Expected, collected: Sequence[Collected]
    ) -> list[str]:
        since_s = self._clock.now() - expected.delivered_at
        lines = [
            f"fault {fault.label}: {fault.detail}; delivered {since_s:.1f} s ago as seq "
            f"{expected.seq}"
        ]
        for source in collected:
            newest = source.channel.seq
            seq = "" if newest is None else f", newest seq {newest}"
            lines.append(f"{source.reader.place}: {source.seen} reports read{seq}")
        return [*lines, *self._watched.log_lines()]


def _undelivered(fault: ChannelFault) -> str:
    """The kind of fault and its reason on one line, without a place, which may have a port."""
    reason = fault.text.partition("\n")[0].partition("; the end of its standard error")[0]
    return f"{HALTS.get(fault.name, fault.name)}: it {reason}"
