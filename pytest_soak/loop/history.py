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


def before_decision(
    entries: Iterable[Entry], iteration: int
) -> tuple[LaneState, Decision | None] | None:
    """The lane as the decision of ``iteration`` found it, and that decision.

    The decision is None while it is still to be taken; all is None if there was no such
    observation. Raises :class:`EntryError`.
    """
    observed: LaneState | None = None
    for passage in passages(entries):
        if passage.entry["type"] == "decision" and passage.entry["iteration"] == iteration:
            return passage.before, decision_from_entry(passage.entry)
        found = passage.after.observed
        observed = passage.after if found is not None and found.number == iteration else None
    return None if observed is None else (observed, None)
