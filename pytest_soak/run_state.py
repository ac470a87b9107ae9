"""The state of a stored run and of each lane, and the session that works on it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.entries import Record
from pytest_soak.loop.model import History
from pytest_soak.store import names
from pytest_soak.store.lock import Holder, live_holder
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import StoredLane


class State(StrEnum):
    """The state of a lane. A run has the first of these states that one of its lanes has."""

    RUNNING = "running"
    """A live session works on it."""
    LOST = "lost"
    """Its worker died."""
    HALTED = "halted"
    """The target, a deadline or a disk error ended it."""
    INTERRUPTED = "interrupted"
    """Its session ended before it did."""
    PLANNED = "planned"
    """It has no iteration yet."""
    ENDED = "ended"
    """The data ran out."""
    DONE = "done"
    """Every planned iteration was measured."""


def holder_of(run: RunDirectory) -> Holder | None:
    """The session that works on ``run`` now, in any process; None if there is none."""
    if run.path.name != names.LATEST:
        return None
    holder = live_holder(run.path.parent)
    # Before a session begins its own run, it holds the directory of the earlier run.
    return holder if holder is not None and holder.run_id == run.run_id else None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a lane is."""

    measured: int
    planned: int
    begun: bool
    """It has an iteration."""
    halt: str | None
    """The kind of its halt, as in ``Halt.kind``; None if it did not halt."""


def progress_of(history: History) -> Progress:
    """How far a lane is that was read as a whole."""
    halt, measured = history.halt, len(LaneWindow(history).measured)
    kind = None if halt is None else halt.kind
    return Progress(measured, history.lane.iterations, bool(history.iterations), kind)


def progress_in(entries: Sequence[Record]) -> Progress:
    """How far a lane is, from the entries of its journal alone: they are counted, not folded."""
    measured, planned, begun, halt = 0, 0, False, None
    for entry in entries:
        match entry["type"]:
            case "start" | "plan":
                planned = int(entry["iterations"])
            case "observation":
                begun, halt = True, None
            case "decision":
                measured += 1
            case "halt":
                halt = str(entry["kind"])
    return Progress(measured, planned, begun, halt)


def measured_of(history: History) -> int:
    """How many iterations of a lane were measured."""
    return progress_of(history).measured


def state_of(history: History, *, live: bool = False, lost: bool = False) -> State:
    """The state of a lane; ``live``: a session works on its run; ``lost``: its worker died."""
    return progress_state(progress_of(history), live=live, lost=lost)


def progress_state(progress: Progress, *, live: bool = False, lost: bool = False) -> State:
    """The state of a lane that is as far as that; see :func:`state_of`."""
    if progress.halt == "end_of_data":
        return State.ENDED
    if progress.measured >= progress.planned:
        return State.DONE
    if lost:
        return State.LOST
    if progress.halt is not None:
        return State.HALTED
    if not progress.begun:
        return State.PLANNED
    return State.RUNNING if live else State.INTERRUPTED


def run_state(states: Sequence[State]) -> State:
    """The state of a run, from the states of its lanes."""
    if State.PLANNED in states and set(states) & {State.ENDED, State.DONE}:
        return State.INTERRUPTED  # it ended between two lanes
    return next((state for state in State if state in states), State.PLANNED)


def state_line(lane: StoredLane, state: State) -> str:
    """The state of a lane as a line for people."""
    history = lane.history
    text = (
        f"lane {lane.id}: {state}, {measured_of(history)} of "
        f"{history.lane.iterations} iterations measured"
    )
    if history.halt is not None:
        halt = history.halt
        why = " ".join(halt.text.split())
        text += f"; it halted at iteration {halt.iteration} ({halt.kind}): {why:.200}"
    if lane.end.torn:
        text += f"; its last line was torn ({lane.end.torn} bytes) and dropped"
    return text
