"""A stored run as the offline commands judge it: by its seal, or by its journals alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_soak.gate.judge import LaneJudgement, RunJudgement, exit_code, judge_run
from pytest_soak.loop.model import History, worst_of
from pytest_soak.references import read_references, reference_for
from pytest_soak.report.layout import WIDTH, cut
from pytest_soak.report.snapshot import gate_object
from pytest_soak.report.table import final_table
from pytest_soak.run_state import State, holder_of, measured_of, run_state, state_line, state_of
from pytest_soak.sealed import (
    Inputs,
    LaneInputs,
    NotSealed,
    check_seal,
    judge_stored,
    read_seal,
)
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import Holder
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import StoredLane, read_lane, read_lanes

RUNNING_EXIT = 3
UNSEALED_EXIT = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for on the command line, beside the run."""

    unsealed: bool = False
    strict: bool = False
    mock: bool | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A run as it is judged now."""

    judgement: RunJudgement
    strict: bool
    exit: int
    what_if: tuple[str, ...] = ()
    """The options that the session did not have."""
    sealed: RunJudgement | None = None
    """What the session said; None where its seal was not asked for."""
    sealed_exit: int | None = None

    def lines(self) -> list[str]:
        """The gate's table, with the verdict as the last line but for what was sealed."""
        *table, last = final_table(self.judgement)
        if self.sealed is None:
            note = "unsealed: from the journals alone, without the session's reference and hooks"
            return [note, *table, _labelled(last, "unsealed")]
        if not self.what_if:
            return [*table, last]
        sealed = f"sealed by the session: {self.sealed.verdict}, exit {self.sealed_exit}"
        return [*table, _labelled(last, f"what-if: {', '.join(self.what_if)}"), sealed]

    def fields(self) -> dict[str, Any]:
        """What JSON says beside the gate."""
        if self.sealed is None:
            return {"sealed": False}
        if not self.what_if:
            return {}
        sealed = {"verdict": str(self.sealed.verdict), "exit_code": self.sealed_exit}
        return {"what_if": list(self.what_if), "sealed": sealed}


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run that is over, read back."""

    directory: RunDirectory
    lanes: tuple[StoredLane, ...]

    @property
    def histories(self) -> tuple[History, ...]:
        return tuple(lane.history for lane in self.lanes)

    def answer(self, options: Options) -> Answer:
        """Judge it. Raises SealError where the seal is asked for and cannot be used."""
        if options.unsealed:
            return self.without_seal(options)
        seal = read_seal(self.directory)
        sealed = check_seal(self.directory, self.lanes, seal)
        sealed_exit = exit_code(sealed, seal.inputs.strict)
        inputs, what_if = _asked(seal.inputs, options, self.lanes)
        if not what_if:
            return Answer(sealed, inputs.strict, sealed_exit, (), sealed, sealed_exit)
        judgement = judge_stored(self.lanes, inputs)
        code = exit_code(judgement, inputs.strict)
        return Answer(judgement, inputs.strict, code, what_if, sealed, sealed_exit)

    def without_seal(self, options: Options) -> Answer:
        """Judge it by its journals alone, whatever its seal says."""
        own = Inputs(strict=self.directory.about.get("strict") is True)
        inputs, _ = _asked(own, options, self.lanes)
        judgement = judge_stored(self.lanes, inputs)
        return Answer(judgement, inputs.strict, exit_code(judgement, inputs.strict))

    def states(self) -> tuple[State, ...]:
        """Of each lane. That a worker died is known from the seal alone."""
        try:
            inputs = read_seal(self.directory).inputs
        except StoreError:
            inputs = Inputs()
        return tuple(
            state_of(lane.history, lost=bool(inputs.lanes.get(lane.id, LaneInputs()).lost))
            for lane in self.lanes
        )

    def state_fields(self) -> dict[str, Any]:
        return {"state": str(run_state(self.states()))}

    def state_lines(self) -> list[str]:
        return [
            state_line(lane, state) for lane, state in zip(self.lanes, self.states(), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class RunningRun:
    """A run that a live session works on: what is said of it is information, no verdict."""

    directory: RunDirectory
    holder: Holder
    lanes: tuple[StoredLane, ...]
    """Those whose journals can be read now."""

    @property
    def histories(self) -> tuple[History, ...]:
        return tuple(lane.history for lane in self.lanes)

    def headline(self) -> str:
        """``RUNNING: iteration 5 of 24, since …``; of the first lane that is not over."""
        since = f"since {self.holder.since} (process {self.holder.pid} on {self.holder.host})"
        open_lanes = [
            lane.history
            for lane in sorted(self.lanes, key=lambda lane: _state(lane) is not State.RUNNING)
            if _state(lane) in (State.RUNNING, State.PLANNED, State.HALTED)
        ]
        if not open_lanes:
            where = "its iterations are over, its gate is due" if self.lanes else "it begins"
            return f"RUNNING: {where}, {since}"
        history = open_lanes[0]
        number = measured_of(history) + 1
        lane = f"lane {history.lane.id}, " if len(self.directory.lanes) > 1 else ""
        return f"RUNNING: {lane}iteration {number} of {history.lane.iterations}, {since}"

    def lines(self) -> list[str]:
        """State, figures so far, and what the gate would say now."""
        states = [state_line(lane, _state(lane)) for lane in self.lanes]
        if not self.lanes:
            return [self.headline()]
        *table, last = final_table(self.judged())
        prefix = "the gate would say now, as information: "
        would = cut(last.removeprefix("gate: "), WIDTH - len(prefix))
        return [
            *(self.headline(), *states, *table),
            f"{prefix}{would}",
        ]

    def judged(self) -> RunJudgement:
        """As the gate would judge what there is, without references and hooks.

        That a run which goes on is not complete is no news, so completeness is left out.
        """
        strict = self.directory.about.get("strict") is True
        lanes = judge_stored(self.lanes, Inputs(strict=strict)).lanes
        return judge_run([_without_completeness(lane) for lane in lanes])

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "state": str(State.RUNNING),
            "since": self.holder.since,
            "pid": self.holder.pid,
            "lanes": [
                {
                    "lane": lane.id,
                    "state": str(_state(lane)),
                    "measured": measured_of(lane.history),
                    "planned": lane.history.lane.iterations,
                }
                for lane in self.lanes
            ],
            "information": gate_object(self.judged()),
        }


def read_run(path: str) -> StoredRun | RunningRun:
    """The run at ``path``. Raises StoreError, for a run that is over also for its journals."""
    directory = RunDirectory.open(Path(path))
    holder = holder_of(directory)
    if holder is None:
        return StoredRun(directory, read_lanes(directory))
    lanes = []
    for record in directory.lanes:
        try:
            lanes.append(read_lane(directory, str(record["id"])))
        except StoreError:
            continue  # it has not begun
    return RunningRun(directory, holder, tuple(lanes))


def unjudged(run: StoredRun) -> list[str]:
    """What is known of a run that was stopped before it was judged: state and figures."""
    *table, _ = final_table(run.without_seal(Options()).judgement)
    state = run.state_fields()["state"]
    return [f"state: {state}, not judged; the figures so far:", *run.state_lines(), *table]


def unjudged_document(run: StoredRun, error: NotSealed) -> dict[str, Any]:
    """The same as JSON."""
    information = gate_object(run.without_seal(Options()).judgement)
    return {
        **run.state_fields(),
        "sealed": False,
        "problem": str(error),
        "lanes": run.state_lines(),
        "information": information,
    }


def _without_completeness(lane: LaneJudgement) -> LaneJudgement:
    criteria = tuple(item for item in lane.criteria if item.name != "completeness")
    verdict = worst_of([item.verdict for item in criteria if item.binding])
    return replace(lane, criteria=criteria, verdict=verdict)


def _state(lane: StoredLane) -> State:
    return state_of(lane.history, live=True)


def _labelled(last: str, label: str) -> str:
    end = f" ({label})"
    return cut(last, WIDTH - len(end)) + end


def _asked(
    own: Inputs, options: Options, lanes: Sequence[StoredLane]
) -> tuple[Inputs, tuple[str, ...]]:
    """The inputs with what is asked for in their place, and the options that change them."""
    inputs, changed = own, []
    if options.strict and not own.strict:
        inputs = replace(inputs, strict=True)
        changed.append("--strict")
    mocks = {lane.history.mock if own.mock is None else own.mock for lane in lanes}
    if options.mock and False in mocks:
        inputs = replace(inputs, mock=True)
        changed.append("--mock")
    if options.reference:
        inputs = replace(inputs, lanes=_referred(inputs.lanes, options.reference, lanes))
        changed.append("--reference")
    return inputs, tuple(changed)


def _referred(
    own: Mapping[str, LaneInputs], path: str, lanes: Sequence[StoredLane]
) -> dict[str, LaneInputs]:
    references = read_references(Path(path))
    judged_by = dict(own)
    for stored in lanes:
        lane = stored.history.lane
        reference = reference_for(lane, stored.history.profile, stored.history.target, references)
        judged_by[lane.id] = replace(own.get(lane.id, LaneInputs()), reference=reference)
    return judged_by
