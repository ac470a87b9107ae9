"""Runs one lane: observe, decide, apply, record. Knows no pytest, so it can be driven by hand."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from pytest_soak.canonical import scrubbed, to_json
from pytest_soak.loop import entries
from pytest_soak.loop.blocks import count_audit
from pytest_soak.loop.decide import decide
from pytest_soak.loop.fold import advance, fold
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import (
    Decision,
    Entry,
    Halt,
    HaltKind,
    Headroom,
    Iteration,
    Readings,
    Requested,
)
from pytest_soak.loop.state import LaneState, tuning_state
from pytest_soak.loop.tuner import propose
from pytest_soak.protocol import Lane, Target
from pytest_soak.report.summary import iteration_summary
from pytest_soak.session.driver import TargetDriver, TargetFailed, restorer
from pytest_soak.session.outcomes import place_of
from pytest_soak.session.runtime import RuntimeFile, carried_out
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal
from pytest_soak.store.lines import LineFile
from pytest_soak.store.rundir import LaneDirectory

HISTORY_FOR_HOOKS = 50
"""How many iterations a user's proposer is shown: bounded, so that no iteration costs more."""

_MOST_EDITS = 10
"""Edits by hand that one decision is taken anew for."""

Proposer = Callable[
    [LaneState, Readings, Mapping[str, Headroom], Sequence[Iteration]], Requested | None
]
"""A user's proposer; None leaves the matter to the profile's rules."""


class LaneHalted(Exception):  # noqa: N818 - a state of the lane, told to pytest
    """The lane ends here; the text says why."""

    def __init__(self, halt: Halt) -> None:
        super().__init__(f"iteration {halt.iteration}: {halt.text}")
        self.halt = halt


class LaneRunner:
    """The one owner of a lane's journal, runtime file and target while the lane runs."""

    def __init__(
        self,
        lane: Lane,
        directory: Path,
        make_target: Callable[[Lane], Target],
        *,
        timeout_s: float | None = None,
        proposer: Proposer | None = None,
        passing: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Open the lane's journal and finish what a stop left half done.

        ``passing`` are exceptions that go through untouched, beside Ctrl-C. Raises StoreError and
        ValueError for a journal or runtime file that cannot be used.
        """
        self.lane = lane
        meant: tuple[type[BaseException], ...] = (KeyboardInterrupt, GeneratorExit, *passing)
        self._passing: tuple[type[BaseException], ...] = (LaneHalted, *meant)
        self._driver = TargetDriver(lane, make_target, timeout_s, meant)
        self._proposer = proposer
        self._directory = LaneDirectory(directory)
        self.fresh_from: int | None = None
        """The iteration at which a resumed lane began with a target that knows nothing of it."""
        self._began = 0.0
        self._stopped = False
        self._journal = Journal.open(directory / names.JOURNAL)
        try:
            stored = self._journal.entries
            self.state = fold(stored)
            self._runtime = RuntimeFile(directory / names.RUNTIME, self.state.profile)
            # A lane that halted in an earlier session tries its iteration again; one whose data
            # ended has ended for good.
            self.halt = self.state.halt if _ended(self.state.halt) else None
            history = read_history(stored).iterations
            # One that still waits for its file is recorded when it has it, below.
            decided = [item for item in history if item.number <= self.state.done]
            self._previous = decided[-1] if decided else None
            # Copies, so that a proposer that changes what it is shown changes nothing else.
            self._shown: deque[Iteration] = deque(maxlen=HISTORY_FOR_HOOKS)
            if proposer is not None:
                self._shown.extend(map(deepcopy, decided[-HISTORY_FOR_HOOKS:]))
            self._log = LineFile(directory / names.LOG)
            self._timing = LineFile(directory / names.TIMING)
            self._complete_intent()
        except BaseException:
            self._journal.close()
            raise

    # -- the way of one iteration --------------------------------------------------------------

    @property
    def target(self) -> Target | None:
        """The target, once it was made."""
        return self._driver.target

    @property
    def previous(self) -> Iteration | None:
        """The iteration before, whose decision is in force now."""
        return self._previous

    def observe(self, number: int) -> Iteration:
        """Let the target run iteration ``number``, or return what it said of it before.

        Raises LaneHalted when the target raised, was late, returned no report or has no data left.
        """
        with self._halting(number):
            if self.state.observed is not None and self.state.observed.number == number:
                self._start_target()
                return self.state.observed
            self._began = time.monotonic()
            self._take_edits()
            self._start_target()
            report = self._driver.run(number, self._runtime.nested(self.state.values))
            # Synced with the decision: until then the iteration is not acknowledged to anybody.
            self._append(self._observation(number, report), sync=False)
        if self.state.observed is None:
            raise AssertionError("an observation was folded into nothing")
        return self.state.observed

    def decide(self, values: Mapping[str, Any], failed: Sequence[str]) -> Iteration:
        """Judge, propose, guard, apply and record the observed iteration.

        Raises LaneHalted when what was decided could not be written.
        """
        number = self.state.done + 1
        with self._halting(number):
            # The interval is when an operator edits; the decision starts from what is there now.
            self._take_edits()
            lines, decided = self._decided(number, values, failed)
            # A user's proposer may think for minutes. It is asked again, as a resumed session would
            # do; but not for ever, whoever edits so often.
            for _ in range(_MOST_EDITS if self._proposer else 0):
                if not self._take_edits():
                    break
                lines, decided = self._decided(number, values, failed)
            self._append(*lines)
            if self.state.intent is not None:
                self._carry_out(self.state.intent)
            self._record(decided)
        return decided

    def _decided(
        self, number: int, values: Mapping[str, Any], failed: Sequence[str]
    ) -> tuple[list[Entry], Iteration]:
        """What is to be journaled of the decision that is due, and the iteration with it."""
        lines: list[Entry] = []
        state = self.state
        if values or failed:
            lines.append(entries.checks_entry(number, to_json(dict(values)), list(failed)))
            state = advance(state, lines[0])
        decision = decide(state, self._propose if self._proposer else None, self._passing)
        if state.observed is None:
            raise AssertionError("a decision was taken without an observation")
        lines.append(entries.decision_entry(decision))
        verdict, reasons = decision.verdict, decision.reasons
        return lines, replace(state.observed, verdict=verdict, reasons=reasons, decision=decision)

    def stop(self) -> None:
        """End of the lane in this process: the target is told, the files are closed.

        Raises TargetFailed when the target's ``stop()`` did.
        """
        if self._stopped:
            return
        self._stopped = True
        try:
            self._driver.stop()
        finally:
            self._journal.close()
            self._log.close()
            self._timing.close()
            self._directory.write_json(names.TUNING_STATE, tuning_state(self.state))

    # -- what can go wrong ---------------------------------------------------------------------

    @contextmanager
    def _halting(self, number: int) -> Iterator[None]:
        """Whatever happens inside ends the lane with a reason, not only this item."""
        try:
            yield
        except self._passing:
            raise
        except TargetFailed as failed:
            self._halt(Halt(number, failed.kind, str(failed)), failed.__cause__)
        except BaseException as error:
            # The journal holds no path, so that a lane is the same wherever it runs.
            text = f"{type(error).__name__}: {error}".replace(f"{self._directory.path}{os.sep}", "")
            text = scrubbed(text)
            kind: HaltKind = "write" if isinstance(error, StoreError) else "error"
            self._halt(Halt(number, kind, text), error)

    def _halt(self, halt: Halt, cause: BaseException | None) -> NoReturn:
        self.halt = halt
        # A disk that takes no entry takes no halt either; the lane ends all the same.
        with suppress(StoreError):
            self._append(entries.halt_entry(halt))
        raise LaneHalted(halt) from cause

    # -- the target ----------------------------------------------------------------------------

    def _start_target(self) -> None:
        if self.target is not None:
            return
        behind = self.state.done + (self.state.observed is not None)

        def runtimes() -> list[dict[str, Any]]:
            history = read_history(self._journal.entries).iterations[:behind]
            return [self._runtime.nested(item.values) for item in history]

        def fresh() -> None:
            self.fresh_from = behind + 1
            self._log.write(f"| resume | FRESH_TARGET | iteration={self.fresh_from} |")

        self._driver.start(
            self._runtime.nested(self.state.values),
            self.state.scenarios,
            restorer(self.state.target_state, runtimes, fresh) if behind else _nothing,
        )

    def _observation(self, number: int, report: Mapping[str, Any]) -> Entry:
        plain = dict(report)
        audit = plain.pop("audit", None)
        counted = count_audit(audit, self.state.profile.block_reasons)
        return entries.observation_entry(number, to_json(plain), counted, self._driver.snapshot())

    # -- the runtime file ----------------------------------------------------------------------

    def _take_edits(self) -> bool:
        """What counts is what the file says, read back each time; an edit is journaled.

        Whether there was one.
        """
        self._restore_missing()
        if self._runtime.holds(self.state.state_hash):
            return False
        values, state_hash = self._runtime.read()
        if state_hash == self.state.state_hash:
            return False
        if values != self.state.values:
            self._append_edit(entries.external_entry(self.state, values))
        if state_hash != self.state.state_hash:
            # What is no parameter was edited (the read-only copies): the file is made whole, so
            # that its hash is the journal's again.
            self._runtime.write(self.state.values)
            self._log_made_whole()
        return True

    def _restore_missing(self) -> None:
        """Who removes the file wants what was decided: it is written as the journal has it."""
        if self._runtime.restore(self.state.values):
            self._log_made_whole()

    def _log_made_whole(self) -> None:
        self._log.write(f"| external | MADE_WHOLE | iteration={self.state.done + 1} |")

    def _append_edit(self, edit: Entry) -> None:
        self._append(edit)
        keys = ",".join(edit["keys"])
        self._log.write(f"| external | EDIT | iteration={self.state.done + 1} keys={keys} |")

    def _complete_intent(self) -> None:
        """A stop between the journal's intent and its done: finish what was decided."""
        intent, observed = self.state.intent, self.state.observed
        if intent is None or observed is None:
            return
        self._carry_out(intent)
        self._record(replace(observed, decision=intent))

    def _carry_out(self, intent: Decision) -> None:
        """What was decided comes into force; what an operator edited since stays."""
        self._restore_missing()
        values = dict(intent.values)
        if not self._runtime.holds(intent.old_hash):
            found, _ = self._runtime.read()
            values = carried_out(intent, self.state.values, found)
        if values == intent.values:
            self._runtime.write(values, intent.state_hash)
            # Not synced: a decision whose done is lost is found in the file, and done again.
            self._append(entries.done_entry(intent), sync=False)
        else:
            edit = entries.external_entry(self.state, values)
            self._runtime.write(values)  # first, so that a stop in between finds the edit again
            self._append_edit(edit)

    # -- the record ----------------------------------------------------------------------------

    def _append(self, *lines: Entry, sync: bool = True) -> None:
        self._journal.append(*lines, sync=sync)
        for line in lines:
            self.state = advance(self.state, line)

    def _propose(
        self, state: LaneState, readings: Readings, headroom: Mapping[str, Headroom]
    ) -> Requested:
        asked = None
        if self._proposer is not None:
            try:
                asked = self._proposer(state, readings, headroom, tuple(self._shown))
            except self._passing:
                raise
            except Exception as error:  # the decision notes it; where it was is for the log
                with suppress(StoreError):
                    self._log.write(f"| proposer | FAILED | {place_of(error)} |")
                raise
        return propose(state, readings, headroom) if asked is None else asked

    def _record(self, iteration: Iteration) -> None:
        """Projections and logs: nothing here is read again by the lane."""
        self._previous = iteration
        if self._proposer is not None:
            self._shown.append(deepcopy(iteration))
        wall = datetime.now(UTC).isoformat(timespec="milliseconds")
        name = names.iteration_summary(iteration.number)
        try:
            self._directory.write_json(name, iteration_summary(iteration, wall))
        except StoreError as error:
            # The end of the run writes it from the journal, or names it; the lane goes on.
            self._log.write(f"| artifact | FAILED | iteration={iteration.number} {error} |")
        self._timing.write_json(
            {
                "iteration": iteration.number,
                "utc": wall,
                "seconds": round(time.monotonic() - self._began, 6) if self._began else None,
            }
        )
        if iteration.decision:
            for line in iteration.decision.requested.log:
                self._log.write(line)


def _ended(halt: Halt | None) -> bool:
    return halt is not None and halt.kind == "end_of_data"


def _nothing(_: Target) -> None:
    """There is nothing to restore at the start of a lane."""
