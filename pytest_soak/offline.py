"""Judges stored runs for the offline commands: by their seal, or by the journals alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_soak.gate.judge import LaneJudgement, RunJudgement, exit_code, judge_run
from pytest_soak.loop.history import Watch
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
    with_halt,
)
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import Holder
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.store.stacks import has_stacks
from pytest_soak.stored import StoredLane, read_lane, read_lanes

RUNNING_EXIT = 3
UNSEALED_EXIT = 2
_HUNG = f"; its process hung and was ended, {names.STACKS} has its stacks"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an offline command that change the judgement."""

    unsealed: bool = False
    strict: bool = False
    mock: bool | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The judgement of a stored run."""

    judgement: RunJudgement
    strict: bool
    exit: int
    what_if: tuple[str, ...] = ()
    """The options that differ from those of the session."""
    sealed: RunJudgement | None = None
    """The judgement of the session; None if the seal was not used."""
    sealed_exit: int | None = None

    def lines(self) -> list[str]:
        """The gate's table and verdict; after a what-if, the sealed verdict follows."""
        *table, last = final_table(self.judgement)
        if self.sealed is None:
            note = "unsealed: from the journals alone, without the session's reference and hooks"
            return [note, *table, _labelled(last, "unsealed")]
        if not self.what_if:
            return [*table, last]
        sealed = f"sealed by the session: {self.sealed.verdict}, exit {self.sealed_exit}"
        return [*table, _labelled(last, f"what-if: {', '.join(self.what_if)}"), sealed]

    def fields(self) -> dict[str, Any]:
        """The JSON fields beside those of the gate."""
        if self.sealed is None:
            return {"sealed": False}
        if not self.what_if:
            return {}
        sealed = {"verdict": str(self.sealed.verdict), "exit_code": self.sealed_exit}
        return {"what_if": list(self.what_if), "sealed": sealed}


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run that no session works on any more."""

    directory: RunDirectory
    lanes: tuple[StoredLane, ...]

    @property
    def histories(self) -> tuple[History, ...]:
        return tuple(lane.history for lane in self.lanes)

    def answer(self, options: Options) -> Answer:
        """Judge the run. Raises SealError if the seal is required and cannot be used."""
        if options.unsealed:
            return self.without_seal(options)
        seal = read_seal(self.directory)
        sealed = check_seal(self.directory, self.lanes, seal)
        sealed_exit = exit_code(sealed, strict=seal.inputs.strict)
        inputs, what_if = _inputs_for(seal.inputs, options, self.lanes)
        if not what_if:
            return Answer(sealed, inputs.strict, sealed_exit, (), sealed, sealed_exit)
        judgement = judge_stored(self.lanes, inputs)
        code = exit_code(judgement, strict=inputs.strict)
        return Answer(judgement, inputs.strict, code, what_if, sealed, sealed_exit)

    def without_seal(self, options: Options) -> Answer:
        """Judge the run by its journals alone, without its seal."""
        own = Inputs(strict=self.directory.about.get("strict") is True)
        inputs, _ = _inputs_for(own, options, self.lanes)
        judgement = judge_stored(self.lanes, inputs)
        return Answer(judgement, inputs.strict, exit_code(judgement, strict=inputs.strict))

    def states(self) -> tuple[State, ...]:
        """The state of each lane. Its journal does not say that its process died."""
        try:
            inputs = read_seal(self.directory).inputs.lanes
        except StoreError:
            inputs = {}
        return tuple(self._state(lane, inputs.get(lane.id, LaneInputs())) for lane in self.lanes)

    def _state(self, lane: StoredLane, inputs: LaneInputs) -> State:
        lost = bool(inputs.lost) or self._has_stacks(lane)
        return state_of(with_halt(lane, inputs.halt).history, lost=lost)

    def _has_stacks(self, lane: StoredLane) -> bool:
        return has_stacks(self.directory.lane_directory(lane.id).path)

    def state_fields(self) -> dict[str, Any]:
        return {"state": str(run_state(self.states()))}

    def state_lines(self) -> list[str]:
        return [
            state_line(lane, state) + (_HUNG if self._has_stacks(lane) else "")
            for lane, state in zip(self.lanes, self.states(), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class RunningRun:
    """A run that a live session works on; its figures are information, no verdict."""

    directory: RunDirectory
    holder: Holder
    lanes: tuple[StoredLane, ...]
    """The lanes whose journals can be read now."""

    @property
    def histories(self) -> tuple[History, ...]:
        return tuple(lane.history for lane in self.lanes)

    def headline(self) -> str:
        """``RUNNING: iteration 5 of 24, since …``, of the first unfinished lane."""
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
        """The states, the figures so far, and the verdict that the gate would give now."""
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
        """The judgement of the iterations so far, without references and hooks.

        A running run is never complete, so the criterion of completeness is left out.
        """
        strict = self.directory.about.get("strict") is True
        lanes = judge_stored(self.lanes, Inputs(strict=strict)).lanes
        return judge_run([_without_completeness(lane) for lane in lanes])

    def document(self) -> dict[str, Any]:
        """The state, the figures so far and the judgement as JSON."""
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


def read_run(path: str, watching: Callable[[str], Watch] | None = None) -> StoredRun | RunningRun:
    """The run at ``path``. ``watching`` gives the watch of the transitions of a lane.

    Raises StoreError; for an ended run also if a journal is bad.
    """
    directory = RunDirectory.open(Path(path))
    ids = [str(record["id"]) for record in directory.lanes]
    watches = {} if watching is None else {lane_id: watching(lane_id) for lane_id in ids}
    holder = holder_of(directory)
    if holder is None:
        return StoredRun(directory, read_lanes(directory, watches))
    lanes = []
    for lane_id in ids:
        try:
            lanes.append(read_lane(directory, lane_id, watch=watches.get(lane_id)))
        except StoreError:
            continue  # the lane has not begun
    return RunningRun(directory, holder, tuple(lanes))


def unjudged(run: StoredRun) -> list[str]:
    """State and figures of a run that was stopped before it was judged, as text."""
    *table, _ = final_table(run.without_seal(Options()).judgement)
    state = run.state_fields()["state"]
    return [f"state: {state}, not judged; the figures so far:", *run.state_lines(), *table]


def unjudged_document(run: StoredRun, error: NotSealed) -> dict[str, Any]:
    """State and figures of a run that was stopped before it was judged, as JSON."""
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


def _inputs_for(
    own: Inputs, options: Options, lanes: Sequence[StoredLane]
) -> tuple[Inputs, tuple[str, ...]]:
    """The inputs with the options applied, and the options that change them."""
    inputs, changed = own, []
    if options.strict and not own.strict:
        inputs = replace(inputs, strict=True)
        changed.append("--strict")
    mocks = {lane.history.mock if own.mock is None else own.mock for lane in lanes}
    if options.mock and False in mocks:
        inputs = replace(inputs, mock=True)
        changed.append("--mock")
    if options.reference:
        inputs = replace(inputs, lanes=_with_reference(inputs.lanes, options.reference, lanes))
        changed.append("--reference")
    return inputs, tuple(changed)


def _with_reference(
    own: Mapping[str, LaneInputs], path: str, lanes: Sequence[StoredLane]
) -> dict[str, LaneInputs]:
    references = read_references(Path(path))
    judged_by = dict(own)
    for stored in lanes:
        lane = stored.history.lane
        reference = reference_for(lane, stored.history.profile, stored.history.target, references)
        judged_by[lane.id] = replace(own.get(lane.id, LaneInputs()), reference=reference)
    return judged_by
