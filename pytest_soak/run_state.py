"""How far a stored run is: the state of each lane and of the run, and who works on it now."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History
from pytest_soak.store import names
from pytest_soak.store.lock import Holder, live_holder
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import StoredLane


class State(StrEnum):
    """Of a lane; of a run it is the first that holds for one of its lanes, in this order."""

    RUNNING = "running"
    """A live session works on it."""
    LOST = "lost"
    """Its worker died."""
    HALTED = "halted"
    """The target, a deadline or a disk ended it."""
    INTERRUPTED = "interrupted"
    """Its session ended before it did."""
    PLANNED = "planned"
    """Nothing of it was run."""
    ENDED = "ended"
    """The data ran out."""
    DONE = "done"
    """Every planned iteration was measured."""


def holder_of(run: RunDirectory) -> Holder | None:
    """The session that works on ``run`` now, in whatever process; None if none does."""
    if run.path.name != names.LATEST:
        return None
    holder = live_holder(run.path.parent)
    # A session that has not begun its own run yet holds the directory of the one before.
    return holder if holder is not None and holder.run_id == run.run_id else None


def measured_of(history: History) -> int:
    """How many iterations of a lane were measured."""
    return len(LaneWindow(history).measured)


def state_of(history: History, *, live: bool = False, lost: bool = False) -> State:
    """The state of a lane; ``live`` says that a session works on its run."""
    measured = measured_of(history)
    if history.halt is not None and history.halt.kind == "end_of_data":
        return State.ENDED
    if measured >= history.lane.iterations:
        return State.DONE
    if lost:
        return State.LOST
    if history.halt is not None:
        return State.HALTED
    if not history.iterations:
        return State.PLANNED
    return State.RUNNING if live else State.INTERRUPTED


def run_state(states: Sequence[State]) -> State:
    """The state of a run by those of its lanes."""
    if State.PLANNED in states and set(states) & {State.ENDED, State.DONE}:
        return State.INTERRUPTED  # between two lanes
    return next((state for state in State if state in states), State.PLANNED)


def state_line(lane: StoredLane, state: State) -> str:
    """The state of a lane for people."""
    history = lane.history
    text = (
        f"lane {lane.id}: {state}, {measured_of(history)} of "
        f"{history.lane.iterations} iterations measured"
    )
    if history.halt is not None:
        halt = history.halt
        text += f"; it halted at iteration {halt.iteration} ({halt.kind}): {halt.text:.200}"
    if lane.end.torn:
        text += f"; its last line was torn ({lane.end.torn} bytes) and dropped"
    return text
