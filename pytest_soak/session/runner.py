"""Runs one lane: observe, decide, apply, record. Knows no pytest, so it can be driven by hand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NoReturn

from pytest_soak.canonical import compute_json_hash, to_json
from pytest_soak.loop import entries
from pytest_soak.loop.decide import decide
from pytest_soak.loop.history import read_history
from pytest_soak.loop.kpis import count_blocks
from pytest_soak.loop.model import Decision, Entry, Halt, Iteration, Readings, Room, Wanted
from pytest_soak.loop.state import LaneState, advance, fold, tuning_state
from pytest_soak.loop.tuner import propose
from pytest_soak.profile.parameters import ParameterError, flatten, nest, tuner_copies
from pytest_soak.protocol import EndOfData, FastForwardTarget, Lane, SnapshotTarget, Target
from pytest_soak.report.summary import iteration_summary
from pytest_soak.session.deadline import DeadlinePassed, call
from pytest_soak.session.scenarios import announce
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal
from pytest_soak.store.lines import LineFile
from pytest_soak.store.reading import holds_canonical, read_json_with_hash
from pytest_soak.store.rundir import LaneDirectory

HISTORY_FOR_HOOKS = 50
"""How many iterations a user's proposer is shown: bounded, so that no iteration costs more."""

Proposer = Callable[[LaneState, Readings, Mapping[str, Room], Sequence[Iteration]], Wanted | None]
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
    ) -> None:
        self.lane = lane
        self.target: Target | None = None
        self._make_target = make_target
        self._timeout_s = timeout_s
        self._proposer = proposer
        self._directory = LaneDirectory(directory)
        self._runtime_path = directory / names.RUNTIME
        self._journal = Journal.open(directory / names.JOURNAL)
        stored = self._journal.entries
        self.state = fold(stored)
        # A lane that halted in an earlier session tries its iteration again; one whose data ended
        # has ended for good.
        self.halt = self.state.halt if _ended(self.state.halt) else None
        history = read_history(stored).iterations
        self._past: deque[Iteration] = deque(
            (item for item in history if item.decision), maxlen=HISTORY_FOR_HOOKS
        )
        self._log = LineFile(directory / names.LOG)
        self._timing = LineFile(directory / names.TIMING)
        self.fresh_from: int | None = None
        """The iteration at which a resumed lane began with a target that knows nothing of it."""
        self._began = 0.0
        self._stopped = False
        self._complete_intent()

    # -- the way of one iteration --------------------------------------------------------------

    def observe(self, number: int) -> Iteration:
        """Let the target run iteration ``number``, or return what it said of it before.

        Raises LaneHalted when the target raised, was late, returned no report or has no data left.
        """
        if self.state.observed is not None and self.state.observed.number == number:
            if self.target is None:
                self._start_target()
            return self.state.observed
        self._began = time.monotonic()
        runtime = self._read_runtime(number)
        if self.target is None:
            self._start_target()
        report = self._run_target(number, runtime)
        # Synced with the decision: until then the iteration is not acknowledged to anybody.
        self._append(self._observation(number, report), sync=False)
        observed = self.state.observed
        if observed is None:
            raise AssertionError("an observation was folded into nothing")
        return observed

    @property
    def previous(self) -> Decision | None:
        """The decision after the iteration before, whose changes are in force now."""
        return self._past[-1].decision if self._past else None

    def decide(self, values: Mapping[str, Any], failed: Sequence[str]) -> Iteration:
        """Judge, propose, guard, apply and record the observed iteration."""
        lines: list[Entry] = []
        state = self.state
        if values or failed:
            lines.append(entries.checks_entry(state.done + 1, to_json(dict(values)), list(failed)))
            state = advance(state, lines[0])
        decision = decide(state, self._propose if self._proposer else None)
        if state.observed is None:
            raise AssertionError("a decision was asked for before an observation")
        observed = replace(
            state.observed, verdict=decision.verdict, reasons=decision.reasons, decision=decision
        )
        lines.append(entries.decision_entry(decision))
        self._append(*lines)
        if decision.changes:
            self._apply(decision)
        self._record(observed)
        return observed

    def stop(self) -> None:
        """End of the lane in this process: the target is told, the files are closed."""
        if self._stopped:
            return
        self._stopped = True
        stop = getattr(self.target, "stop", None)
        try:
            # A target that missed its deadline may still be running; it must not be called.
            if callable(stop) and not (self.halt and self.halt.kind == "timeout"):
                stop()
        finally:
            self._directory.write_json(names.TUNING_STATE, tuning_state(self.state))
            self._journal.close()
            self._log.close()
            self._timing.close()

    # -- the target ----------------------------------------------------------------------------

    def _start_target(self) -> None:
        number = self.state.done + 1
        try:
            target = self._make_target(self.lane)
            if not callable(getattr(target, "run", None)):
                self._halt(
                    number, "contract", f"{_name(target)} has no method run(iteration, runtime)"
                )
            if self.state.scenarios:
                announce(target, self.state.scenarios)
            start = getattr(target, "start", None)
            if callable(start):
                start(self._nested(self.state.values))
            self._restore(target)
        except (LaneHalted, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(number, error, "making the target")
        self.target = target

    def _restore(self, target: Target) -> None:
        """Bring a new target to where a stopped lane left the old one."""
        past = self._journal.entries
        behind = self.state.done + (self.state.observed is not None)
        if behind == 0:
            return
        if isinstance(target, SnapshotTarget) and self.state.target_state is not None:
            target.restore(self.state.target_state)
        elif isinstance(target, FastForwardTarget):
            history = read_history(past).iterations[:behind]
            target.fast_forward([self._nested(item.values) for item in history])
        else:
            self.fresh_from = behind + 1
            self._log.write(f"| resume | FRESH_TARGET | iteration={self.fresh_from} |")

    def _run_target(self, number: int, runtime: Mapping[str, Any]) -> Mapping[str, Any]:
        target = self.target
        if target is None:
            raise AssertionError("the target was not started")
        try:
            report = call(lambda: target.run(number, runtime), self._timeout_s)
        except EndOfData as end:
            self._halt(number, "end_of_data", str(end) or "the target has no data left")
        except DeadlinePassed:
            self._halt(number, "timeout", f"the target did not return within {self._timeout_s:g} s")
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            self._fail(number, error, "the target raised")
        if not isinstance(report, Mapping):
            self._halt(
                number,
                "contract",
                f"the target returned {_name(report)}, not a report (a mapping with 'totals')",
            )
        if not isinstance(report.get("totals"), Mapping):
            self._halt(
                number,
                "contract",
                f"the report's 'totals' is {_name(report.get('totals'))}, not a mapping",
            )
        return report

    def _observation(self, number: int, report: Mapping[str, Any]) -> Entry:
        plain = dict(report)
        audit = plain.pop("audit", None)
        counts = count_blocks(audit) if isinstance(audit, (list, tuple)) else None
        snapshot = getattr(self.target, "snapshot", None)
        try:
            state = to_json(snapshot()) if callable(snapshot) else None
        except Exception as error:
            self._fail(number, error, "snapshot() raised")
        return entries.observation_entry(number, to_json(plain), counts, state)

    def _fail(self, number: int, error: BaseException, doing: str) -> NoReturn:
        text = to_json(f"{doing}: {type(error).__name__}: {error}")
        self.halt = Halt(number, "error", str(text))
        self._append(entries.halt_entry(self.halt))
        raise LaneHalted(self.halt) from error

    def _halt(
        self, number: int, kind: Literal["timeout", "contract", "end_of_data", "write"], text: str
    ) -> NoReturn:
        self.halt = Halt(number, kind, text)
        self._append(entries.halt_entry(self.halt))
        raise LaneHalted(self.halt)

    # -- the runtime file ----------------------------------------------------------------------

    def _nested(self, values: Mapping[str, float]) -> dict[str, Any]:
        profile = self.state.profile
        return nest(values, profile.parameters, tuner_copies(profile))

    def _read_runtime(self, number: int) -> Mapping[str, Any]:
        """What the next iteration runs with is what the file says, read back each time."""
        try:
            if not holds_canonical(self._runtime_path, self.state.state_hash):
                runtime, state_hash = read_json_with_hash(self._runtime_path)
                if state_hash != self.state.state_hash:
                    self._take_external_edit(runtime)
        except (StoreError, ValueError) as error:
            self._halt(number, "write", f"the runtime file cannot be used: {error}")
        return self._nested(self.state.values)

    def _take_external_edit(self, runtime: Any) -> None:
        if not isinstance(runtime, Mapping):
            raise ParameterError(f"{names.RUNTIME}: a JSON object is expected")
        values = flatten(runtime, self.state.profile.parameters)
        self._append(entries.external_entry(self.state, values))
        if compute_json_hash(runtime) != self.state.state_hash:
            # The edit left something out that is not a parameter (the read-only copies): the file
            # is made whole, so that its hash is the journal's again.
            atomic_write_json(self._runtime_path, self._nested(self.state.values))
        self._log.write(f"| external | EDIT | iteration={self.state.done + 1} |")

    def _complete_intent(self) -> None:
        """A stop between the journal's intent and its done: finish what was decided."""
        intent = self.state.intent
        if intent is None:
            return
        runtime, found = read_json_with_hash(self._runtime_path)
        if found in (intent.old_hash, intent.state_hash):
            self._apply(intent)
        else:
            self._take_external_edit(runtime)

    def _apply(self, decision: Decision) -> None:
        number = decision.iteration
        try:
            state_hash, _ = atomic_write_json(self._runtime_path, self._nested(decision.values))
        except StoreError as error:
            self._halt(number, "write", f"the runtime file was not written: {error}")
        if state_hash != decision.state_hash:
            self._halt(
                number,
                "write",
                f"the runtime file has the hash {state_hash[:12]}, decided was "
                f"{decision.state_hash[:12]}",
            )
        # Not synced: a decision whose done is lost is found in the file, and done again.
        self._append(entries.done_entry(decision), sync=False)

    # -- the record ----------------------------------------------------------------------------

    def _append(self, *lines: Entry, sync: bool = True) -> None:
        self._journal.append(*lines, sync=sync)
        for line in lines:
            self.state = advance(self.state, line)

    def _propose(self, state: LaneState, readings: Readings, room: Mapping[str, Room]) -> Wanted:
        asked = self._proposer(state, readings, room, tuple(self._past)) if self._proposer else None
        return propose(state, readings, room) if asked is None else asked

    def _record(self, iteration: Iteration) -> None:
        """Projections and logs: nothing here is read again by the lane."""
        self._past.append(iteration)
        wall = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._directory.write_json(
            names.iteration_summary(iteration.number), iteration_summary(iteration, wall)
        )
        self._timing.write_json(
            {
                "iteration": iteration.number,
                "utc": wall,
                "seconds": round(time.monotonic() - self._began, 6) if self._began else None,
            }
        )
        if iteration.decision:
            for line in iteration.decision.wanted.log:
                self._log.write(line)


def _ended(halt: Halt | None) -> bool:
    return halt is not None and halt.kind == "end_of_data"


def _name(value: object) -> str:
    return "None" if value is None else f"something of type {type(value).__name__}"
