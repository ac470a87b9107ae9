"""A whole lane, read from its journal: what verify, gate and report work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_soak.loop.entries import EntryError, decision_from_entry
from pytest_soak.loop.model import Entry, History, Iteration
from pytest_soak.loop.state import LaneState, advance, started


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
