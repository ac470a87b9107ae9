"""Runs one lane: observe, decide, apply, record, in this order. Imports no pytest."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any, NoReturn

from pytest_soak.lane.core import LaneCore
from pytest_soak.lane.deadline import Calls
from pytest_soak.lane.driver import TargetDriver, TargetFailed, lines_of, restorer
from pytest_soak.lane.files import LaneFiles
from pytest_soak.lane.hooks import Proposer, place_of
from pytest_soak.lane.masked import (
    masked_checks,
    masked_decision,
    masked_observation,
    public_names,
)
from pytest_soak.lane.runtime import carried_out, edited_values
from pytest_soak.lane.watchdog import Watchdog
from pytest_soak.loop.entries import Entry, runtime_of
from pytest_soak.loop.history import Transition
from pytest_soak.loop.model import (
    Decision,
    Halt,
    HaltKind,
    Headroom,
    Iteration,
    Readings,
    Requested,
)
from pytest_soak.loop.state import LaneState, evolved
from pytest_soak.loop.tuner import propose
from pytest_soak.masking import Masker, NoMasker
from pytest_soak.protocol import Lane, Target
from pytest_soak.report.log_lines import event_line, halt_line, log_lines
from pytest_soak.store.errors import StoreError

HISTORY_FOR_HOOKS = 50
"""A user's proposer gets so many iterations: a fixed number, so that no iteration costs more."""

_MOST_EDITS = 10
"""So many edits by an operator lead to a new decision of the same iteration."""


class LaneHalted(Exception):  # noqa: N818 - a state of the lane
    """The lane ends here; the text says why."""

    def __init__(self, halt: Halt, *, in_journal: bool) -> None:
        super().__init__(f"iteration {halt.iteration}: {halt.text}")
        self.halt = halt
        self.in_journal = in_journal
        """False if the journal could not take the halt, as on a full disk."""


class LaneRunner:
    """The only owner of a lane's files and target while the lane runs."""

    def __init__(
        self,
        lane: Lane,
        files: LaneFiles,
        make_target: Callable[[Lane], Target],
        *,
        timeout_s: float | None = None,
        proposer: Proposer | None = None,
        passing: tuple[type[BaseException], ...] = (),
        mask: Masker | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Take over the opened files and complete a decision that a stop interrupted.

        ``timeout_s`` is the deadline of each call of the target; ``watchdog`` ends the process if
        the target never gives the interpreter back. ``passing`` are exceptions that are raised
        unchanged, as Ctrl-C is. Raises StoreError and ValueError for a journal or runtime file that
        cannot be used; the files are closed then.
        """
        self.lane = lane
        session_ends: tuple[type[BaseException], ...] = (KeyboardInterrupt, GeneratorExit, *passing)
        self._passing: tuple[type[BaseException], ...] = (LaneHalted, *session_ends)
        calls = Calls(timeout_s, watchdog, files.stacks)
        self._driver = TargetDriver(lane, make_target, calls, session_ends)
        self._proposer = proposer
        self._files = files
        self.details: tuple[str, ...] = ()
        """What the target said of the newest iteration beside its figures: lines for people."""
        self.fresh_from: int | None = None
        """The iteration at which a resumed lane began with a target without its history."""
        self.run_s: float | None = None
        """Seconds of the newest call of the target's ``run``; None if there was none, as where the
        observation is in the journal already."""
        self._began: float | None = None
        self._stopped = False
        try:
            past = files.past
            self._core = LaneCore(past.state)
            names = public_names(self.state.profile)
            self._mask: Masker = (mask or NoMasker()).sparing(names)
            # A lane that halted in an earlier session tries its iteration again; a lane whose data
            # ended stays ended.
            self.halt = self.state.halt if _is_end_of_data(self.state.halt) else None
            # A decision that is not in force yet is recorded when it is, below.
            decided = [item for item in past.decided if item.number <= self.state.done]
            self._previous = decided[-1] if decided else None
            # Copies: a proposer that changes its history changes nothing else.
            self._shown: deque[Iteration] = deque(maxlen=HISTORY_FOR_HOOKS)
            if proposer is not None:
                self._shown.extend(map(deepcopy, decided[-HISTORY_FOR_HOOKS:]))
            self._complete_intent()
        except BaseException:
            with suppress(StoreError):
                files.release()
            raise

    # -- the steps of one iteration ------------------------------------------------------------

    @property
    def state(self) -> LaneState:
        """The lane as its journal has it."""
        return self._core.state

    @property
    def target(self) -> Target | None:
        """The target, once it was made."""
        return self._driver.target

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """Threads that the target began and that would keep the process alive."""
        return self._driver.threads

    @property
    def previous(self) -> Iteration | None:
        """The iteration before, whose decision is in force now."""
        return self._previous

    def observe(self, number: int) -> Iteration:
        """Run iteration ``number`` of the target, or return its observation from the journal.

        Raises LaneHalted when the target raised, was late, returned no report or has no data left.
        """
        with self._halting(number):
            if self.state.observed is not None and self.state.observed.number == number:
                self.run_s = None
                self._start_target()
                return self.state.observed
            self._began = time.monotonic()
            self._take_edits()
            if self.state.restarted == number:
                self._driver.end()
            self._start_target()
            self._take_edits_at_target()
            called = time.monotonic()
            report = self._driver.run(number, self._runtime(self.state.values))
            self.run_s = time.monotonic() - called
            report = self._logged(report)
            # Synced with the decision: before that, no check and no user has seen the iteration.
            snapshot = self._driver.snapshot() if self._files.can_resume else None
            entry = masked_observation(self._mask, self._core.observe(report, snapshot))
            self._append(entry, sync=False)
        if self.state.observed is None:
            raise AssertionError("an observation left no observed iteration")
        return self.state.observed

    def decide(self, recorded: Mapping[str, Any], failed: Sequence[str]) -> Iteration:
        """Judge, propose, guard, apply and record the observed iteration.

        ``recorded`` are values of the checks by name, ``failed`` the names of failed checks. Raises
        LaneHalted when the decision could not be written.
        """
        number = self.state.done + 1
        with self._halting(number):
            # An operator edits during the interval; the decision starts from the edited values.
            self._take_edits()
            self._take_edits_at_target()
            lines, decided = self._decided(recorded, failed)
            # A user's proposer may take minutes. After an edit it proposes again, as in a resumed
            # session; a limited number of times, so that frequent edits do not stop the lane.
            for _ in range(_MOST_EDITS if self._proposer else 0):
                if not (self._take_edits() or self._take_edits_at_target()):
                    break
                lines, decided = self._decided(recorded, failed)
            self._append(*lines)
            if self.state.intent is not None:
                self._carry_out(self.state.intent)
            self._record(decided)
        return decided

    def _decided(
        self, recorded: Mapping[str, Any], failed: Sequence[str]
    ) -> tuple[list[Entry], Iteration]:
        """The entries of the decision that is due, and the iteration with it."""
        lines: list[Entry] = []
        core = self._core
        if recorded or failed:
            lines.append(masked_checks(self._mask, core.check(recorded, failed)))
            core = core.after(lines[0])
        observed = core.state.observed
        if observed is None:
            raise AssertionError("a decision was due without an observation")
        decision = core.decide(self._propose if self._proposer else None, self._passing)
        if self._proposer is not None:
            decision = masked_decision(self._mask, decision)
        lines.append(decision)
        verdict, reasons = decision.verdict, decision.reasons
        iteration = replace(observed, verdict=verdict, reasons=reasons, decision=decision)
        return lines, iteration

    def stop(self) -> None:
        """End the lane in this process: stop the target and close the files.

        Raises TargetFailed if the target's ``stop()`` failed or was late, StoreError if a file
        could not be closed; if both happened, TargetFailed with both texts.
        """
        if self._stopped:
            return
        self._stopped = True
        failed: TargetFailed | None = None
        try:
            self._driver.stop()
        except TargetFailed as error:
            failed = error
        finally:
            try:
                self._files.close(self.state)
            except StoreError as error:
                if failed is None:
                    raise
                raise TargetFailed(failed.kind, f"{failed}; {error}") from failed.__cause__
        if failed is not None:
            raise failed

    # -- what can go wrong ---------------------------------------------------------------------

    @contextmanager
    def _halting(self, number: int) -> Iterator[None]:
        """An exception inside halts the lane with a reason; it does not only fail this item."""
        try:
            yield
        except self._passing:
            raise
        except TargetFailed as failed:
            notes = getattr(failed.__cause__, "__notes__", ())
            with suppress(StoreError):
                self._log_event("target", "DETAIL", *lines_of(notes, self._mask))
            self._halt(Halt(number, failed.kind, str(failed)), failed.__cause__)
        except BaseException as error:
            text = self._files.without_path(f"{type(error).__name__}: {error}")
            kind: HaltKind = "write" if isinstance(error, StoreError) else "error"
            self._halt(Halt(number, kind, text), error)

    def _halt(self, halt: Halt, cause: BaseException | None) -> NoReturn:
        halt = evolved(halt, text=self._mask(halt.text))
        self.halt = halt
        # A disk that refuses an entry refuses the halt too; the lane ends all the same.
        with suppress(StoreError):
            self._append(self._core.halt(halt))
        in_journal = self.state.halt == halt
        if not in_journal:
            with suppress(StoreError):
                self._files.log(halt_line(self.lane.id, halt))
        raise LaneHalted(halt, in_journal=in_journal) from cause

    # -- the target ----------------------------------------------------------------------------

    def _start_target(self) -> None:
        if self.target is not None:
            return
        behind = self.state.done + (self.state.observed is not None)
        begun = max(self.state.restarted - 1, 0)
        if begun == behind > 0:
            self._log_event("target", "RESTARTED", "")
        elif behind or self.state.halts:
            self._log_event("resume", "RESUMED", "")

        def runtimes() -> list[dict[str, Any]]:
            iterations = self._files.past.history.iterations[begun:behind]
            return [self._runtime(item.values) for item in iterations]

        def fresh() -> None:
            self.fresh_from = behind + 1
            self._log_event("resume", "FRESH_TARGET", f"from_iter={self.fresh_from}")

        self._driver.start(
            self._runtime(self.state.values),
            self.state.scenarios,
            restorer(self.state.target_state, runtimes, fresh)
            if behind > begun
            else _restore_nothing,
        )

    def _logged(self, report: Mapping[str, Any]) -> Mapping[str, Any]:
        """The report without its ``details``, which go to ``run.log`` and to the item."""
        if "details" not in report:
            self.details = ()
            return report
        self.details = lines_of(report["details"], self._mask)
        self._log_event("target", "DETAIL", *self.details)
        return {key: value for key, value in report.items() if key != "details"}

    def _runtime(self, values: Mapping[str, float]) -> dict[str, Any]:
        return runtime_of(self.state.profile, values)

    # -- the runtime file ----------------------------------------------------------------------

    def _take_edits(self) -> bool:
        """Journal an operator's edit of the runtime file; whether there was an edit.

        The file is read every time: its values count, whatever was decided.
        """
        if self._files.holds(self.state.state_hash):
            return False
        self._restore_missing()
        values, state_hash = self._files.read()
        if state_hash == self.state.state_hash:
            return False
        if values != self.state.values:
            self._append(self._core.edit(values))
        if state_hash != self.state.state_hash:
            # The edit changed more than parameters (the read-only copies). The file is written
            # again, so that its hash is that of the journal.
            self._files.write(self.state.values, self.state.state_hash)
            self._log_event("external", "REWRITTEN", "")
        return True

    def _take_edits_at_target(self) -> bool:
        """Journal what an operator changed at the target itself; whether there was a change."""
        edits = self._driver.edits()
        values = {**self.state.values, **edited_values(edits, self.state.profile.parameters)}
        if values == self.state.values:
            return False
        edit = self._core.edit(values)
        self._files.write(values)  # first: after a stop in between, the file shows the edit
        self._append(edit)
        return True

    def _restore_missing(self) -> None:
        """A removed runtime file is written again with the values of the journal."""
        if self._files.restore(self.state.values):
            self._log_event("external", "REWRITTEN", "")

    def _complete_intent(self) -> None:
        """Apply a decision that was journaled before a stop and is not in force yet."""
        intent, observed = self.state.intent, self.state.observed
        if intent is None or observed is None:
            return
        self._carry_out(intent)
        self._record(replace(observed, decision=intent))

    def _carry_out(self, intent: Decision) -> None:
        """Write the decided values to the runtime file; an operator's later edits stay."""
        self._restore_missing()
        values = dict(intent.values)
        if not self._files.holds(intent.old_hash):
            present, _ = self._files.read()
            table = self.state.profile.parameters
            values = carried_out(intent, self.state.values, present, table)
        if values == intent.values:
            self._files.write(values, intent.state_hash)
            # Not synced: if this entry is lost, the file shows that the decision was applied.
            self._append(self._core.done(), sync=False)
        else:
            edit = self._core.edit(values)
            self._files.write(values)  # first: after a stop in between, the file shows the edit
            self._append(edit)

    # -- the record ----------------------------------------------------------------------------

    def _append(self, *lines: Entry, sync: bool = True) -> None:
        """Append to the journal, and to ``run.log`` what these entries brought about."""
        self._files.append(*lines, sync=sync)
        log: list[str] = []
        for entry in lines:
            before, self._core = self.state, self._core.after(entry)
            if self._files.keeps_log:
                log += log_lines(Transition(entry, before, self.state))
        if log:
            self._files.log(*log)  # one write for all

    def _log_event(self, area: str, event: str, *texts: str) -> None:
        """Append events that no entry of the journal has, of the iteration that is due."""
        lane, number = self.lane.id, self.state.next_iteration
        self._files.log(*(event_line(area, event, lane, number, text) for text in texts))

    def _propose(
        self, state: LaneState, readings: Readings, headroom: Mapping[str, Headroom]
    ) -> Requested:
        answer = None
        if self._proposer is not None:
            try:
                answer = self._proposer(state, readings, headroom, tuple(self._shown))
            except self._passing:
                raise
            except Exception as error:  # noted in the decision; the log has the place in the code
                with suppress(StoreError):
                    self._log_event("proposer", "FAILED", place_of(error))
                raise
        return propose(state, readings, headroom) if answer is None else answer

    def _record(self, iteration: Iteration) -> None:
        """Write projections; the lane reads none of them again."""
        self._previous = iteration
        if self._proposer is not None:
            self._shown.append(deepcopy(iteration))
        began = self._began
        self._files.record(iteration, None if began is None else time.monotonic() - began)


def _is_end_of_data(halt: Halt | None) -> bool:
    return halt is not None and halt.kind == "end_of_data"


def _restore_nothing(_: Target) -> None:
    """A lane at its start has nothing to restore."""
