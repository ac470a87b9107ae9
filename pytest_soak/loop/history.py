"""A whole lane, read from its journal: what verify, gate and report work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_soak.loop.entries import EntryError, decision_from_entry
from pytest_soak.loop.fold import advance, started
from pytest_soak.loop.model import Decision, Entry, History, Iteration
from pytest_soak.loop.state import LaneState


def read_history(entries: Iterable[Entry]) -> History:
    """Every iteration of a journal, in one pass. Raises :class:`EntryError` for a bad one.

    An iteration whose decision is journaled has it, done or not; one that still waits for its
    decision has None.
    """
    state: LaneState | None = None
    iterations: list[Iteration] = []
    for entry in entries:
        before = state
        state = started(entry) if before is None else advance(before, entry)
        if before is not None and before.observed is not None and entry["type"] == "decision":
            iterations.append(replace(before.observed, decision=decision_from_entry(entry)))
    if state is None:
        raise EntryError("the journal is empty: it must begin with an entry 'start'")
    if state.observed is not None and state.intent is None:
        iterations.append(state.observed)
    return History(
        lane=state.lane,
        profile=state.profile,
        target=state.target,
        mock=state.mock,
        tune=state.tune,
        dry_run=state.dry_run,
        start_values=state.start_values,
        iterations=tuple(iterations),
        halt=state.halt,
        scenarios=state.scenarios,
        halts=state.halts,
    )


@dataclass(frozen=True, slots=True)
class Passage:
    """One entry of a journal after the first, and the lane on either side of it."""

    entry: Entry
    before: LaneState
    after: LaneState


def passages(entries: Iterable[Entry]) -> Iterator[Passage]:
    """The lane, entry by entry. Raises :class:`EntryError` for a bad one, when it comes to it."""
    state: LaneState | None = None
    for entry in entries:
        if state is None:
            state = started(entry)
            continue
        before, state = state, advance(state, entry)
        yield Passage(entry, before, state)


@dataclass(frozen=True, slots=True)
class Moment:
    """One iteration of a lane, just before its decision."""

    state: LaneState
    """It has the observation, and the edits that came during the iteration."""
    decision: Decision | None = None
    """What was decided then; None while it is still to be taken."""
    in_force: bool = False
    """The decision is known to have reached the runtime file, or changed nothing."""


def moment_of(entries: Iterable[Entry], iteration: int) -> Moment | None:
    """``iteration`` just before its decision; None if it was not observed.

    Raises :class:`EntryError` for a bad entry before it is found.
    """
    found: Moment | None = None
    for passage in passages(entries):
        kind, observed = passage.entry["type"], passage.after.observed
        if found is not None and found.decision is not None:
            # Its done, or an edit that met it on its way: it counts as carried out then.
            if kind in ("done", "external"):
                return replace(found, in_force=True)
        elif found is not None and kind == "decision":
            found = replace(found, decision=decision_from_entry(passage.entry))
            if passage.after.intent is None:
                return replace(found, in_force=True)
        elif observed is not None and observed.number == iteration:
            found = Moment(passage.after)
    return found
